import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from servemark.domain.run import StepRecord
from servemark.stats import stretches
from servemark.stats.stretches import gap_stretches, gap_total, stretch_mean, stretch_quantiles

QUANTILES = [0.0, 0.01, 0.25, 0.5, 0.95, 0.99, 1.0]
duration = st.sampled_from([0.01, 0.02, 0.025]) | st.floats(0.001, 1.0)


@st.composite
def step_records(draw):
    count = draw(st.integers(1, 60))
    first = draw(duration)
    last = draw(duration) if count > 1 else first
    return StepRecord(start_s=0.0, count=count, first_s=first, last_s=last, decodes=draw(st.integers(0, 5)))


def expanded(steps, gaps=()):
    every = [np.repeat(np.linspace(s.first_s, s.last_s, s.count), s.decodes) for s in steps]
    return np.concatenate([*every, np.asarray(gaps, dtype=float)])


def test_two_stretches_by_hand():
    # 0.01, 0.02, 0.03 twice each, and 0.02 four times
    steps = [
        StepRecord(start_s=0, count=3, first_s=0.01, last_s=0.03, decodes=2),
        StepRecord(start_s=1, count=4, first_s=0.02, last_s=0.02, decodes=1),
        StepRecord(start_s=2, count=9, first_s=5.0, last_s=5.0, decodes=0),
    ]
    columns = gap_stretches(steps)
    assert gap_total(columns) == 10
    assert stretch_mean(columns) == pytest.approx(0.02)
    # sorted: .01 .01 .02 x6 .03 .03; p90 lies at position 8.1
    assert stretch_quantiles(columns, [0.5, 0.9]) == pytest.approx([0.02, 0.03])


@settings(deadline=None)
@given(st.lists(step_records(), min_size=1, max_size=15), st.lists(st.floats(0.1, 3), max_size=4))
@pytest.mark.parametrize("expand", [1, 8, 8192])
def test_quantiles_are_those_of_the_expanded_steps(expand, steps, gaps):
    values = expanded(steps, gaps)
    if not len(values):
        return
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stretches, "_EXPAND", expand)
        found = stretch_quantiles(gap_stretches(steps, gaps), QUANTILES)
    assert found == pytest.approx(np.quantile(values, QUANTILES).tolist(), rel=1e-12)
    assert stretch_mean(gap_stretches(steps, gaps)) == pytest.approx(values.mean())


def test_a_hundred_million_gaps_are_never_written_out():
    rng = np.random.default_rng(5)
    steps = [
        StepRecord(start_s=0, count=100_000, first_s=a, last_s=a + 0.01, decodes=32)
        for a in rng.uniform(0.01, 0.02, 32).tolist()
    ]
    columns = gap_stretches(steps)
    assert gap_total(columns) == 102_400_000
    [p50] = stretch_quantiles(columns, [0.5])
    coarse = np.concatenate([np.linspace(s.first_s, s.last_s, 1001) for s in steps])
    assert p50 == pytest.approx(np.median(coarse), rel=1e-4)


def test_neighbouring_floats_end_the_search():
    low = 0.02
    high = float(np.nextafter(low, 1))
    steps = [StepRecord(start_s=0, count=20_000, first_s=low, last_s=high, decodes=1)]
    [p0, p100] = stretch_quantiles(gap_stretches(steps), [0.0, 1.0])
    assert (p0, p100) == (low, high)
