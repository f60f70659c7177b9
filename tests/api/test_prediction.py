"""The public `predict` and `simulate`: every prediction says how far it may be off."""

import msgspec
import pytest

import servemark as sm
from servemark.domain.metrics import STATISTICS
from servemark.domain.run import Run
from servemark.faces.documents import run_document

SLO = "ttft_p95=2s,tpot_p95=60ms"
LATENCIES = ("ttft_s", "itl_s", "tpot_s", "e2e_s")


@pytest.fixture(scope="module")
def predicted():
    return sm.predict("llama-3.1-8b", gpu="l40s", users=[1, 8, 32, 128], slo=SLO)


@pytest.fixture(scope="module")
def simulated():
    return sm.simulate("llama-3.1-8b", gpu="l40s", users=[1, 8, 32, 128], slo=SLO, requests=150)


@pytest.mark.parametrize("verb", ["predicted", "simulated"])
def test_every_value_lies_in_its_band(verb, request):
    run = request.getfixturevalue(verb)
    for level in run.levels:
        for key in LATENCIES:
            found = level.metrics[key]
            for name in STATISTICS:
                low, high = found.band[name]
                assert low < getattr(found, name) < high
        for key in ("output_tokens_per_s", "requests_per_s"):
            low, high = level.bands[key]
            assert low < getattr(level, key) < high
    for verdict in (v for level in run.levels for v in level.verdict.slos):
        found = run.levels[0].metrics  # the verdict carries the band of its own statistic
        assert verdict.band is not None and verdict.slo.metric in found


def test_the_capacity_lies_in_its_band(predicted, simulated):
    for run in (predicted, simulated):
        low, high = run.capacity.band
        assert low <= run.capacity.load.users <= high
        assert low < high


def test_closed_form_and_simulation_agree_on_how_far_they_may_be_off(predicted, simulated):
    """A closed loop only stretches: both give TPOT the same relative band at the same load."""
    for one, other in zip(predicted.levels, simulated.levels, strict=True):
        here, there = (level.metrics["tpot_s"] for level in (one, other))
        assert here.band["mean"][1] / here.mean == pytest.approx(
            there.band["mean"][1] / there.mean, rel=0.05
        )


def test_in_an_open_loop_below_saturation_throughput_is_the_load():
    (level,) = sm.predict("llama-3.1-8b", gpu="l40s", rate=0.5).levels
    assert level.bands["requests_per_s"] == pytest.approx((0.5, 0.5))


def test_a_longer_simulation_is_played_again_only_in_part(monkeypatch):
    monkeypatch.setattr("servemark.api.simulated.BAND_REQUESTS", 50)
    (level,) = sm.simulate("llama-3.1-8b", gpu="l40s", rate=4, requests=400).levels
    low, high = level.metrics["e2e_s"].band["p95"]
    assert low < level.metrics["e2e_s"].p95 < high
    assert level.requests_sent == 400


def test_a_trace_has_bands_but_no_band_of_its_capacity(tmp_path):
    trace = tmp_path / "t.csv"
    rows = "".join(f"{i / 4},500,50\n" for i in range(60))
    trace.write_text(f"at_s,input_tokens,output_tokens\n{rows}")
    run = sm.simulate("llama-3.1-8b", gpu="l40s", trace=trace, slo=SLO)
    assert run.levels[0].metrics["ttft_s"].band["p95"][1] > run.levels[0].metrics["ttft_s"].p95
    assert run.capacity.band is None


def test_an_answer_of_one_token_has_a_first_token_with_a_band():
    (level,) = sm.predict("bert-base-uncased", gpu="l4", users=4).levels
    assert level.metrics["ttft_s"].band["p50"][0] < level.metrics["ttft_s"].p50
    assert level.metrics["tpot_s"].band == {}
    assert level.bands["requests_per_s"][0] < level.requests_per_s


def test_bands_survive_storage_and_stand_in_the_document(predicted, tmp_path):
    run = sm.predict("llama-3.1-8b", gpu="l40s", users=[1, 8], slo=SLO, runs=tmp_path)
    assert msgspec.json.decode(msgspec.json.encode(run), type=Run) == run
    document = msgspec.json.decode(msgspec.json.encode(run_document(predicted)))
    level = document["levels"][0]
    low, high = level["metrics"]["tpot_s"]["band"]["p95"]
    assert low < level["metrics"]["tpot_s"]["p95"] < high
    assert level["slos"][1]["band"] == [low, high]
    assert set(level["bands"]) == {"output_tokens_per_s", "requests_per_s"}
    assert document["capacity"]["band"] == list(predicted.capacity.band)
    assert document["extrapolations"] == list(predicted.extrapolations)


def test_without_promises_nothing_is_said_of_a_capacity():
    run = sm.predict("llama-3.1-8b", gpu="l40s", users=4)
    assert run.capacity is None
    assert run_document(run)["capacity"] == dict.fromkeys(
        ("load", "band", "binding", "margin", "first_broken", "broken_by")
    )
