from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from servemark.reports.placement import LINE_PX, Wish, place, spread

POINTS = st.lists(st.tuples(st.floats(0, 400), st.floats(0, 260)), min_size=1, max_size=12)


@given(POINTS)
def test_labels_overlap_neither_each_other_nor_a_mark_nor_the_edge(marks):
    wishes = [Wish(text=f"{i} users", marks=(mark,), colour="#000000") for i, mark in enumerate(marks)]
    boxes = [
        (each.x, each.y - LINE_PX / 2, each.x + each.width_px, each.y + LINE_PX / 2)
        for each in place(wishes, marks, 400, 260)
    ]
    for i, a in enumerate(boxes):
        assert a[0] >= 0 and a[1] >= 0 and a[2] <= 400 and a[3] <= 260
        assert not any(a[0] <= x <= a[2] and a[1] <= y <= a[3] for x, y in marks)
        for b in boxes[:i]:
            assert a[2] <= b[0] or b[2] <= a[0] or a[3] <= b[1] or b[3] <= a[1]


def test_a_line_is_crossed_only_where_nothing_else_is_free():
    wish = Wish(text="8", marks=((100, 100),), colour="#000000")
    (first,) = place([wish], [(100, 100)], 400, 260)
    (second,) = place([wish], [(100, 100)], 400, 260, lines=[(100, 100, 140, 80)])
    assert first.x > 100 and first.y < 100
    assert (second.x, second.y) != (first.x, first.y)


def test_a_spot_counted_from_the_right():
    wish = Wish(text="abc", spots=((-8, 14),), colour="#000000")
    (label,) = place([wish], [], 400, 260)
    assert label.x + label.width_px == 392


@given(st.lists(st.floats(0, 200), min_size=1, max_size=9))
def test_spread_keeps_order_gap_and_bounds(positions):
    moved = spread(positions, gap=13, high=200)
    ranks = sorted(range(len(positions)), key=lambda i: positions[i])
    ordered = [moved[i] for i in ranks]
    assert all(b - a >= 13 - 1e-6 for a, b in pairwise(ordered))
    assert len(positions) * 13 > 200 or (ordered[0] >= -1e-6 and ordered[-1] <= 200 + 1e-6)


def test_spread_leaves_alone_what_has_room():
    assert spread([10, 50, 90], gap=13, high=100) == [10, 50, 90]
    assert spread([50, 50], gap=10, high=100) == [45, 55]
