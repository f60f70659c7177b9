import pytest
from hypothesis import given
from hypothesis import strategies as st

from servemark.calibration.predictions import cases_of, value_unit
from servemark.calibration.rows import COLUMNS, parse_rows

from .conftest import CELLS, table

CELL_TEXTS = {
    "source": ["own", "aiconfigurator sample", "Argonne", "LLMServingSim", "TensorRT-LLM (static batch)"],
    "source_version": ["", "v0.14", "db-dump/2026-04-27; sglang ", "source_file=a"],
    "gpu": ["H100", "L40S", "abacus", "B200-SXM-180GB"],
    "num_gpus": ["1", "2", "8", "64", "7"],
    "tp": ["1", "2", "8", "3"],
    "pp": ["1", "2"],
    "model": ["llama-3.1-8b", "DeepSeek-R1", "gpt-oss-120b", "nobody-7b", "bert-base-uncased"],
    "weight_dtype": ["", "fp8", "fp16", "fp7"],
    "kv_dtype": ["", "auto", "fp8", "fp7"],
    "engine": ["vllm", "sglang", "trtllm", "llama.cpp", "abacus"],
    "isl": ["", "0", "128", "1e9", "long", "-4", "nan"],
    "osl": ["", "0", "1", "128", "long", "nan", "inf"],
    "concurrency_or_batch": ["", "0", "1", "64", "max", "qps=2", "qps=inf", "qps=", "qps=x", "qps=-1", "-3", "1e30"],
    "metric": ["tpot_mean", "ttft_ref", "output_throughput_total", "prefill_throughput_bs1", "e2e_p99", "moons"],
    "unit": ["ms", "tok/s", "tok/s/gpu", "us", ""],
    "value": ["1", "250.5", "1e9"],
}  # fmt: skip


@given(st.fixed_dictionaries({name: st.sampled_from(texts) for name, texts in CELL_TEXTS.items()}))
def test_every_row_is_predictable_or_has_a_reason(cells):
    cases, refused = cases_of(parse_rows(table(cells).splitlines(keepends=True), "own.csv"))
    assert len(cases) + len(refused) == 1
    for each in refused:
        assert each.reason.strip()
        assert "\n" not in each.reason


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"gpu": "abacus"}, "expected a GPU, found 'abacus'"),
        ({"model": "nobody-7b"}, "expected a model, found 'nobody-7b'"),
        ({"engine": "abacus"}, "expected an engine, found 'abacus'"),
        ({"num_gpus": "64", "tp": "64"}, "64 GPUs"),
        ({"weight_dtype": "fp7"}, "'fp7'"),
        ({"metric": "moons"}, "'moons'"),
        ({"unit": "us"}, "unit 'us'"),
        ({"gpu": "T4", "model": "llama-3.1-70b"}, "does not fit"),
    ],
)
def test_reasons_in_words(make_rows, change, reason):
    cases, (refused,) = cases_of(make_rows(change))
    assert not cases
    assert reason in refused.reason


def test_units(make_rows):
    ms, s = make_rows({}, {"unit": "s"})
    assert value_unit(ms) == 1e-3
    assert value_unit(s) == 1
    assert set(CELL_TEXTS) == set(CELLS) == set(COLUMNS)
