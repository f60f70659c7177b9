import pytest

from servemark.calibration.scores import error_table, scores
from servemark.domain.score import ScoredRow, Unpredicted, regime_of


def scored(rows, values, band=None, utilization=None):
    return [
        ScoredRow(row=row, value=value, band=band, utilization_ratio=utilization)
        for row, value in zip(rows, values, strict=True)
    ]


def test_errors_by_hand(make_rows):
    rows = make_rows({"value": "100"}, {"value": "200"}, {"value": "50"})
    (score,) = scores(
        [*scored(rows[:2], [110, 160], band=(90, 120)), Unpredicted(row=rows[2], reason="-")], ()
    )
    assert (score.n, score.n_unpredicted) == (2, 1)
    assert score.mape_ratio == pytest.approx(0.15)
    assert score.median_ape_ratio == pytest.approx(0.15)
    assert score.bias_ratio == pytest.approx(-0.05)
    assert score.worst_ratio == pytest.approx(0.2)
    assert score.coverage80_ratio == 0.5


def test_metrics_and_regimes_never_mix(make_rows):
    rows = make_rows({}, {"metric": "ttft_mean"}, {"metric": "ttft_mean"}, {"metric": "ttft_mean"})
    results = [
        *scored(rows[:1], [10]),
        *scored(rows[1:2], [10], utilization=0.79),
        *scored(rows[2:3], [10], utilization=0.8),
        Unpredicted(row=rows[3], reason="unknown GPU"),
    ]
    by_gpu = scores(results, ("gpu", "metric"))
    assert [(s.metric, s.regime, s.n, s.n_unpredicted) for s in by_gpu] == [
        ("tpot_mean", None, 1, 0),
        ("ttft_mean", "below_saturation", 1, 0),
        ("ttft_mean", "saturated", 1, 1),
    ]
    assert [s.group for s in by_gpu] == [{"gpu": "H100"}] * 3


def test_groups_by_several_columns(make_rows):
    rows = make_rows({}, {"gpu": "L40S"}, {"gpu": "L40S", "weight_dtype": "fp8"})
    table = error_table("shipped", scored(rows, [9.5, 9.5, 9.5]), ("gpu", "dtype", "version"))
    assert [s.group for s in table.groups] == [
        {"gpu": "H100", "dtype": "bf16", "version": "v1"},
        {"gpu": "L40S", "dtype": "bf16", "version": "v1"},
        {"gpu": "L40S", "dtype": "fp8", "version": "v1"},
    ]
    (overall,) = table.overall
    assert (overall.n, overall.mape_ratio, overall.group) == (3, 0.0, {})


def test_a_group_without_predictions_has_no_errors(make_rows):
    (score,) = scores([Unpredicted(row=make_rows({})[0], reason="-")], ())
    assert score.n == 0
    assert score.mape_ratio is None


def test_only_ttft_has_a_regime(make_rows):
    tpot, ttft, percentile = make_rows({}, {"metric": "ttft_ref"}, {"metric": "ttft_p99"})
    assert regime_of(tpot, 0.1) is None
    assert regime_of(ttft, None) == "saturated"
    assert regime_of(percentile, 0.1) == "below_saturation"
