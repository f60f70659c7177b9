from datetime import date

import pytest

from servemark.domain.bill import MONTH_HOURS, Bill
from servemark.domain.offer import Offer, age_days


def offer(**changes):
    usual = {"provider": "p", "instance": "i", "gpu": "l40s", "gpus": 4, "price_usd_per_hour": 10.0}
    return Offer(**{**usual, "observed": "2026-11-09", "source": "s", **changes})


@pytest.mark.parametrize(
    ("observed", "days"),
    [
        ("2026-11-09", 11), ("2026-11-20", 0), ("2024-12", 689), ("2026-10", 20), ("2026-11", 0),
        ("undated", None), ("undated >=2025-07", None),
    ],
)  # fmt: skip
def test_age(observed, days):
    assert age_days(observed, date(2026, 11, 20)) == days


def test_the_price_of_one_gpu_of_an_instance():
    assert offer().per_gpu.usd_per_gpu_hour == 2.5
    assert offer(gpus=1, gpu_share_ratio=0.5, price_usd_per_hour=1.0).per_gpu.usd_per_gpu_hour == 2.0
    assert offer().per_gpu.observed == "2026-11-09"


def test_a_bill_pays_for_whole_instances():
    bill = Bill(offer=offer(), instances=3, gpus_used=10)
    assert (bill.gpus_paid, bill.usd_per_hour) == (12, 30.0)
    assert bill.usd_per_month == 30.0 * 730
    assert MONTH_HOURS == 8760 / 12
