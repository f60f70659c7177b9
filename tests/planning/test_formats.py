import pytest

from servemark.catalogue.architectures import find_model
from servemark.catalogue.gpu_types import find_gpu
from servemark.planning.formats import (
    Format,
    asked_formats,
    default_formats,
    format_marks,
    keeps_precision,
    own_dtype,
    unsupported,
)

LLAMA = find_model("llama-3.1-8b")


def test_ada_gets_the_checkpoint_and_fp8():
    found = default_formats(LLAMA, find_gpu("l40s"))
    assert found == (Format("bf16", "bf16"), Format("fp8", "bf16"), Format("fp8", "fp8"))


def test_ampere_has_no_fp8_units_and_so_keeps_a_16_bit_cache():
    found = default_formats(LLAMA, find_gpu("a100-sxm-80gb"))
    assert found == (Format("bf16", "bf16"), Format("fp8", "bf16"))


def test_turing_has_no_bf16_units():
    gpu = find_gpu("t4")
    assert own_dtype(LLAMA, gpu) == "fp16"
    assert default_formats(LLAMA, gpu)[0] == Format("fp16", "fp16")
    assert keeps_precision(LLAMA, Format("fp16", "fp16"))


def test_fp8_makes_no_fp8_checkpoint_smaller():
    model = find_model("deepseek-v3")
    assert default_formats(model, find_gpu("h200-sxm")) == (Format("fp8", "bf16"), Format("fp8", "fp8"))
    assert default_formats(find_model("gpt-oss-20b"), find_gpu("h200-sxm")) == (Format("mxfp4", "bf16"),)


def test_what_is_asked_for_replaces_the_default():
    gpu = find_gpu("l40s")
    assert asked_formats(LLAMA, gpu, ("int4",), ()) == (Format("int4", "bf16"),)
    assert asked_formats(LLAMA, gpu, ("int4", "bf16"), ("fp8",)) == (
        Format("int4", "fp8"),
        Format("bf16", "fp8"),
    )
    assert asked_formats(LLAMA, gpu, (), ("bf16",)) == (Format("bf16", "bf16"), Format("fp8", "bf16"))


@pytest.mark.parametrize(
    ("form", "gpu", "engine", "words"),
    [
        (Format("bf16", "bf16"), "t4", "vllm", "bf16 needs compute capability 8.0, T4 has 7.5"),
        (Format("fp8", "bf16"), "v100-sxm-32gb", "vllm", "fp8 needs compute capability 7.5"),
        (Format("fp8", "fp8"), "a100-sxm-80gb", "vllm", "a KV cache in fp8 needs units"),
        (Format("bf16", "bf16"), "mi300x", "tensorrt-llm", "does not run on AMD GPUs"),
        (Format("fp8", "fp8"), "mi250", "vllm", "MI250 has no units for fp8"),
        (Format("fp16", "fp16"), "t4", "tensorrt-llm", "tensorrt-llm needs compute capability 8.0"),
        (Format("q4_k_m", "fp16"), "l40s", "vllm", "vllm does not read q4_k_m weights"),
        (Format("int4", "bf16"), "l40s", "llama.cpp", "llama.cpp does not read int4 weights"),
    ],
)
def test_what_cannot_run_says_why(form, gpu, engine, words):
    assert words in (unsupported(form, find_gpu(gpu), engine) or "")


@pytest.mark.parametrize(
    ("form", "gpu", "engine"),
    [
        (Format("fp8", "fp8"), "l40s", "vllm"),
        (Format("fp8", "bf16"), "a100-sxm-80gb", "vllm"),
        (Format("fp8", "fp8"), "mi300x", "vllm"),
        (Format("q4_k_m", "fp16"), "l40s", "llama.cpp"),
        (Format("bf16", "bf16"), "l40s", "llama.cpp"),
    ],
)
def test_what_can_run(form, gpu, engine):
    assert unsupported(form, find_gpu(gpu), engine) is None


def test_marks_say_what_changes_answers_and_what_runs_in_16_bits():
    assert format_marks(LLAMA, Format("bf16", "bf16"), find_gpu("l40s")) == ()
    assert format_marks(LLAMA, Format("fp8", "fp8"), find_gpu("l40s")) == (
        "fp8 and KV cache: answers may change a little",
    )
    weights_only = format_marks(LLAMA, Format("fp8", "bf16"), find_gpu("a100-sxm-80gb"))
    assert "fp8 as weights alone: the maths runs in 16 bits" in weights_only
