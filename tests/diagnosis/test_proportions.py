import pytest
from hypothesis import given
from hypothesis import strategies as st
from statsmodels.stats.proportion import confint_proportions_2indep

from servemark.diagnosis.proportions import (
    difference_interval,
    possible_denominators,
    requests_to_tell,
    told_apart,
    zero_event_bound,
)


def test_what_75_and_80_percent_can_be_rates_of():
    assert possible_denominators(0.75, 12) == [4, 8, 12]
    assert possible_denominators(0.80, 12) == [5, 10]
    # 26/32 = 81 %, 25/32 = 78 %; 2/3 = 67 %
    assert 32 not in possible_denominators(0.80, 40) and 3 not in possible_denominators(0.75, 3)


@given(st.integers(1, 60), st.data())
def test_a_rate_in_whole_percent_is_among_its_own_possibilities(n, data):
    hits = data.draw(st.integers(0, n))
    assert n in possible_denominators(round(100 * hits / n) / 100, n)


@given(st.integers(1, 200), st.integers(1, 200), st.data())
def test_the_difference_is_newcombes(n, m, data):
    a, b = data.draw(st.integers(0, n)), data.draw(st.integers(0, m))
    expected = confint_proportions_2indep(b, m, a, n, method="newcomb", compare="diff")
    assert difference_interval(a / n, n, b / m, m) == pytest.approx(expected, abs=1e-9)


def test_how_many_requests_tell_75_from_80():
    # (1.96 sqrt(2 x 0.775 x 0.225) + 0.8416 sqrt(0.1875 + 0.16))^2 / 0.05^2 = (1.1575 + 0.4961)^2 / 0.0025
    assert requests_to_tell(0.75, 0.80) == requests_to_tell(0.80, 0.75) == 1094
    # rates that come out just so are told apart from half as many on
    assert (
        told_apart(0.75, 0.80, [(547, 547)]) == (547, 547) and told_apart(0.75, 0.80, [(480, 480)]) is None
    )
    assert requests_to_tell(0.5, 0.5) is None


def test_none_of_twenty_still_allows_one_in_seven():
    assert zero_event_bound(20) == pytest.approx(0.139, abs=5e-4)
    assert (1 - zero_event_bound(300)) ** 300 == pytest.approx(0.05)
    assert zero_event_bound(0) == 1.0
