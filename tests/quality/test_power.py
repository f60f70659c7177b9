import math

import pytest
from statsmodels.stats.proportion import power_proportions_2indep, samplesize_proportions_2indep_onetail

from servemark.quality.power import PowerTable, power_table, unpaired_items, unpaired_power
from servemark.stats.pairs import mcnemar_power, noninferiority_power


def row(table: PowerTable, start: str):
    return next(each for each in table.rows if each.question.startswith(start))


def test_unpaired_shares_as_in_statsmodels():
    expected = samplesize_proportions_2indep_onetail(0.05, 0.05, 0.8, alpha=0.05, alternative="larger")
    assert unpaired_items(0.05, 0.10) == pytest.approx(expected, rel=0.02)
    # two-sided at 5 %, as usual tables have it: 435 per level for 95 % against 90 %
    assert unpaired_items(0.05, 0.10, alpha=0.025) == 435
    oracle = power_proportions_2indep(0.05, 0.05, 300, alpha=0.05, alternative="larger")
    assert unpaired_power(300, 0.05, 0.10) == pytest.approx(float(oracle.power), abs=0.02)


def test_items_of_the_table_have_the_power_it_promises():
    table = power_table()
    breaks = row(table, "5 % of the items break")
    assert breaks.items is not None
    assert mcnemar_power(breaks.items, 0.05, 0.0, 0.01) >= 0.8
    quiet = row(table, "a loss of 3 points")
    assert quiet.items == 88
    assert all(each.power_ratio is None for each in table.rows)


def test_what_given_items_can_answer():
    table = power_table(items=200)
    assert row(table, "5 % of the items break").power_ratio == pytest.approx(
        mcnemar_power(200, 0.05, 0, 0.01)
    )
    differing = next(each for each in table.rows if "where 2 % of items differ" in each.question)
    assert differing.power_ratio == pytest.approx(
        noninferiority_power(int(200 / 1.2), 0.01, 0.01, 0.03) ** 5
    )
    # nothing seen in 200: 0.95 = 1 - (1 - x)^200
    assert row(table, "no such answer among 200").bound_ratio == pytest.approx(1 - 0.05 ** (1 / 200))


@pytest.mark.parametrize(
    ("n", "bound"), [(20, 0.139), (32, 0.089), (100, 0.030), (300, 0.010), (1000, 0.003)]
)
def test_nothing_seen_is_not_nothing(n, bound):
    assert row(power_table(), f"no such answer among {n}:").bound_ratio == pytest.approx(bound, abs=6e-4)


def test_correlation_costs_items():
    one, many = (row(power_table(in_flight=m), "5 % of the items break") for m in (1, 32))
    assert one.items_by_correlation == {"0.05": one.items, "0.2": one.items}
    assert many.items is not None
    assert many.items_by_correlation["0.2"] == math.ceil(many.items * (1 + 31 * 0.2 / 2))


def test_too_few_blocks_are_said():
    assert any("at least 5 blocks" in note for note in power_table(blocks=3).notes)
    assert not any("blocks" in note for note in power_table(items=240, blocks=6).notes)
    assert any("fewer than 32 users" in note for note in power_table(items=120, blocks=6).notes)


def test_a_detectable_rise_shrinks_with_items():
    few, many = (row(power_table(items=n), "failures rise by") for n in (60, 600))
    assert few.bound_ratio is not None and many.bound_ratio is not None
    assert few.bound_ratio > many.bound_ratio > 0
    assert few.items is not None and row(
        power_table(items=few.items), "failures rise by"
    ).bound_ratio == pytest.approx(0.03, abs=0.001)
