"""Causes named at a real llama.cpp server that has them.

Every item of the short bank takes 76 to 84 tokens: a pool of 512 holds six of them at their longest, and of eight
not even the shortest.
"""

import pytest

from servemark.api.measured import measure
from servemark.api.reporting import report
from servemark.domain.run import Run
from servemark.engines import llamacpp, tiny

pytestmark = pytest.mark.needs("xllamacpp")

OF_THE_MACHINE = {
    "stale_connections", "load_generator_at_limit", "slower_steps", "waiting_for_first_token",
    "queueing_behind_slots", "drift_over_run",
}  # fmt: skip
"""What a slow or busy machine does to latency."""


def measured(engine_settings, **asked):
    with llamacpp.start(tiny.gguf_path(), threads=1, **engine_settings) as engine:
        run = measure(
            engine.base_url, runs=None,
            on_settings={key: str(value) for key, value in engine.settings.items()}, **asked,
        )  # fmt: skip
    assert isinstance(run, Run)
    return run


def experiment(users, **engine_settings):
    """Eight items a block and no warm-up, so eight users begin together; any latency is promised, for slow machines."""
    return measured(
        engine_settings, suite="tiny-short", users=users, blocks=8, warmup=0, margin="10%", slo="e2e_p50=60s"
    )  # fmt: skip


def claims(run):
    return {each.key: each.claim for each in run.findings}


def words(run):
    return {each.family: each.word for each in run.quality.families}


def page(run, tmp_path):
    path = tmp_path / "page.md"
    report(run, output=path)
    return path.read_text(encoding="utf-8").lower()


def test_a_shared_pool_that_runs_dry(tmp_path):
    run = experiment([1, 2, 4, 6, 8], slots=8, context_tokens=512, shared_pool=True)
    *fitting, over = run.levels
    for level in fitting:
        assert level.outcomes["complete"] == level.quality.useful == 64
    assert over.outcomes["broken"] > 0 and over.quality.useful == over.outcomes["complete"]
    (finding,) = (each for each in run.findings if each.key == "shared_kv_pool_exhausted")
    assert finding.claim.startswith("The shared KV pool is exhausted, cliff predicted at 6 users: ")
    assert finding.claim.endswith("answers break off at 8 users.")
    assert finding.confidence == "certain"
    assert words(run)["failures"] == "harmed" and words(run)["quality"] != "harmed"
    assert run.capacity.load.users == 6
    shown = page(run, tmp_path)
    assert "cliff predicted at 6 users" in shown and "quality degradation" not in shown


def test_slots_of_their_own_do_no_harm(tmp_path):
    run = experiment([1, 8], slots=8, context_tokens=512)
    assert [level.quality.useful for level in run.levels] == [64, 64]
    assert set(claims(run)) <= OF_THE_MACHINE
    assert words(run)["failures"] == words(run)["quality"] == "not harmed"
    assert words(run)["latency"] != "harmed"
    assert "quality degradation" not in page(run, tmp_path)


def test_slots_that_shift_their_context():
    run = measured(
        {"slots": 2, "context_tokens": 512, "context_shift": True},
        users=[1, 2], input=60, output=300, requests=4,
    )  # fmt: skip
    found = claims(run)
    assert found["context_shifted"].startswith("Context shift: lost context in 4 of 4")
    assert "shared_kv_pool_exhausted" not in found and "context_divided_among_slots" not in found
