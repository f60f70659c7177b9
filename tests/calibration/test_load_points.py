"""Levels -> load points -> observations, on hand-made levels."""

import pytest
from msgspec.structs import replace

from servemark.api.deployments import build_deployment, coefficients_of
from servemark.calibration.load_points import (
    LEAST_ERROR,
    UNKNOWN_ERROR,
    load_points,
    observations_of,
    spanned,
)
from servemark.calibration.observations import predicted
from servemark.domain.coefficients import FittedRange
from servemark.domain.run import Distribution, Level, Provenance, RequestRecord, Run, Window
from servemark.domain.workload import FixedLength, Rate, Replay, Users, Workload
from servemark.physics.levels import closed_form_level
from servemark.physics.memory import memory_budget

DEPLOYMENT = build_deployment("llama-3.1-8b", {"gpu": "l40s"})


def records(inputs=(512,) * 20, outputs=(128,) * 20, cached=0):
    return tuple(
        RequestRecord(
            index=i, scheduled_s=0.0, end_s=4.0, input_tokens=n, output_tokens=m, cached_tokens=cached,
            outcome="complete",
        )
        for i, (n, m) in enumerate(zip(inputs, outputs, strict=True))
    )  # fmt: skip


def level(load=Users(users=8), *, requests=None, carried=2.0, tokens=256.0, steady=True, **changes):  # noqa: B008
    mean = lambda value: Distribution(n=20, mean=value, ci={"mean": (0.98 * value, 1.02 * value)})  # noqa: E731
    return Level(
        load=load,
        requests_sent=20,
        warmup_sent=8,
        outcomes={"complete": 20},
        metrics={"tpot_s": mean(0.03), "ttft_s": mean(0.2), "e2e_s": mean(4.0)},
        output_tokens_per_s=tokens,
        requests_per_s=carried,
        failures_ratio=changes.pop("failures_ratio", 0.0),
        window=Window(start_s=0.0, end_s=60.0, steady=steady),
        requests=records() if requests is None else requests,
        **changes,
    )


def run(*levels, workload=Workload(input=FixedLength(tokens=512), output=FixedLength(tokens=128))):  # noqa: B008
    return Run(
        id="0001-measured-x", origin="measured", method="load test", title="x", workload=workload, levels=levels,
        provenance=Provenance(servemark="0", started="2026-11-20", seed=7),
    )  # fmt: skip


def test_a_closed_loop_says_tpot_throughput_and_ttft():
    (point,), left_out = load_points(run(level()), DEPLOYMENT)
    assert not left_out
    # half of 4 % is 1.96 standard errors
    assert {v.metric: (v.value, pytest.approx(v.relative_error)) for v in point.values} == {
        "tpot_s": (0.03, 0.02 / 1.96), "ttft_s": (0.2, 0.02 / 1.96), "output_tokens_per_s": (256.0, 0.02 / 1.96),
    }  # fmt: skip
    assert (len(point.plan.requests), point.warmup) == (20, 8)
    found = {each.metric: each for each in observations_of(point)}
    assert set(found) == {"tpot", "ttft", "throughput"}
    assert found["tpot"].kind == "users" and found["tpot"].sequences == 8
    assert (found["ttft"].input_tokens, found["ttft"].output_tokens) == (512, 128)
    assert found["throughput"].counted == "output"


def test_users_in_step_with_the_engine_may_wait_a_step_more_or_less():
    # a step of 30 ms, evenly spread, deviates by 30 / sqrt(12) = 8.7 ms, 4.3 % of a TTFT of 200 ms
    errors = {}
    for users in (1, 8):
        (point,), _ = load_points(run(level(Users(users=users))), DEPLOYMENT)
        errors[users] = {each.metric: each.relative_error for each in observations_of(point)}
    sampled = 0.02 / 1.96
    assert [errors[1]["ttft"], errors[8]["tpot"]] == pytest.approx([sampled, sampled])
    assert errors[8]["ttft"] == pytest.approx((sampled**2 + 0.0433**2) ** 0.5, rel=1e-3)


