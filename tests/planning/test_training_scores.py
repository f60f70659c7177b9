"""The bar: a median error of at most 8 % on published single-GPU rows, without fitted constants."""

import pytest
from msgspec.structs import replace

from servemark.catalogue.training_points import training_points
from servemark.planning.training_scores import predicted, predictions, score, scores

FOUND = predictions()


def test_the_bar():
    overall = scores(FOUND)[0]
    assert overall.points == 91
    assert overall.median_error_ratio <= 0.08
    assert overall.mean_error_ratio <= 0.12
    # the interval is meant to hold most published runs
    assert overall.inside_ratio >= 0.8


def test_every_method_is_within_a_sixth():
    for each in scores(FOUND)[1:]:
        assert each.median_error_ratio <= 1 / 6, each.group


def test_a_score_by_hand():
    point = next(p for p in training_points() if p.measured_bytes == 36.6e9)
    one = predicted(point)
    assert one is not None
    twice = replace(one, point=replace(point, measured_bytes=one.predicted_bytes.value * 2))
    same = replace(one, point=replace(point, measured_bytes=one.predicted_bytes.value))
    found = score("by hand", [twice, same])
    assert found.median_error_ratio == pytest.approx(0.25)
    assert found.bias_ratio == pytest.approx(-0.25)
    assert found.worst_error_ratio == pytest.approx(-0.5)
    assert found.inside_ratio == 0.5


def test_rows_without_a_length_or_a_known_model_give_nothing():
    point = training_points()[0]
    assert predicted(replace(point, sequence_tokens=None)) is None
    assert predicted(replace(point, model="llama-65b")) is None
