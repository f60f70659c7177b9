"""The order of an experiment."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from servemark.domain.workload import Rate, Users
from servemark.errors import InputError
from servemark.measurement.segments import control_loads, default_blocks, plan_segments

LOADS = (Users(users=1), Users(users=2), Users(users=8))


def test_by_hand():
    """Two blocks of two items at two loads: each load once a block, the highest twice, the lowest at the end."""
    segments = plan_segments(LOADS[:2], 4, blocks=2, seed=0, controls=True)
    assert [segment.block for segment in segments] == [0, 0, 0, 1, 1, 1, 1]
    for block in (0, 1):
        visits = [segment for segment in segments[:-1] if segment.block == block]
        assert sorted(segment.rows for segment in visits) == [0, 1, 3]
        assert len({segment.items for segment in visits}) == 1
    assert set(segments[0].items) | set(segments[3].items) == {0, 1, 2, 3}
    drift = segments[-1]
    assert (drift.rows, drift.load, drift.items) == (2, Users(users=1), segments[0].items)
    assert {segment.load for segment in segments if segment.rows == 3} == {Users(users=2)}


@given(
    items=st.integers(1, 60), blocks=st.integers(1, 12), seed=st.integers(0, 99), controls=st.booleans(),
    users=st.lists(st.integers(1, 64), min_size=1, max_size=5, unique=True),
)  # fmt: skip
def test_every_item_once_at_every_load_and_every_load_once_a_block(items, blocks, seed, controls, users):
    loads = [Users(users=n) for n in users]
    segments = plan_segments(loads, items, blocks=blocks, seed=seed, controls=controls)
    for rows, load in enumerate(loads):
        own = [segment for segment in segments if segment.rows == rows]
        assert {segment.load for segment in own} == {load}
        assert sorted(item for segment in own for item in segment.items) == list(range(items))
        assert [segment.block for segment in own] == list(range(min(blocks, items)))
        sizes = [len(segment.items) for segment in own]
        assert max(sizes) - min(sizes) <= 1
    again = [segment for segment in segments if segment.rows >= len(loads)]
    assert len(again) == (0 if not controls else 1 if len(loads) == 1 else 1 + min(blocks, items))


def test_the_seed_sets_the_order_and_blocks_differ_in_theirs():
    def orders(seed):
        segments = plan_segments(LOADS, 60, blocks=6, seed=seed, controls=False)
        return [tuple(each.rows for each in segments if each.block == block) for block in range(6)]

    assert orders(1) == orders(1) != orders(2)
    assert len(set(orders(1))) > 1
    firsts = Counter(order[0] for seed in range(200) for order in orders(seed))
    # 1,200 blocks, three loads: 400 firsts each, give or take five standard deviations (16.3)
    assert all(abs(firsts[rows] - 400) < 82 for rows in range(3))


def test_controls_are_the_lowest_and_the_highest_load():
    assert control_loads([Users(users=8), Users(users=1), Users(users=4)]) == (
        Users(users=1),
        Users(users=8),
    )
    assert control_loads([Rate(per_s=2.0)]) == (Rate(per_s=2.0),)


@pytest.mark.parametrize(
    ("items", "loads", "blocks"),
    [
        (240, (Users(users=1), Users(users=2), Users(users=32)), 6),
        (100, (Users(users=1), Users(users=2), Users(users=32)), 3),
        (20, (Users(users=1), Users(users=2), Users(users=32)), 3),
        (20, (Users(users=1), Users(users=32)), 5),
        (2, (Users(users=1), Users(users=32)), 2),
        (30, (Rate(per_s=1.0), Rate(per_s=2.0)), 6),
    ],
)
def test_as_many_blocks_as_items_and_users_allow(items, loads, blocks):
    assert default_blocks(items, loads) == blocks


def test_what_cannot_be_planned_is_refused():
    with pytest.raises(InputError, match="suite: expected at least one item"):
        plan_segments(LOADS, 0, blocks=2, seed=0, controls=True)
    with pytest.raises(InputError, match="blocks: expected at least 1"):
        plan_segments(LOADS, 4, blocks=0, seed=0, controls=True)
