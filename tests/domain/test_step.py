from servemark.domain.step import DecodeCost


def test_affine_below_the_kink_and_flatter_above():
    cost = DecodeCost(base_ps=100, slope_ps=3, kink_tokens=10, late_slope_ps=1)
    assert [cost.at(c) for c in (0, 10, 11, 20)] == [100, 130, 131, 140]


def test_without_a_kink():
    assert DecodeCost(base_ps=100, slope_ps=3).at(1000) == 3100
