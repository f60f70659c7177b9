"""The shipped rows of published training memory."""

from collections import Counter

from servemark.catalogue.architectures import find_model
from servemark.catalogue.training_points import training_points

POINTS = training_points()


def test_every_row_says_where_it_comes_from():
    assert len(POINTS) == 126
    for point in POINTS:
        assert point.source and point.date and point.licence


def test_what_is_scored_is_fully_described():
    scored = [point for point in POINTS if not point.unused]
    assert len(scored) == 91
    for point in scored:
        assert point.scope == "one"
        assert point.sequence_tokens is not None
        assert find_model(point.model).params > 1e9
        assert point.layout.gpus == 1


def test_bounds_and_contradictions_are_kept_but_not_scored():
    reasons = Counter(point.unused.split(":")[0] for point in POINTS if point.unused)
    assert reasons["upper bound"] + reasons["lower bound"] == 3
    assert reasons["ambiguous"] == 6


def test_a_row_by_hand():
    point = next(p for p in POINTS if p.measured_bytes == 36.6e9)
    assert (point.model, point.sequence_tokens, point.recipe.rank) == ("qwen-7b", 8192, 64)
    assert (point.layout.accumulation, point.recipe.loss) == (8, "fp32")
