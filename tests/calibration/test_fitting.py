"""The joint fit on made-up measurements whose truth is known."""

import numpy as np
import pytest
from msgspec.structs import replace

from servemark.calibration.fitting import FIELDS, PartialFits, fitted, model_shape, natural, teaching
from servemark.calibration.observations import predicted
from servemark.catalogue.coefficients import find_coefficients
from servemark.catalogue.gpu_types import find_gpu

from .test_observations import observed

GPUS = ("h100-sxm", "a100-sxm-80gb")
SHAPES = ((128, 128), (1024, 128), (128, 1024))


def measured(gpu, model="llama-3.1-8b", slower=1.0, noise=0.0):
    """A small table of static batches, with its truth."""
    truth = find_coefficients(find_gpu(gpu), dtype="bf16", engine="vllm", version=None)
    truth = replace(truth, time_ratio=replace(truth.time_ratio, value=slower))
    rows = [
        observed(model, gpu, sequences=n, input_tokens=i, output_tokens=o, source="made up")
        for i, o in SHAPES
        for n in (1, 4, 16, 64)
    ]
    values = predicted(rows, [truth] * len(rows))
    drawn = np.random.default_rng(0).normal(0, noise, len(rows)) if noise else np.zeros(len(rows))
    return [replace(o, value=float(v * np.exp(e))) for o, v, e in zip(rows, values, drawn, strict=True)]


def waits(overhead_s):
    """Mean TTFTs of few users, of requests that cost so much beside their steps."""
    rows = [
        observed(kind="closed", sequences=n, input_tokens=i, metric="ttft", counted="", source="made up")
        for n in (1, 4, 8)
        for i in (256, 1024)
    ]
    known = find_coefficients(find_gpu("h100-sxm"), dtype="bf16", engine="vllm", version=None)
    known = replace(known, request_overhead_s=replace(known.request_overhead_s, value=overhead_s))
    values = predicted(rows, [known] * len(rows))
    return [replace(o, value=float(v)) for o, v in zip(rows, values, strict=True)]


@pytest.fixture(scope="module")
def table():
    return [*(o for gpu in GPUS for o in measured(gpu, noise=0.02)), *waits(0.08)]


@pytest.fixture(scope="module")
def found(table):
    return fitted(table)


def errors(fit, rows):
    values = predicted(rows, [fit.coefficients_for(o) for o in rows])
    return np.abs(values / np.array([o.value for o in rows]) - 1)


def test_it_comes_back_to_what_was_measured(found, table):
    assert errors(found, table).mean() < 0.03


def test_a_gpu_of_the_same_class_inherits(found):
    unseen = measured("gh200")
    assert errors(found, unseen).mean() < 0.25
    seen, other = (
        found.coefficients(find_gpu(gpu), dtype="bf16", engine="vllm") for gpu in ("h100-sxm", "gh200")
    )
    assert other.rows == 0
    assert other.inherited_from
    assert other.memory_efficiency.relative_error > seen.memory_efficiency.relative_error


def test_a_partial_fit_predicts_what_a_fit_of_the_rest_does(found, table):
    def outside(each):
        return each.deployment.node.gpu.key == "h100-sxm"

    partial = PartialFits(found).without(outside)
    again = fitted([o for o in table if not outside(o)])
    own = [o for o in table if outside(o)]
    assert errors(partial, own).mean() == pytest.approx(errors(again, own).mean(), abs=0.03)
    assert {partial.nearness(o) for o in own} == {"inherited"}
    assert {found.nearness(o) for o in own} == {"known model"}
    assert partial.nearness(next(o for o in table if not outside(o))) == "known model"


def test_a_slow_model_is_known_by_its_effect_alone():
    rows = [o for gpu in GPUS for o in (*measured(gpu), *measured(gpu, "mistral-7b-v0.1", slower=1.15))]
    fit = fitted(rows)
    gpu = find_gpu("h100-sxm")
    ratios = [
        fit.coefficients(gpu, dtype="bf16", engine="vllm", model=m).time_ratio
        for m in ("mistral-7b-v0.1", "llama-3.1-8b", None)
    ]
    slow, usual, unknown = (r.value for r in ratios)
    assert slow > 1.05 * usual
    assert unknown == pytest.approx(1.0, abs=0.02)
    assert ratios[2].relative_error > ratios[0].relative_error


def test_each_measurement_teaches_once(table):
    repeated = [*table, *table, replace(table[0], kind="open", rate_per_s=1.0)]
    assert len(teaching(repeated)) == len(table)
    copied = replace(table[0], deployment=replace(table[0].deployment, dtype="fp16"))
    assert len(teaching([table[0], copied])) == 2


def test_models_of_one_shape_are_one():
    shapes = [
        model_shape(observed(m).deployment.model) for m in ("llama-3.1-70b", "llama-3.3-70b", "qwen2-72b")
    ]
    assert shapes[0] == shapes[1] != shapes[2]


def test_values_from_the_scale_of_the_fit():
    values = natural(np.zeros(len(FIELDS)))
    assert set(values) == {0.5, 1.0}


def test_what_a_request_costs_is_told_by_those_who_wait(found):
    cost = found.coefficients(find_gpu("h100-sxm"), dtype="bf16", engine="vllm").request_overhead_s
    assert cost.value == pytest.approx(0.08, rel=0.4)


def test_a_wait_many_times_the_usual_teaches_nothing():
    row = waits(0.02)[0]
    assert teaching([row, replace(row, value=100 * row.value)]) == [row]