@pytest.mark.parametrize("users", [1, 8, 64])
def test_the_fit_sees_users_as_the_closed_form_predicts_them(users):
    (point,), _ = load_points(run(level(Users(users=users))), DEPLOYMENT)
    coefficients = coefficients_of(DEPLOYMENT)
    closed = closed_form_level(
        DEPLOYMENT, coefficients, memory_budget(DEPLOYMENT, sequence_tokens=640), point.load, point.workload
    )
    seen = predicted(observations_of(point), [coefficients] * 3)
    assert seen.tolist() == pytest.approx(
        [closed.metrics["tpot_s"].mean, closed.metrics["ttft_s"].mean, closed.output_tokens_per_s], rel=1e-9
    )


def test_replicas_share_users_and_throughput_but_not_latency():
    (point,), _ = load_points(run(level()), replace(DEPLOYMENT, replicas=2))
    found = {each.metric: each for each in observations_of(point)}
    assert found["tpot"].sequences == 4 and found["tpot"].value == 0.03
    assert found["throughput"].value == 128.0


def test_an_open_loop_below_saturation_says_latencies_and_above_it_throughput():
    below, above = (level(Rate(per_s=rate)) for rate in (2.0, 4.0))
    points, _ = load_points(run(below, above), DEPLOYMENT)
    kinds = [{(each.metric, each.kind) for each in observations_of(point)} for point in points]
    assert kinds == [{("tpot", "open"), ("ttft", "open")}, {("throughput", "max")}]


def test_a_throughput_that_never_steadied_is_left_out():
    (point,), _ = load_points(run(level(steady=False)), DEPLOYMENT)
    assert {each.metric for each in point.values} == {"tpot_s", "ttft_s"}


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (level(Replay(name="azure")), "trace azure: arrivals of a trace are no steady load"),
        (level(Users(users=4, think_s=1.0)), "users pause"),
        (level(requests=records()[:4]), "4 complete requests, fewer than 5"),
        (level(failures_ratio=0.2), "20% of the requests failed"),
        (level(requests=records(cached=256)), "the prefix cache served 50%"),
        (level(Rate(per_s=9.0), steady=False), "no steady throughput"),
    ],
)
def test_what_is_no_steady_state_is_left_out_with_the_reason(found, said):
    points, (reason,) = load_points(run(found), DEPLOYMENT)
    assert not points and said in reason


def test_requests_are_played_again_as_long_as_they_came_out():
    found = records(inputs=(600,) * 20, outputs=(50, 150) * 10)
    late = tuple(replace(each, scheduled_s=5.0 + each.index, warmup=each.index < 2) for each in found[::-1])
    closed, opened = (
        load_points(run(replace(level(load, requests=late), warmup_sent=2)), DEPLOYMENT)[0][0]
        for load in (Users(users=8), Rate(per_s=2.0))
    )
    assert [each.output_tokens for each in closed.plan.requests[:3]] == [50, 150, 50]
    assert all(each.scheduled_s is None for each in closed.plan.requests)
    assert [each.scheduled_s for each in opened.plan.requests[:3]] == [0.0, 1.0, 2.0]
    seen = observations_of(closed)[0]
    assert (seen.input_tokens, seen.output_tokens, seen.input_variation) == (600, 100, 0)
    # half of 50 and half of 150 deviate by half of their mean
    assert seen.output_variation == pytest.approx(0.25)


def test_what_the_points_span():
    points, _ = load_points(run(level(Users(users=4)), level(), level(Rate(per_s=2.0))), DEPLOYMENT)
    found = spanned(points, None)
    # by Little's law the open loop has 2 x (0.2 s + 128 x 0.03 s) = 8.08 sequences
    assert found.sequences == 9 and found.context_tokens == 640
    assert found.params == (DEPLOYMENT.model.params,) * 2 and found.gpus == 1
    wider = spanned(points, FittedRange(sequences=64, context_tokens=100, params=(1e9, 2e9), gpus=8))
    assert (wider.sequences, wider.context_tokens, wider.gpus) == (64, 640, 8)
    assert wider.params == (1e9, DEPLOYMENT.model.params)


def test_the_error_of_a_mean_has_a_floor_and_without_an_interval_is_wide():
    bare = level()
    metrics = {
        "tpot_s": Distribution(n=20, mean=0.03),
        "ttft_s": Distribution(n=20, mean=0.2, ci={"mean": (0.2, 0.2)}),
    }
    (point,), _ = load_points(run(replace(bare, metrics=metrics)), DEPLOYMENT)
    assert [each.relative_error for each in point.values] == [UNKNOWN_ERROR, LEAST_ERROR, UNKNOWN_ERROR]
