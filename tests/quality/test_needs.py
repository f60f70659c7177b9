"""Items that would decide, by hand, and figures in words."""

import pytest

from servemark.quality.answer_table import PairedLoss
from servemark.quality.needs import MOST_ITEMS, items_to_decide, p_words
from servemark.stats.pairs import difference_interval


def loss(broke, healed, pairs=200):
    interval = difference_interval(broke, healed, pairs)
    return PairedLoss(pairs=pairs, broke=broke, healed=healed, p_value=1.0, interval=interval, bound=None)


@pytest.mark.parametrize(
    ("broke", "healed", "spread", "z", "distance"),
    [
        # 1 point lost: 2 points to the margin
        (4, 2, 0.03 - 0.01**2, 2.486, 0.02),
        # 2 points: at half a point more than half the margin it still is the margin that has to be ruled out
        (4, 0, 0.02 - 0.02**2, 2.486, 0.01),
        # 6 points: told from 0 soon, above the margin again only with more
        (14, 2, 0.08 - 0.06**2, 0.8416, 0.03),
        # 20 points: far above both
        (40, 0, 0.2 - 0.2**2, 2.486, 0.2),
    ],
)
def test_items_needed(broke, healed, spread, z, distance):
    expected = max(spread * (z / distance) ** 2, 201)
    assert items_to_decide(loss(broke, healed), 0.03, 0.05) == pytest.approx(expected, rel=2e-3, abs=1.5)


def test_a_loss_at_the_margin_cannot_be_decided():
    assert items_to_decide(loss(6, 0), 0.03, 0.05) == MOST_ITEMS
    assert items_to_decide(loss(0, 0, pairs=0), 0.03, 0.05) is None


def test_p_values_in_words():
    assert [p_words(p) for p in (1.0, 0.0341, 0.0002)] == ["p > 0.99", "p = 0.034", "p < 0.001"]
