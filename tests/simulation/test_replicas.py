from collections import Counter

import pytest
from hypothesis import given, settings
from reference import simulate
from workloads import level, levels

from servemark.simulation.replicas import play

PS = 10**12


def picoseconds(value_s):
    return None if value_s is None else round(value_s * PS)


def expanded(steps):
    """Every step of the stretches: (replica, start, duration, decodes, prompt tokens)."""
    for s in steps:
        start, first, last = (picoseconds(x) for x in (s.start_s, s.first_s, s.last_s))
        rise, rest = divmod(last - first, s.count - 1) if s.count > 1 else (0, 0)
        assert rest == 0
        for i in range(s.count):
            yield s.replica, start, first + i * rise, s.decodes, s.prefill_tokens
            start += first + i * rise


def assert_equal(case):
    """The event loop and the reference agree to the picosecond; returns the reference's requests."""
    played = play(**case)
    requests, steps = simulate(**case)
    assert [r.index for r in played.requests] == [r.index for r in requests]
    for got, want in zip(played.requests, requests, strict=True):
        times = want.token_times
        assert (got.outcome, got.replica, got.user) == (want.outcome, want.replica, want.user)
        assert picoseconds(got.scheduled_s) == want.scheduled
        assert picoseconds(got.first_token_s) == (times[0] if times else None)
        assert picoseconds(got.last_token_s) == (times[-1] if times else None)
        assert picoseconds(got.end_s) == want.end
        assert [picoseconds(gap) for gap in got.stalls_s] == want.stalls
        assert (got.output_tokens, got.preemptions) == (len(times), want.preemptions)
        if want.outcome == "complete":
            assert got.cached_tokens == want.cached
    ours = sorted(expanded(played.steps), key=lambda step: (step[1], step[0]))
    assert ours == [(s.replica, s.start, s.duration, s.decodes, s.prefill_tokens) for s in steps]
    gaps = Counter(picoseconds(gap) for r in played.requests for gap in r.stalls_s)
    for _, _, duration, decodes, _ in ours:
        gaps[duration] += decodes
    pairs = [(a, b) for r in requests for a, b in zip(r.token_times, r.token_times[1:], strict=False)]
    assert +gaps == Counter(b - a for a, b in pairs)
    first = {(s.replica, s.start): s for s in steps}
    for s in played.steps:
        want = first[s.replica, picoseconds(s.start_s)]
        assert s.waiting == want.waiting
    return requests


@pytest.mark.parametrize("seed", range(400))
def test_seeded_levels_equal_the_reference(seed):
    assert_equal(level(seed))


@settings(max_examples=150, deadline=None)
@given(levels)
def test_any_level_equals_the_reference(case):
    assert_equal(case)
