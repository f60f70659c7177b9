"""Measured rows are taken as they stand; everything else is the sum of what it inherits."""

import csv
import datetime
import math

import pytest

from servemark.catalogue import coefficients as room
from servemark.catalogue.coefficients import (
    FITTED_FIELDS,
    STEP_FIELDS,
    UNKNOWN,
    Group,
    find_coefficients,
    generation,
    group_levels,
)
from servemark.catalogue.engine_defaults import engine_names
from servemark.catalogue.gpu_types import find_gpu, gpu_catalogue
from servemark.catalogue.tables import DATA
from servemark.domain.model import PRECISIONS
from servemark.physics.step import CoefficientValues

SHIPPED = list(csv.DictReader((DATA / "coefficients.csv").read_text(encoding="utf-8").splitlines()))


def find(gpu="l40s", dtype="bf16", engine="vllm", version=None, model=None):
    return find_coefficients(find_gpu(gpu), dtype=dtype, engine=engine, version=version, model=model)


def test_the_fields_of_a_step_are_those_of_the_step_model():
    assert set(STEP_FIELDS) == set(CoefficientValues._fields)


@pytest.mark.parametrize(
    ("engine", "version", "expected"),
    [
        ("vllm", None, "vllm"),
        ("vllm", "0.15.1", "vllm"),
        ("vllm", "0.6.3", "vllm-v0"),
        ("vllm", "2024", "vllm-v0"),
        ("tensorrt-llm", "v0.14", "tensorrt-llm-engines"),
        ("tensorrt-llm", "v0.20", "tensorrt-llm"),
        ("tensorrt-llm", "1.2.0rc6.post3", "tensorrt-llm"),
        ("sglang", "0.5.9", "sglang"),
        ("sglang", "nightly-dev", "sglang"),
    ],
)
def test_a_rewritten_engine_is_another_engine(engine, version, expected):
    assert generation(engine, version) == expected


def test_chips_of_one_name_differ_by_their_memory():
    levels = {
        key: group_levels(find_gpu(key), Group(key, "fp16", "vllm", None))
        for key in ("a100-sxm-80gb", "a10")
    }
    assert levels["a100-sxm-80gb"]["architecture"] == "Ampere HBM"
    assert levels["a10"]["architecture"] == "Ampere GDDR"
    assert levels["a10"]["joined"] == "PCIe"
    assert levels["a10"]["group"] == "a10 bf16 vllm"
    assert (
        group_levels(find_gpu("b300-sxm"), Group("b300-sxm", "fp4", "vllm", None))["architecture"]
        == (group_levels(find_gpu("b200-sxm"), Group("b200-sxm", "fp4", "vllm", None))["architecture"])
    )


@pytest.mark.parametrize("cells", SHIPPED[::7], ids=lambda c: "-".join(list(c.values())[:5]))
def test_measured_rows_are_found_as_they_stand(cells):
    found = find(
        cells["gpu"],
        cells["dtype"],
        cells["engine"],
        cells["engine_version"] or None,
        cells["model"] or None,
    )
    assert found.rows == int(cells["rows"]) > 0
    assert found.inherited_from is None
    assert found.memory_efficiency.value == float(cells["memory_efficiency"])
    assert found.fitted_range is not None
    size = len(STEP_FIELDS)
    assert len(found.correlations) == size
    assert all(len(row) == size and row[i] == 1.0 for i, row in enumerate(found.correlations))
    assert found.correlations[3][5] == found.correlations[5][3]


@pytest.mark.parametrize("cells", SHIPPED, ids=lambda c: "-".join(list(c.values())[:5]))
def test_every_shipped_row_is_sane_sourced_and_dated(cells):
    assert cells["source"]
    assert datetime.date.fromisoformat(cells["date"]) >= datetime.date(2026, 1, 1)
    assert cells["gpu"] in gpu_catalogue()
    assert cells["dtype"] in PRECISIONS
    assert cells["engine"] in engine_names()
    for name in FITTED_FIELDS:
        assert 0 < float(cells[f"{name}_relative_error"]) < 5
        assert 0 < float(cells[name]) <= (1.0 if name.endswith("efficiency") else 3.0)


def test_fp16_and_bf16_run_on_the_same_units():
    measured = find("h100-sxm", "fp16", "tensorrt-llm", "v0.14")
    same = find("h100-sxm", "bf16", "tensorrt-llm", "v0.14")
    assert same.memory_efficiency == measured.memory_efficiency
    assert (measured.dtype, same.dtype) == ("fp16", "bf16")


def test_a_model_the_fit_has_not_seen_takes_the_row_for_any_model():
    known = find("b200-sxm", "fp8", "vllm", None, "llama-3.1-70b")
    unknown = find("b200-sxm", "fp8", "vllm", None, "nobody-70b")
    assert unknown.time_ratio.relative_error > known.time_ratio.relative_error
    assert unknown.rows > 0
    for family in ("throughput", "tpot"):
        assert unknown.residual_log_errors[family] >= known.residual_log_errors[family]


@pytest.mark.parametrize("gpu", sorted(gpu_catalogue()))
def test_every_gpu_has_coefficients_for_every_engine(gpu):
    for engine in engine_names():
        found = find(gpu, "bf16", engine)
        assert (found.gpu, found.dtype, found.engine) == (gpu, "bf16", engine)
        for name in FITTED_FIELDS:
            fitted = getattr(found, name)
            assert 0 < fitted.value < (1 if name.endswith("efficiency") else 3)
            assert 0 < fitted.relative_error < 5


def test_a_gpu_nobody_measured_inherits_and_is_less_sure():
    l40s, l4 = find("l40s", "fp8", "tensorrt-llm"), find("l4", "fp8", "tensorrt-llm")
    assert "Ada GDDR" in (l4.inherited_from or "")
    assert l4.rows == 0
    assert l4.memory_efficiency.relative_error > l40s.memory_efficiency.relative_error


def test_the_sum_of_effects_by_hand(monkeypatch):
    effects = {
        "mean": {"*": {f: (0.0, 0.1) for f in FITTED_FIELDS}},
        "gpu": {"l4": {"memory_efficiency": (1.0, 0.2)}, UNKNOWN: {"memory_efficiency": (0.0, 0.5)}},
        "engine": {"vllm": {"step_overhead_s": (-7.0, 0.3)}, UNKNOWN: {"step_overhead_s": (0.0, 0.4)}},
    }
    monkeypatch.setattr(room, "_effects", lambda: effects)
    found = find("l4", "bf16", "vllm")
    # logistic of 0 + 1, and its error times 1 - value
    assert found.memory_efficiency.value == pytest.approx(1 / (1 + math.exp(-1)))
    assert found.memory_efficiency.relative_error == pytest.approx(
        math.hypot(0.1, 0.2) * (1 - 1 / (1 + math.exp(-1)))
    )
    assert found.step_overhead_s.value == pytest.approx(math.exp(-7))
    assert found.step_overhead_s.relative_error == pytest.approx(math.hypot(0.1, 0.3))
    unknown = find("a10", "bf16", "sglang")
    assert unknown.memory_efficiency.relative_error == pytest.approx(math.hypot(0.1, 0.5) / 2)
    assert unknown.step_overhead_s.relative_error == pytest.approx(math.hypot(0.1, 0.4))
