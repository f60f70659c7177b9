import msgspec

from servemark.domain.metrics import METRICS
from servemark.domain.run import OUTCOMES, Distribution, Level, Provenance, RequestRecord, Run
from servemark.domain.workload import Rate, Slo, Users, Workload, load_label


def test_a_run_survives_json():
    record = RequestRecord(
        index=0, scheduled_s=0.0, sent_s=0.001, end_s=1.5, outcome="complete", chunk_s=(0.5, 0.6)
    )
    level = Level(
        load=Users(users=4),
        requests_sent=1,
        outcomes=dict.fromkeys(OUTCOMES, 0) | {"complete": 1},
        metrics={"ttft_s": Distribution(n=1, p50=0.5, ci={"p50": None})},
        output_tokens_per_s=None,
        requests_per_s=None,
        requests=(record,),
    )
    run = Run(
        origin="measured",
        method="load test",
        title="t",
        workload=Workload(),
        slos=(Slo(metric="ttft_s", statistic="p95", limit=2.0),),
        levels=(level,),
        provenance=Provenance(servemark="0", started="2026-11-20T00:00:00+00:00", seed=0),
    )
    assert msgspec.json.decode(msgspec.json.encode(run), type=Run) == run


def test_labels_and_slo_names():
    assert load_label(Users(users=1)) == "1 user"
    assert load_label(Users(users=32)) == "32 users"
    assert load_label(Rate(per_s=2.5)) == "2.5 req/s"
    assert Slo(metric="tpot_s", statistic="p95", limit=1).name == "tpot_p95"
    assert Slo(metric="failures_ratio", statistic="value", limit=1).name == "failures"


def test_every_metric_has_formula_source_and_a_unique_slo_name():
    assert all(m.key == key and m.formula and m.source for key, m in METRICS.items())
    assert len({m.slo for m in METRICS.values()}) == len(METRICS)


def test_a_run_of_before_there_were_bands_is_still_read():
    """As `run.json` was written before `band`, `bands` and `extrapolations` came to be."""
    old = b"""{"schema": "servemark.run/1", "origin": "predicted", "method": "closed form", "title": "t",
        "workload": {}, "levels": [{
                    "load": {"type": "users", "users": 4}, "requests_sent": 0, "outcomes": {}, "requests_per_s": 1.0,
                    "metrics": {"ttft_s": {"n": 0, "p95": 0.5, "ci": {"p95": null}}}, "output_tokens_per_s": 100.0}],
        "capacity": {"load": {"type": "users", "users": 4}, "margin": 0.1},
        "provenance": {"servemark": "0", "started": "2026-11-20T00:00:00+00:00", "seed": 0}}"""
    run = msgspec.json.decode(old, type=Run)
    assert (run.levels[0].bands, run.levels[0].metrics["ttft_s"].band) == ({}, {})
    assert (run.capacity.band, run.extrapolations) == (None, ())
