import pytest

from servemark.api.fitting import fit
from servemark.api.prediction import predict
from servemark.api.simulated import simulate
from servemark.errors import InputError


@pytest.mark.parametrize("gpu", ["l4", "rtx-4090", "l40s", "a100-sxm-40gb"])
@pytest.mark.parametrize("engine", ["vllm", "sglang", "tensorrt-llm"])
def test_an_8b_model_starts_on_24_gb_with_every_engines_defaults(gpu, engine):
    assert fit("llama-3.1-8b", gpu=gpu, engine=engine).memory.fits


@pytest.mark.parametrize("verb", [predict, simulate])
def test_a_prompt_that_no_step_takes_whole_is_refused_before_work_starts(verb):
    whole = "enable_chunked_prefill=false,max_num_batched_tokens=512"
    with pytest.raises(InputError, match="max_num_batched_tokens = 512 without chunked prefill, found 640"):
        verb("llama-3.1-8b", gpu="l40s", users=1, input=512, output=128, set_=whole)
    # TensorRT-LLM never recomputes an answer: the prompt alone has to fit
    with pytest.raises(InputError, match="input at most max_num_batched_tokens = 8192"):
        verb("llama-3.1-8b", gpu="l40s", users=1, input=8193, output=128, engine="tensorrt-llm")
    run = predict("llama-3.1-8b", gpu="l40s", users=1, input=8192, output=128, engine="tensorrt-llm")
    assert run.levels[0].requests_per_s
