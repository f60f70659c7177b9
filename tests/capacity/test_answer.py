import pytest

from servemark.capacity.answer import capacity_of
from servemark.domain.capacity import SloVerdict, Verdict
from servemark.domain.run import Level
from servemark.domain.workload import Rate, Slo, Users

TTFT = Slo(metric="ttft_s", statistic="p95", limit=2.0)
TPOT = Slo(metric="tpot_s", statistic="p95", limit=0.05)


def level(users, word, *margins):
    """A judged level: margins of TTFT and TPOT."""
    slos = tuple(
        SloVerdict(
            slo=slo, value=1.0, verdict=word if margin is None or margin < 0 else "holds", margin=margin
        )
        for slo, margin in zip((TTFT, TPOT), margins, strict=False)
    )
    return Level(
        load=Users(users=users), requests_sent=100, outcomes={}, metrics={}, output_tokens_per_s=None,
        requests_per_s=None, verdict=Verdict(word=word, slos=slos),
    )  # fmt: skip


def test_highest_load_that_holds_and_what_binds_there():
    levels = [
        level(1, "holds", 0.9, 0.8), level(2, "holds", 0.6, 0.5), level(4, "holds", 0.3, 0.1),
        level(8, "breaks", -2.0, -0.2),
    ]  # fmt: skip
    for order in (levels, levels[::-1]):
        answer = capacity_of(order)
        assert answer.load == Users(users=4)
        assert (answer.binding, answer.margin) == (TPOT, 0.1)
        assert answer.first_broken == Users(users=8)
        assert answer.broken_by == TTFT


def test_nothing_above_a_broken_load_counts():
    levels = [level(1, "holds", 0.5, 0.5), level(2, "breaks", -0.1, 0.2), level(4, "holds", 0.1, 0.1)]
    answer = capacity_of(levels)
    assert (answer.load, answer.first_broken) == (Users(users=1), Users(users=2))
    assert answer.broken_by == TTFT


def test_undecided_levels_neither_hold_nor_stop():
    levels = [
        level(1, "undecided", 0.9, 0.9), level(2, "holds", 0.5, 0.6), level(4, "undecided", 0.2, 0.2)
    ]  # fmt: skip
    answer = capacity_of(levels)
    assert (answer.load, answer.margin) == (Users(users=2), 0.5)
    assert answer.first_broken is None
    assert capacity_of(levels[:1]).load is None


def test_nothing_holds():
    answer = capacity_of([level(4, "breaks", -3.0, -3.0), level(2, "breaks", 0.1, -0.4)])
    assert answer.load is None
    assert (answer.binding, answer.margin) == (TPOT, -0.4)
    assert (answer.first_broken, answer.broken_by) == (Users(users=2), TPOT)


def test_a_promise_without_any_sample_gives_way_to_one_with_a_margin():
    answer = capacity_of([level(2, "breaks", -0.4, None)])
    assert (answer.binding, answer.margin, answer.broken_by) == (TTFT, -0.4, TTFT)


def test_an_undecided_lowest_load_binds_nothing():
    answer = capacity_of([level(1, "undecided", 0.9, 0.8)])
    assert (answer.load, answer.binding, answer.margin) == (None, None, None)


@pytest.mark.parametrize("count", [0, 2])
def test_without_promises_there_is_no_answer(count):
    plain = Level(
        load=Rate(per_s=1.0), requests_sent=1, outcomes={}, metrics={}, output_tokens_per_s=None,
        requests_per_s=None,
    )  # fmt: skip
    answer = capacity_of([plain] * count)
    assert (answer.load, answer.binding, answer.first_broken) == (None, None, None)
