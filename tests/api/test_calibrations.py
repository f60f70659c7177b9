"""The closed loop on a twin whose truth is known: the simulator, with coefficients made up on purpose."""

import pytest
from msgspec.structs import replace

import servemark as sm
from servemark.api.deployments import build_deployment, coefficients_of
from servemark.domain.calibration import Calibration
from servemark.domain.coefficients import Fitted
from servemark.errors import InputError
from servemark.store.calibrations import keep_calibration

MODEL, OPTIONS = "llama-3.1-8b", {"gpu": "l40s"}
LENGTHS = {"traffic": "chat", "requests": 100}
LOOPS = {
    "closed": ({"users": (1, 4, 24)}, {"users": (2, 8, 32)}),
    "open": ({"rate": (0.5, 1, 3)}, {"rate": (0.75, 2)}),
}
"""Measured, and predicted without having been measured."""
TTFT_ERROR = {"closed": 0.35, "open": 0.06}
"""Users who send again at once may fall into step with the engine, or out of it, by a hair: a step more or less."""


@pytest.fixture(scope="module")
def truth(tmp_path_factory):
    """A file of coefficients far from the shipped ones: slow memory, three times the overhead of a step."""
    deployment = build_deployment(MODEL, OPTIONS)
    shipped = coefficients_of(deployment)
    made_up = replace(
        shipped,
        memory_efficiency=Fitted(value=0.55, relative_error=0.01),
        step_overhead_s=Fitted(value=3 * shipped.step_overhead_s.value, relative_error=0.01),
    )
    found = Calibration(
        method="load test", started="2026-11-20", device=deployment.node.gpu, coefficients=(made_up,),
        prior=(shipped,),
    )  # fmt: skip
    return keep_calibration(tmp_path_factory.mktemp("truth"), found)[1]


@pytest.fixture(scope="module", params=LOOPS)
def kind(request):
    return request.param


@pytest.fixture(scope="module")
def measured(truth, kind):
    """What a load test of that twin brings home: the same records, played without the wall clock."""
    run = sm.simulate(MODEL, **LOOPS[kind][0], **LENGTHS, calibration=truth)
    return replace(run, origin="measured", method="load test", coefficients=None)


@pytest.fixture(scope="module")
def loop(measured, tmp_path_factory):
    """The calibration, and its file."""
    folder = tmp_path_factory.mktemp("runs")
    found = sm.calibrate(measured, runs=folder)
    return found, folder / "calibrations" / f"{found.id}.json"


@pytest.fixture(scope="module")
def unseen(truth, loop, kind):
    """Loads that were not measured: as they are, as predicted before, and after."""
    ways = ({"calibration": truth}, OPTIONS, {"calibration": loop[1]})
    return [sm.simulate(MODEL, **LOOPS[kind][1], **LENGTHS, **way).levels for way in ways]


def test_the_error_falls_to_a_few_percent_on_loads_left_out_in_turn(loop, kind):
    calibration, _ = loop
    assert calibration.outcome == "improved"
    by_metric = {each.metric: each for each in calibration.errors}
    assert by_metric["all"].before_ratio > 0.1
    assert by_metric["tpot_s"].held_out_ratio < 0.03
    assert by_metric["ttft_s"].held_out_ratio < TTFT_ERROR[kind]


def test_other_loads_are_predicted_within_a_few_percent(unseen, kind):
    for true, _, found in zip(*unseen, strict=True):
        assert found.output_tokens_per_s == pytest.approx(true.output_tokens_per_s, rel=0.04)
        assert found.metrics["tpot_s"].mean == pytest.approx(true.metrics["tpot_s"].mean, rel=0.04)
        ttft = true.metrics["ttft_s"].mean
        assert found.metrics["ttft_s"].mean == pytest.approx(ttft, rel=TTFT_ERROR[kind]), found.load


def test_the_bands_hold_the_truth_and_are_narrower_than_before(unseen, kind):
    for true, before, found in zip(*unseen, strict=True):
        for metric in ("tpot_s", "ttft_s") if kind == "open" else ("tpot_s",):
            low, high = found.metrics[metric].band["mean"]
            assert low <= true.metrics[metric].mean <= high, (true.load, metric)
            old = before.metrics[metric].band["mean"]
            assert high / low < old[1] / old[0]


def test_the_file_says_where_it_comes_from(loop, measured):
    calibration, file = loop
    assert calibration.models == (MODEL,) and calibration.deployment == measured.deployment
    assert calibration.coefficients[0].source == f"{len(measured.levels)} loads of {measured.title}"
    run = sm.predict(users=4, calibration=file)
    assert run.deployment == measured.deployment
    assert calibration.id in run.coefficients.source


@pytest.fixture(scope="module")
def users_run(truth):
    run = sm.simulate(MODEL, users=(1, 2, 4, 8), input=64, output=8, requests=12, calibration=truth)
    return replace(run, origin="measured", method="load test", coefficients=None)


def test_two_levels_are_too_few(users_run, tmp_path):
    few = replace(users_run, levels=users_run.levels[:2])
    with pytest.raises(InputError, match="expected 3 or more usable loads, found 2"):
        sm.calibrate(few, runs=tmp_path)


def test_levels_that_cannot_be_used_are_named(users_run, tmp_path):
    cut = replace(users_run.levels[0], requests=users_run.levels[0].requests[:3])
    run = replace(users_run, levels=(cut, *users_run.levels[1:3]))
    with pytest.raises(InputError, match=r"found 2 .*1 user: 2 complete requests, fewer than 5"):
        sm.calibrate(run, runs=tmp_path)
    kept = sm.calibrate(replace(run, levels=(cut, *users_run.levels[1:])), runs=tmp_path)
    assert "1 user: 2 complete requests" in kept.notes[0]


def test_a_prediction_is_no_measurement(users_run, tmp_path):
    with pytest.raises(InputError, match=r"expected a measured run, found .*predicted"):
        sm.calibrate(replace(users_run, origin="predicted"), runs=tmp_path)


def test_a_run_of_unknown_deployment_needs_options(users_run, tmp_path):
    unknown = replace(users_run, deployment=None)
    with pytest.raises(InputError, match="--model and --gpu"):
        sm.calibrate(unknown, runs=tmp_path)
    found = sm.calibrate(unknown, model=MODEL, gpu="l40s", runs=tmp_path)
    assert found.deployment == users_run.deployment


def test_runs_of_two_gpus_are_two_calibrations(users_run, tmp_path):
    other = replace(users_run, deployment=build_deployment(MODEL, {"gpu": "h100"}))
    with pytest.raises(
        InputError, match="one GPU, dtype and engine, found l40s bf16 vllm, h100-sxm bf16 vllm"
    ):
        sm.calibrate(users_run, other, runs=tmp_path)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"device": "gpu"}, "device: expected cpu"),
        ({"requests": 20}, "--device cpu beside it"),
        ({"device": "cpu", "requests": 3}, "at least 5"),
        ({"device": "cpu", "gpu": "l40s"}, "no runs, device or deployment"),
        ({"gpu_bench": True, "device": "cpu"}, "no runs, device or deployment"),
        ({"gpu_bench": True, "tp": 2}, "--gpu, --dtype and --engine"),
        ({"gpu_bench": True, "dtype": "int4"}, "a format that torch multiplies"),
    ],
)
def test_ways_that_exclude_each_other_are_refused_before_anything_runs(options, said, tmp_path):
    with pytest.raises(InputError, match=said):
        sm.calibrate(**options, runs=tmp_path)
