import pytest

from servemark.cost.spares import spare_usd_per_avoided_s
from servemark.errors import InputError


def test_by_hand():
    # $2/h all day is $48; five cold starts of 96 s are 480 s of waiting
    assert spare_usd_per_avoided_s(
        replica_usd_per_hour=2.0, cold_start_s=96.0, cold_starts_per_day=5.0
    ) == pytest.approx(0.1)


@pytest.mark.parametrize("name", ["replica_usd_per_hour", "cold_start_s", "cold_starts_per_day"])
def test_nothing_to_avoid_is_refused(name):
    usual = {"replica_usd_per_hour": 2.0, "cold_start_s": 96.0, "cold_starts_per_day": 5.0}
    with pytest.raises(InputError, match="above 0"):
        spare_usd_per_avoided_s(**{**usual, name: 0.0})
