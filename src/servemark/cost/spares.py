"""What a warm spare replica costs against the waiting that it saves."""

from __future__ import annotations

from servemark.errors import InputError

DAY_HOURS = 24.0


def spare_usd_per_avoided_s(
    *, replica_usd_per_hour: float, cold_start_s: float, cold_starts_per_day: float
) -> float:
    """Dollars per second of waiting that one warm spare avoids.

    A spare runs all day; each scale-up then finds a warm replica and spares its `cold_start_s`:
    `24 h * usd_per_hour / (cold_start_s * cold_starts_per_day)`.

    Raises:
        InputError: a quantity that is not above 0.
    """
    for path, value in (
        ("replica_usd_per_hour", replica_usd_per_hour),
        ("cold_start", cold_start_s),
        ("cold_starts_per_day", cold_starts_per_day),
    ):
        if not value > 0:
            raise InputError(path, expected="above 0", found=value)
    return DAY_HOURS * replica_usd_per_hour / (cold_start_s * cold_starts_per_day)
