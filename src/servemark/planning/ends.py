"""The choice and the alternatives at the ends of the 80 % band: every time of them shorter, and longer."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

import numpy as np

from servemark.capacity.bands import FAMILY_OF, LogErrors, with_band
from servemark.domain.run import Level
from servemark.domain.workload import Load, Users
from servemark.physics.bands import band
from servemark.planning.prospects import Prospect
from servemark.planning.scene import Scene
from servemark.planning.sieve import levels_of, most_load
from servemark.stats.verdicts import judge

REACH: Final = 32.0
"""Loads up to so many times the one asked for are looked at,"""
MANY_USERS: Final = 1024.0
"""and at least so many users."""


class Judged(NamedTuple):
    """A finalist with its level, whoever worked that out."""

    prospect: Prospect
    level: Level
    errors: LogErrors

    @property
    def working(self) -> int:
        """Replicas that carry the load."""
        return self.prospect.replicas - self.prospect.spare

    @property
    def log_error(self) -> float:
        """Of the family of the promise with the least room."""
        verdict = self.level.verdict
        open_ones = [each for each in verdict.slos if each.margin is not None] if verdict else []
        tight = min(open_ones, key=lambda each: each.margin or 0.0, default=None)
        return getattr(self.errors, FAMILY_OF.get(tight.slo.metric, "tpot") if tight else "tpot")


class Ends(NamedTuple):
    """A finalist, were every time of it longer, and shorter, by its band."""

    level: Level
    """As predicted, with the band of every value and of every verdict."""
    point: float
    """The most load of all working replicas in closed form, as predicted."""
    slow: float
    fast: float
    needed: tuple[int, int]
    """Replicas that the load needs at the slow end and at the fast one; where none hold, those that work."""
    token_times: tuple[float, float]
    """Output tokens per second of so many replicas, slow and fast, over those predicted."""


def ends_of(judged: Sequence[Judged], scene: Scene) -> list[Ends]:
    """Both ends of each: the closed form says by what share its values move."""
    loads = _most_loads(judged, scene)
    needed = [
        (_needed(each, low, scene), _needed(each, high, scene))
        for each, (low, _, high) in zip(judged, loads, strict=True)
    ]
    rows: list[int] = []
    factors: list[float] = []
    counts: list[int] = []
    for each, pair in zip(judged, needed, strict=True):
        own = _factors(each)
        rows += [each.prospect.row] * len(own)
        factors += own
        counts += [*[each.working] * (len(own) - 2), *pair]
    forms = scene.forms.of(rows).slower(np.array(factors)[:, None])
    levels = levels_of(forms, scene.load, scene.demand / np.array(counts), counts)
    found: list[Ends] = []
    for each, (slow, point, fast), pair in zip(judged, loads, needed, strict=True):
        own = _factors(each)
        (*moved, at_slow, at_fast), levels = levels[: len(own)], levels[len(own) :]
        by_factor = dict(zip(own, moved, strict=False))
        level = with_bands(
            each.level, each.errors, lambda _, f, known=by_factor: [known[x] for x in f], scene
        )
        usual = by_factor[1.0].output_tokens_per_s or math.nan
        times = tuple((at.output_tokens_per_s or math.nan) / usual for at in (at_slow, at_fast))
        found.append(Ends(level, point, slow, fast, pair, (times[0], times[1])))
    return found


def with_bands(
    level: Level,
    errors: LogErrors,
    scaled: Callable[[Load, Sequence[float]], Sequence[Level]],
    scene: Scene,
) -> Level:
    """The level with bands and judged again, so that its verdicts have them."""
    found, _ = with_band(level, errors, scaled)
    return judge(found, scene.asked.slos)


def _factors(judged: Judged) -> list[float]:
    """What every time is multiplied by: 1, both ends of each family, and those of the throughput again."""
    ends = [band(1.0, error) for error in judged.errors]
    fast, slow = band(1.0, judged.errors.throughput)
    return [1.0, *(end for pair in ends for end in pair), slow, fast]


def _most_loads(judged: Sequence[Judged], scene: Scene) -> list[tuple[float, float, float]]:
    """The most load of each in closed form: at the slow end, as predicted, at the fast end."""
    bands = [band(1.0, each.log_error) for each in judged]
    factors = [slow for _, slow in bands] + [1.0] * len(judged) + [fast for fast, _ in bands]
    forms = scene.forms.of([each.prospect.row for each in judged] * 3).slower(np.array(factors)[:, None])
    replicas = np.array([each.working for each in judged])
    share = np.tile(scene.demand / replicas, 3)
    reach = REACH * scene.demand
    if isinstance(scene.load, Users):
        reach = max(reach, MANY_USERS)
    most = most_load(forms, scene.asked.slos, scene.load, reach, at=share)
    slow, point, fast = (most.reshape(3, -1) * replicas).tolist()
    return list(zip(slow, point, fast, strict=True))


def _needed(judged: Judged, most: float, scene: Scene) -> int:
    if not most:
        return judged.working
    return max(1, math.ceil(scene.demand * judged.working / most - 1e-9))
