import pytest

from servemark.calibration.recipes import as_launched, is_inferencex, wait_steps
from servemark.catalogue.engine_defaults import find_engine
from servemark.catalogue.gpu_types import find_gpu

B200 = find_gpu("b200")
ROW = {
    "source": "aiconfigurator-core 0.12.0 silicon_sample.csv",
    "source_version": "source_file=2026-03-25.csv; sglang 0.5.9",
    "model": "DeepSeek-R1", "weight_dtype": "fp8", "tp": "8", "isl": "1024", "osl": "1024",
    "concurrency_or_batch": "8",
}  # fmt: skip


@pytest.mark.parametrize(
    ("change", "known"),
    [
        ({}, True),
        ({"source_version": "db-dump/2026-04-27; vllm 0.17.0"}, True),
        ({"source_version": "source_file=met"}, False),
        ({"source": "InferenceX dashboard"}, True),
        ({"source": "my own runs"}, False),
    ],
)
def test_whose_procedure_is_known(change, known):
    assert is_inferencex({**ROW, **change}) is known


@pytest.mark.parametrize(
    ("engine", "change", "steps"),
    [
        ("sglang", {}, 5),
        ("sglang", {"concurrency_or_batch": "16"}, 15),
        ("sglang", {"model": "GLM-5"}, 0),
        ("vllm", {}, 0),
        ("tensorrt-llm", {"model": "Llama-3.1-70B", "tp": "4"}, 20),
        ("tensorrt-llm", {"model": "Llama-3.1-70B", "tp": "8"}, 0),
        ("tensorrt-llm", {"model": "Llama-3.1-70B", "tp": "4", "isl": "8192"}, 0),
        ("tensorrt-llm", {"concurrency_or_batch": "64"}, 40),
        ("sglang", {"source": "my own runs"}, 0),
    ],
)
def test_how_long_a_request_stays_unseen(engine, change, steps):
    assert wait_steps({**ROW, **change}, engine) == steps


def test_token_budgets_and_shares_of_memory():
    def launched(engine, **change):
        config = as_launched({**ROW, **change}, find_engine(engine, gpu=B200))
        return config.max_num_batched_tokens, config.gpu_memory_utilization

    assert launched("sglang") == (32768, 0.82)
    assert launched("sglang", weight_dtype="fp4") == (16384, 0.85)
    assert launched("sglang", tp="4") == (8192, 0.95)
    assert launched("trtllm", isl="8192") == (8192 + 8 + 64, 0.8)
    assert launched("trtllm", model="gpt-oss-120b") == (20000, 0.85)
    assert launched("vllm")[0] == 8192


def test_rows_of_other_procedures_keep_the_defaults():
    engine = find_engine("sglang", gpu=B200)
    assert as_launched({**ROW, "source": "my own runs"}, engine) is engine
