from hypothesis import given
from hypothesis import strategies as st

from servemark.planning.frontier import NO_PRICE, Merits, dominates, frontier, step_of

MERITS = st.builds(
    Merits,
    tier=st.integers(0, 2),
    usd_per_hour=st.integers(1, 6).map(float),
    ttft_s=st.sampled_from((0.1, 0.2, 0.5, 1.0)),
    tpot_s=st.sampled_from((0.01, 0.02, 0.05)),
    load=st.sampled_from((-400.0, -150.0, -100.0)),
    quantized=st.booleans(),
    gpu=st.sampled_from(("l40s", "h100-sxm")),
    consumer=st.booleans(),
)
CHEAP = Merits(0, 1.0, 0.5, 0.03, -100.0, False)


@given(st.lists(MERITS, max_size=30))
def test_nothing_on_the_frontier_is_dominated(merits):
    front = frontier(merits)
    kept = [i for i, by in front.items() if by is None]
    assert not any(dominates(merits[a], merits[b]) for a in kept for b in kept)


@given(st.lists(MERITS, max_size=30))
def test_what_is_off_the_frontier_names_something_on_it_that_is_no_worse(merits):
    front = frontier(merits)
    assert set(front) == set(range(len(merits)))
    for i, by in front.items():
        if by is not None:
            assert front[by] is None
            assert not dominates(merits[i], merits[by])
            assert merits[by].tier <= merits[i].tier
            assert merits[by].usd_per_hour <= merits[i].usd_per_hour


@given(MERITS, MERITS, MERITS)
def test_dominance_is_a_strict_order(one, two, three):
    assert not dominates(one, one)
    assert not (dominates(one, two) and dominates(two, one))
    if dominates(one, two) and dominates(two, three):
        assert dominates(one, three)


def test_the_cheapest_is_always_kept():
    dear = CHEAP._replace(usd_per_hour=2.0)
    assert frontier([dear, CHEAP]) == {0: 1, 1: None}


def test_dearer_but_much_faster_is_an_alternative_and_a_little_faster_is_none():
    fast = CHEAP._replace(usd_per_hour=2.0, tpot_s=0.015)
    barely = CHEAP._replace(usd_per_hour=2.0, tpot_s=0.0299)
    front = frontier([CHEAP, fast, barely])
    assert front == {0: None, 1: None, 2: 0}


def test_an_undated_price_beats_no_dated_one():
    undated = CHEAP._replace(tier=1, usd_per_hour=0.1)
    assert frontier([undated, CHEAP]) == {0: None, 1: None}


def test_a_consumer_card_beats_no_other_card():
    consumer = CHEAP._replace(consumer=True, usd_per_hour=0.1)
    assert frontier([consumer, CHEAP]) == {0: None, 1: None}


def test_without_a_price_only_fewer_of_the_same_gpu_are_better():
    two = Merits(NO_PRICE, 2.0, 0.5, 0.03, -100.0, False, "l40s")
    four = two._replace(usd_per_hour=4.0, ttft_s=0.1)
    other = four._replace(gpu="mi300x")
    assert frontier([two, four, other, CHEAP]) == {0: None, 1: 0, 2: None, 3: None}


def test_a_step_is_a_fifth():
    assert step_of(1.0) == 0
    assert step_of(1.2) == 1
    assert step_of(1.44) == 2
    assert step_of(-1.2) == -1
    assert step_of(-1.44) < step_of(-1.2) < step_of(-1.0) <= step_of(-0.8)
