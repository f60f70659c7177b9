"""Dollars per token: the dollars of a deployment over the tokens of that same deployment.

Two traps are closed here: an hour has 3,600 seconds, and a throughput says of how many GPUs it is.
"""

from __future__ import annotations

from collections.abc import Sequence

from servemark.domain.bill import Bill, Spread
from servemark.errors import InputError
from servemark.units import HOUR_S


def usd_per_output_token(
    bill: Bill, *, output_tokens_per_s: float, gpus: int, utilization_ratio: float = 1.0
) -> float:
    """Dollars per output token; times 1e6 it is the price per million.

    `usd_per_hour / 3600 / (output_tokens_per_s * utilization_ratio)`: all dollars fall on output tokens.

    Args:
        bill: what is paid.
        output_tokens_per_s: of the whole deployment while it is busy.
        gpus: the GPUs that this throughput is of.
        utilization_ratio: mean throughput over that of the busy deployment.

    Raises:
        InputError: the throughput is of other GPUs than the bill's, or a quantity is not above 0.
    """
    if gpus != bill.gpus_used:
        raise InputError(
            "gpus", expected=f"the throughput of the {bill.gpus_used} GPUs that are paid for", found=gpus
        )
    for path, value in (("output_tokens_per_s", output_tokens_per_s), ("utilization", utilization_ratio)):
        if not value > 0:
            raise InputError(path, expected="above 0", found=value)
    if utilization_ratio > 1:
        raise InputError("utilization", expected="at most 100 %", found=utilization_ratio)
    return bill.usd_per_hour / HOUR_S / (output_tokens_per_s * utilization_ratio)


def token_price(
    bills: Sequence[Bill],
    *,
    output_tokens_per_s: float,
    band: tuple[float, float],
    gpus: int,
    utilization_ratio: float = 1.0,
) -> Spread:
    """Dollars per output token with its range.

    The first bill at the predicted throughput; the range is over all bills and over the 80 % band of the
    throughput: the cheapest at the band's upper end, the dearest at its lower one.

    Raises:
        InputError: no bill, or as `usd_per_output_token`.
    """
    if not bills:
        raise InputError("bills", expected="at least one offer", found="none")

    def price(bill: Bill, tokens_per_s: float) -> float:
        return usd_per_output_token(
            bill, output_tokens_per_s=tokens_per_s, gpus=gpus, utilization_ratio=utilization_ratio
        )

    low, high = band
    return Spread(
        low_usd=min(price(each, high) for each in bills),
        point_usd=price(bills[0], output_tokens_per_s),
        high_usd=max(price(each, low) for each in bills),
    )
