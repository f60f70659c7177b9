import msgspec
import numpy as np
import pytest
from plan_questions import requirements, search_of

from servemark.api.quantities import parse_slos
from servemark.domain.lengths import mean_tokens
from servemark.domain.workload import LognormalLength, Rate, Users, Workload
from servemark.physics.levels import closed_form_level
from servemark.planning.shapes import replica_shapes
from servemark.planning.sieve import BLOCK, columns, figured, levels_of, most_load
from servemark.stats.verdicts import judge

SLOS = parse_slos("ttft_p95=2s,tpot_p99=40ms,e2e_mean=20s")
LOADS = [Users(users=24), Users(users=24, think_s=5.0), Rate(per_s=0.9)]


@pytest.fixture(scope="module")
def shapes():
    asked = requirements()
    return replica_shapes(search_of(asked, ["l40s", "h100-sxm"])).fitting[::7]


@pytest.fixture(scope="module", params=["fixed", "spread"])
def workload(request):
    if request.param == "fixed":
        return requirements().workload
    return Workload(
        input=LognormalLength(median_tokens=900, sigma=0.8, maximum_tokens=4000),
        output=LognormalLength(median_tokens=200, sigma=0.6, maximum_tokens=800),
    )


@pytest.mark.parametrize("load", LOADS, ids=["users", "thinking", "rate"])
def test_all_at_once_says_what_one_by_one_says(shapes, workload, load):
    """The columns hold what `closed_form_level` works out singly, promise by promise."""
    forms = columns(shapes, load, workload)
    value = load.users if isinstance(load, Users) else load.per_s
    found = figured(forms, SLOS, load, np.full(len(shapes), float(value)))
    for row, (deployment, budget, coefficients) in enumerate(shapes):
        level = judge(closed_form_level(deployment, coefficients, budget, load, workload), SLOS)
        ratios = [each.value / each.slo.limit for each in level.verdict.slos]
        saturated = any("saturated" in note for note in level.notes)
        if not saturated and max(ratios) > 0.9:
            assert found.worst[row] == pytest.approx(max(ratios), rel=1e-9)
            assert int(found.binding[row]) == ratios.index(max(ratios))
        assert found.ttft_p95_s[row] == pytest.approx(level.metrics["ttft_s"].p95, rel=1e-9)
        assert found.tpot_p95_s[row] == pytest.approx(level.metrics["tpot_s"].p95, rel=1e-9)
        assert found.requests_per_s[row] == pytest.approx(level.requests_per_s, rel=1e-9)


@pytest.mark.parametrize("load", LOADS, ids=["users", "thinking", "rate"])
def test_the_most_load_holds_and_a_little_more_does_not(shapes, workload, load):
    forms = columns(shapes, load, workload)
    up_to = 400.0 if isinstance(load, Users) else 16.0
    most = most_load(forms, SLOS, load, up_to)
    inside = (most > 0) & (most < up_to)
    assert inside.any()
    at = figured(forms, SLOS, load, np.maximum(most, 1e-3)).worst
    above = figured(forms, SLOS, load, np.maximum(most, 1e-3) * 1.04).worst
    assert (at[inside] <= 1).all()
    assert (above[inside] > 1).mean() > 0.95


def test_what_breaks_for_a_single_user_carries_nothing(shapes, workload):
    forms = columns(shapes, LOADS[0], workload)
    assert (most_load(forms, parse_slos("tpot_p95=10us"), LOADS[0], 100.0) == 0).all()


def test_slower_steps_carry_less(shapes, workload):
    load = LOADS[0]
    forms = columns(shapes, load, workload)
    slow = most_load(forms.slower(1.3), SLOS, load, 800.0)
    usual = most_load(forms, SLOS, load, 800.0)
    fast = most_load(forms.slower(1 / 1.3), SLOS, load, 800.0)
    assert (slow <= usual).all()
    assert (usual <= fast).all()
    assert (slow < fast).any()


def test_blocks_do_not_change_anything(workload):
    asked = requirements()
    shapes = replica_shapes(search_of(asked, ["l40s"])).fitting
    many = (shapes * (BLOCK // len(shapes) + 2))[: BLOCK + 5]
    load = Users(users=10)
    found = figured(columns(many, load, workload), SLOS, load, np.full(len(many), 10.0))
    assert len(found.worst) == BLOCK + 5
    assert found.worst[0] == found.worst[len(shapes)]
    assert found.worst[BLOCK] == found.worst[BLOCK % len(shapes)]


def test_rows_can_be_picked(shapes, workload):
    load = Users(users=10)
    forms = columns(shapes, load, workload)
    whole = figured(forms, SLOS, load, np.full(len(shapes), 10.0))
    picked = figured(forms.of([3, 1]), SLOS, load, np.full(2, 10.0))
    assert list(picked.worst) == [whole.worst[3], whole.worst[1]]


def test_throughput_promises_are_kept_from_above(shapes, workload):
    load = Users(users=24)
    forms = columns(shapes, load, workload)
    found = figured(forms, parse_slos("output_tokens=100"), load, np.full(len(shapes), 24.0))
    tokens = found.requests_per_s * max(1.0, mean_tokens(workload.output))
    assert found.worst == pytest.approx(100 / tokens)


@pytest.mark.parametrize("load", LOADS, ids=["users", "thinking", "rate"])
def test_levels_of_rows_are_those_of_the_closed_form(shapes, workload, load):
    forms = columns(shapes, load, workload)
    value = float(load.users if isinstance(load, Users) else load.per_s)
    found = levels_of(forms, load, np.full(len(shapes), value / 2), [2] * len(shapes))
    for level, (deployment, budget, coefficients) in zip(found, shapes, strict=True):
        two = msgspec.structs.replace(deployment, replicas=2)
        alone = closed_form_level(two, coefficients, budget, load, workload)
        assert level.output_tokens_per_s == pytest.approx(alone.output_tokens_per_s)
        assert level.requests_per_s == pytest.approx(alone.requests_per_s)
        for key, metric in alone.metrics.items():
            ours = level.metrics[key]
            assert (ours.mean, ours.p95) == (pytest.approx(metric.mean), pytest.approx(metric.p95))


def test_throughput_is_that_of_all_replicas(shapes, workload):
    """Two replicas share 24 users: what both give together is promised."""
    load = Users(users=24)
    forms = columns(shapes, load, workload)
    half = figured(forms, parse_slos("output_tokens=100"), load, np.full(len(shapes), 12.0))
    tokens = half.requests_per_s * max(1.0, mean_tokens(workload.output))
    assert half.worst == pytest.approx(50 / tokens)


def test_a_rate_that_is_not_carried_breaks_without_any_promise(shapes, workload):
    load = Rate(per_s=1000.0)
    found = figured(columns(shapes, load, workload), (), load, np.full(len(shapes), 1000.0))
    assert (found.worst > 1).all()
    assert (found.binding == -1).all()
