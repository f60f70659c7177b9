"""Which row is taken when nothing was measured, and how far its errors widen."""

import datetime

import msgspec
import pytest

from servemark.catalogue import coefficients as room
from servemark.catalogue.coefficients import FITTED_FIELDS, find_coefficients
from servemark.catalogue.engine_defaults import engine_names
from servemark.catalogue.gpu_types import find_gpu, gpu_catalogue
from servemark.domain.coefficients import Fitted
from servemark.domain.model import PRECISIONS

PRIOR = room._rows()[-1]


def row(gpu, dtype="bf16", engine="vllm", version=None, rows=10, value=0.5, error=0.05):
    fitted = {name: Fitted(value=value, relative_error=error) for name in FITTED_FIELDS}
    return msgspec.structs.replace(
        PRIOR, gpu=gpu, dtype=dtype, engine=engine, engine_version=version, rows=rows, **fitted
    )


@pytest.fixture
def table(monkeypatch):
    def install(*rows):
        monkeypatch.setattr(room, "_rows", lambda: (*rows, PRIOR))

    return install


def find(gpu="l40s", dtype="bf16", engine="vllm", version=None):
    return find_coefficients(find_gpu(gpu), dtype=dtype, engine=engine, version=version)


def test_the_prior_alone_answers_for_every_gpu(table):
    table()
    for gpu in gpu_catalogue().values():
        found = find_coefficients(gpu, dtype="bf16", engine="vllm", version=None)
        assert (found.gpu, found.rows, found.inherited_from) == (gpu.key, 0, "generic prior")
        assert found.compute_efficiency == PRIOR.compute_efficiency


def test_an_exact_row_is_taken_as_it_stands(table):
    table(row("l40s", version="0.15"), row("l40s", version="0.16", rows=99))
    found = find(version="0.15")
    assert (found.engine_version, found.rows, found.inherited_from) == ("0.15", 10, None)
    assert found.kv_efficiency == Fitted(value=0.5, relative_error=0.05)


def test_without_a_version_the_pooled_row_then_the_best_measured_is_taken(table):
    table(row("l40s", version="0.15"), row("l40s", version="0.16", rows=99))
    assert find().engine_version == "0.16"
    table(row("l40s", version="0.16", rows=99), row("l40s", rows=3))
    assert find().rows == 3


@pytest.mark.parametrize(
    ("near", "far", "origin", "error"),
    [
        # sqrt(0.05^2 + w^2) by hand
        (row("l40s", version="0.1"), row("l40s", engine="sglang"), "l40s bf16 vllm@0.1", 0.1118),
        (row("l40s", engine="sglang"), row("l40s", dtype="fp8"), "l40s bf16 sglang", 0.2062),
        (row("l40s", dtype="fp8"), row("l4"), "l40s fp8 vllm", 0.2550),
        (row("l4"), row("h100-sxm"), "l4 bf16 vllm", 0.3041),
        (row("h100-sxm"), row("rtx-3090"), "h100-sxm bf16 vllm", 0.4528),
    ],
)
def test_the_nearest_row_wins_and_its_errors_widen(table, near, far, origin, error):
    table(far, near)
    found = find(version="0.15")
    assert found.inherited_from == origin
    assert found.rows == 0
    assert (found.gpu, found.dtype, found.engine, found.engine_version) == ("l40s", "bf16", "vllm", "0.15")
    assert found.step_overhead_s.relative_error == pytest.approx(error, abs=5e-5)


def test_a_gpu_of_another_architecture_and_tier_is_no_better_than_the_prior(table):
    table(row("rtx-3090"))
    assert find("l40s").inherited_from == "generic prior"


def test_formats_of_the_same_rate_stand_for_each_other(table):
    table(row("l40s", dtype="fp16"))
    assert find(dtype="bf16").inherited_from is None
    assert find(dtype="fp8").inherited_from == "l40s fp16 vllm"


def test_an_empty_cell_is_taken_from_the_prior():
    cells = {f"{name}{end}": "" for name in FITTED_FIELDS for end in ("", "_relative_error")}
    cells |= {"gpu": "l40s", "dtype": "bf16", "engine": "vllm", "engine_version": "", "rows": "7", "source": "s",
              "date": "2026-11-20", "memory_efficiency": "0.8", "memory_efficiency_relative_error": "0.1"}  # fmt: skip
    found = room._row(cells, PRIOR)
    assert found.memory_efficiency == Fitted(value=0.8, relative_error=0.1)
    assert found.link_efficiency == PRIOR.link_efficiency
    assert (found.engine_version, found.rows) == (None, 7)


@pytest.mark.parametrize(
    "each", room._rows(), ids=lambda r: f"{r.gpu}-{r.dtype}-{r.engine}-{r.engine_version}"
)
def test_every_shipped_row_is_sane_sourced_and_dated(each):
    assert each.source
    assert datetime.date.fromisoformat(each.date) >= datetime.date(2026, 1, 1)
    if each.gpu != "*":
        assert each.gpu in gpu_catalogue()
        assert each.dtype in PRECISIONS
        assert each.engine in engine_names()
        assert each.rows > 0
    for name in FITTED_FIELDS:
        fitted = getattr(each, name)
        assert 0 < fitted.relative_error < 5
        assert 0 <= fitted.value <= (1.5 if name.endswith("efficiency") else 1.0)


@pytest.mark.parametrize(
    ("gpu", "origin"),
    [
        ("t4", "a100-pcie-80gb"),  # 7.5 is nearer to 8.0 than to 9.0 or 10.0
        ("v100-sxm-16gb", "a100-sxm-40gb"),
        ("a10", "a100-pcie-80gb"),
        ("rtx-6000-ada", "l40s"),  # the same chip, accumulating at full rate as a GeForce does not
        ("rtx-5090", "rtx-pro-6000-server"),
        ("rtx-4080", "rtx-4090"),
        ("h100-pcie", "h100-sxm"),
        ("mi300x", "generic prior"),
    ],
)
def test_the_shipped_table_lends_from_the_gpu_most_alike(gpu, origin):
    assert (find(gpu).inherited_from or "").startswith(origin)
