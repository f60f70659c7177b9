"""Code words that a prompt tells and an answer must give back, such as `ALTAIR-4827`."""

from __future__ import annotations

import random

STARS = (
    "ORION", "VEGA", "RIGEL", "ALTAIR", "DENEB", "SIRIUS", "MIRA", "CASTOR", "POLLUX", "SPICA",
    "ANTARES", "ALGOL", "ADHARA", "ACRUX", "MIZAR", "ALIOTH", "DUBHE", "MERAK", "SHAULA", "CAPELLA",
)  # fmt: skip
"""Words of no language, so that a code tells nothing of the language around it."""


def code_words(count: int, rng: random.Random) -> list[str]:
    """So many codes; no two share their number, so each is known by it alone.

    At most 7,900: the numbers run from 2100 to 9999, so that none reads as a year.
    """
    numbers = rng.sample(range(2100, 10000), count)
    return [f"{rng.choice(STARS)}-{number}" for number in numbers]
