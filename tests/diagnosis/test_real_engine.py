"""Causes named at a real llama.cpp server that has them."""

import re

import pytest

from servemark.api.measured import measure
from servemark.diagnosis.causes import diagnose
from servemark.domain.run import Run
from servemark.engines import llamacpp, tiny

pytestmark = pytest.mark.needs("xllamacpp")


def measured(users, input_tokens, output_tokens, requests, **settings):
    with llamacpp.start(tiny.gguf_path(), threads=1, **settings) as engine:
        run = measure(
            engine.base_url, users=users, input=input_tokens, output=output_tokens, requests=requests, runs=None,
            on_settings={key: str(value) for key, value in engine.settings.items()},
        )  # fmt: skip
    assert isinstance(run, Run)
    return {each.key: each for each in diagnose(run)}


def test_a_shared_pool_that_runs_dry():
    # 140 to 150 tokens a request, as the words fall: six or seven fit, sixteen do not
    found = measured([1, 6, 16], 40, 110, 32, slots=16, context_tokens=1024, shared_pool=True)
    finding = found["shared_kv_pool_exhausted"]
    assert re.search("cliff predicted at [67] users: .* at 16 users", finding.claim)
    assert finding.confidence == "certain"
    assert not any("degradation" in each.claim for each in found.values())


def test_slots_that_shift_their_context():
    found = measured([1, 2], 60, 300, 4, slots=2, context_tokens=512, context_shift=True)
    assert found["context_shifted"].claim.startswith("Context shift: lost context in 4 of 4")
    assert "shared_kv_pool_exhausted" not in found and "context_divided_among_slots" not in found


def test_slots_with_room_enough_break_nothing():
    found = measured([1, 4], 40, 60, 16, slots=4, context_tokens=1024)
    harmless = {"stale_connections", "load_generator_at_limit", "slower_steps", "waiting_for_first_token"}
    assert set(found) <= harmless
