import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from servemark.capacity.search import search_capacity
from servemark.domain.run import Distribution, Level
from servemark.domain.workload import Rate, Replay, Slo, Users, load_value
from servemark.errors import InputError
from servemark.stats.verdicts import judge

TTFT = Slo(metric="ttft_s", statistic="p95", limit=1.0)


class Probe:
    """TTFT of `load / carries` seconds; loads in `blind` have too few requests."""

    def __init__(self, carries, blind=()):
        self.carries, self.blind, self.probed = carries, blind, []

    def __call__(self, load):
        value = load_value(load)
        self.probed.append(value)
        n, ci = (10, None) if value in self.blind else (1000, (0.0, 9.0))
        ttft = Distribution(n=n, p95=value / self.carries, ci={"p95": ci})
        level = Level(
            load=load, requests_sent=n, outcomes={"complete": n}, metrics={"ttft_s": ttft},
            output_tokens_per_s=None, requests_per_s=None,
        )  # fmt: skip
        return judge(level, [TTFT])


@settings(deadline=None)
@given(st.integers(1, 400), st.integers(1, 20), st.integers(1, 500))
def test_finds_the_last_user_that_fits(carries, lowest, span):
    probe = Probe(carries)
    highest = lowest + span
    found = search_capacity(probe, lowest=Users(users=lowest), highest=Users(users=highest))
    best = min(carries, highest)
    assert found.capacity.load == (Users(users=best) if best >= lowest else None)
    assert len(set(probe.probed)) == len(probe.probed) <= 20
    assert [load_value(level.load) for level in found.levels] == sorted(probe.probed)
    if carries < highest:
        assert found.capacity.first_broken is not None


@settings(deadline=None)
@given(st.floats(0.2, 80), st.sampled_from([0.01, 0.05, 0.2]))
def test_narrows_a_rate_to_the_tolerance(carries, tolerance):
    probe = Probe(carries)
    found = search_capacity(probe, lowest=Rate(per_s=0.1), highest=Rate(per_s=100.0), tolerance=tolerance)
    assert carries / (1 + tolerance) <= found.capacity.load.per_s <= carries
    assert len(set(probe.probed)) == len(probe.probed)


def test_doubles_then_halves():
    probe = Probe(11)
    search_capacity(probe, lowest=Users(users=1), highest=Users(users=1000))
    assert probe.probed == [1, 2, 4, 8, 16, 12, 10, 11]


def test_stops_at_the_highest_load_asked_for():
    probe = Probe(1000)
    found = search_capacity(probe, lowest=Users(users=1), highest=Users(users=6))
    assert probe.probed == [1, 2, 4, 6]
    assert found.capacity.load == Users(users=6)
    assert found.capacity.first_broken is None


def test_undecided_levels_do_not_stop_the_doubling_but_bound_the_answer():
    probe = Probe(11, blind={1, 8})
    found = search_capacity(probe, lowest=Users(users=1), highest=Users(users=64))
    assert probe.probed == [1, 2, 4, 8, 16, 6, 7]
    assert found.capacity.load == Users(users=7)
    assert found.capacity.first_broken == Users(users=16)


def test_keeps_the_rest_of_the_load():
    found = search_capacity(
        Probe(3), lowest=Users(users=1, think_s=2.0), highest=Users(users=8, think_s=2.0)
    )
    assert found.capacity.load == Users(users=3, think_s=2.0)
    found = search_capacity(Probe(3), lowest=Replay(name="x"), highest=Replay(name="x", time_scale=8.0))
    assert 3 / 1.05 <= found.capacity.load.time_scale <= 3


@pytest.mark.parametrize(
    ("lowest", "highest", "tolerance", "field"),
    [
        (Users(users=1), Rate(per_s=1.0), 0.05, "highest"),
        (Users(users=0), Users(users=4), 0.05, "lowest"),
        (Users(users=8), Users(users=4), 0.05, "lowest"),
        (Rate(per_s=1.0), Rate(per_s=2.0), 0.0, "tolerance"),
    ],
)
def test_refused(lowest, highest, tolerance, field):
    with pytest.raises(InputError) as error:
        search_capacity(Probe(1), lowest=lowest, highest=highest, tolerance=tolerance)
    assert error.value.path == field
