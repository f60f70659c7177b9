"""The 80 % band of prediction error: of every predicted value, and of the capacity.

A prediction errs by its step times, and each family of metrics by an error of its own (`log_error`). The
level is therefore worked out again with every time shorter and longer by that error, and what comes out
are the ends of the band: queueing near saturation, which amplifies an error of the step time, is in it.
An end-to-end latency is a first token, which errs as TTFT does, and a decode part, which errs as TPOT.

The band is not the 95 % interval of a percentile (`Distribution.ci`), which says how far few requests can
be trusted; it says how far the model of the engine can.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import hypot
from typing import Final, NamedTuple

import numpy as np
from msgspec.structs import replace

from servemark.capacity.search import load_like, narrowed
from servemark.domain.coefficients import Coefficients
from servemark.domain.deployment import Deployment
from servemark.domain.lengths import mean_tokens
from servemark.domain.metrics import METRICS, STATISTICS
from servemark.domain.run import Distribution, Level
from servemark.domain.workload import Load, Replay, Slo, Users, Workload, load_value
from servemark.physics.bands import MetricFamily, band, log_error
from servemark.physics.speculation import acceptance_log_error
from servemark.stats.verdicts import slo_value

FAMILIES: Final[tuple[MetricFamily, ...]] = ("throughput", "tpot", "ttft")
FAMILY_OF: Final[dict[str, MetricFamily]] = {
    "ttft_s": "ttft",
    "ttft_scheduled_s": "ttft",
    "itl_s": "tpot",
    "tpot_s": "tpot",
    "stall_max_s": "tpot",
    "e2e_s": "tpot",
    "e2e_scheduled_s": "tpot",
    "output_tokens_per_s": "throughput",
    "requests_per_s": "throughput",
}
"""The family whose error a metric has; what is not named has no band."""
RATES: Final = ("output_tokens_per_s", "requests_per_s")
_FIRST_TOKEN_OF: Final = {"e2e_s": "ttft_s", "e2e_scheduled_s": "ttft_scheduled_s"}
TOLERANCE: Final = 0.03
"""The band of a capacity is narrowed to this share of the load, users to a single one at most."""
HALVINGS: Final = 6
"""How often the lowest tested load is halved in search of one that holds."""

Scaled = Callable[[Load, Sequence[float]], Sequence[Level]]
"""A load with every time of the engine multiplied by each factor, as levels."""


class LogErrors(NamedTuple):
    """Standard error of the logarithm of a predicted value, by family."""

    throughput: float
    tpot: float
    ttft: float


class Ends(NamedTuple):
    """A level as it would be at both ends of the band, each metric at its own family's."""

    fast: Level
    slow: Level


def log_errors(
    deployment: Deployment, coefficients: Coefficients, workload: Workload, level: Level
) -> LogErrors:
    """The errors at the operating point of a level.

    A typical step holds the prompt tokens that arrive while it runs; the step that decides TTFT a whole
    prompt, as much of it as the token budget takes. How many drafted tokens are accepted is uncertain too.
    """
    speculation = deployment.engine.speculative
    guessed = 0.0 if speculation is None else acceptance_log_error(speculation)
    prompt, answer = mean_tokens(workload.input), mean_tokens(workload.output)
    decodes = level_decodes(workload, level) / deployment.replicas
    rate_per_s = (level.requests_per_s or 0.0) / deployment.replicas
    whole = min(prompt, float(deployment.engine.max_num_batched_tokens))
    arriving = {"ttft": whole} if decodes else dict.fromkeys(FAMILIES, whole)
    step_s = _mean_gap_s(level)
    errors = (
        log_error(
            deployment,
            coefficients,
            metric=family,
            decodes=decodes,
            context_tokens=decodes * (prompt + answer / 2),
            prefill_tokens=arriving.get(family, min(whole, rate_per_s * prompt * step_s)),
        )
        for family in FAMILIES
    )
    return LogErrors(*(hypot(error, guessed) for error in errors))


def level_decodes(workload: Workload, level: Level) -> float:
    """Sequences that decode at once, over all replicas: Little's law, with TPOT per decode step."""
    steps = max(mean_tokens(workload.output) - 1, 0.0)
    return (level.requests_per_s or 0.0) * steps * _mean_gap_s(level)


def _mean_gap_s(level: Level) -> float:
    """0 where answers have one token."""
    return level.metrics.get("tpot_s", Distribution(n=0)).mean or 0.0


def with_band(level: Level, errors: LogErrors, scaled: Scaled) -> tuple[Level, Ends]:
    """The level with the band of each metric and rate; and its ends, for the band of the capacity.

    A band always holds its value. Where `scaled` plays fewer requests than the level had, what it gives at
    factor 1 is the reference that both ends are set in relation to.
    """
    (reference, *at) = scaled(level.load, (1.0, *_factors(errors, 0), *_factors(errors, 1)))
    ends = Ends(_joined(at[:3]), _joined(at[3:]))
    metrics = {
        key: replace(found, band=_bands(found, reference, ends, key)) if key in FAMILY_OF else found
        for key, found in level.metrics.items()
    }
    rates: dict[str, tuple[float, float]] = {}
    for key in RATES:
        values = [getattr(each, key) for each in (level, reference, *ends)]
        if all(value is not None for value in values):
            rates[key] = _around(*values)
    return replace(level, metrics=metrics, bands=rates), ends


class Tried(NamedTuple):
    """A tested load with the errors of its prediction, and its ends."""

    load: Load
    errors: LogErrors
    ends: Ends


def capacity_band(
    tested: Sequence[Tried], slos: Sequence[Slo], scaled: Scaled
) -> tuple[float, float] | None:
    """The highest loads that keep every promise at the slow, and at the fast end of the band.

    Between the last tested load that holds and the first that breaks the search halves the stretch, with
    the errors of both interpolated. Where even the lowest tested load breaks, the load is halved until one
    holds, or 0. What holds at the highest tested load ends there. None without a promise, and for the
    replay of a trace, which is one load.
    """
    rising = sorted(tested, key=lambda each: load_value(each.load))
    if not slos or not rising or isinstance(rising[0].load, Replay):
        return None
    fast, slow = (_highest(rising, slos, scaled, end) for end in (0, 1))
    return min(slow, fast), max(slow, fast)


def _highest(rising: Sequence[Tried], slos: Sequence[Slo], scaled: Scaled, end: int) -> float:
    """The highest load that holds at one end of the band: of `Ends`, and of `_factors`."""
    like = rising[0].load
    points = [load_value(each.load) for each in rising]

    def holds(load: Load) -> bool:
        errors = LogErrors(
            *(
                float(np.interp(load_value(load), points, column))
                for column in zip(*(each.errors for each in rising), strict=True)
            )
        )
        return _keeps(_joined(scaled(load, _factors(errors, end))), slos)

    broken = next((i for i, each in enumerate(rising) if not _keeps(each.ends[end], slos)), None)
    if broken is None:
        return points[-1]
    if broken:
        return narrowed(holds, like, points[broken - 1], points[broken], tolerance=TOLERANCE)
    high = points[0]
    for _ in range(HALVINGS):
        low = high // 2 if isinstance(like, Users) else high / 2
        if not low:
            break
        if holds(load_like(like, low)):
            return narrowed(holds, like, low, high, tolerance=TOLERANCE)
        high = low
    return 0.0


def _factors(errors: LogErrors, end: int) -> tuple[float, ...]:
    """What every time is multiplied by at the fast (0) or slow (1) end, family by family."""
    return tuple(band(1.0, error)[end] for error in errors)


def _joined(levels: Sequence[Level]) -> Level:
    """One level of those of the families: each metric from its own, E2E with TTFT's first token."""
    by_family: Mapping[MetricFamily, Level] = dict(zip(FAMILIES, levels, strict=True))
    tpot, ttft = by_family["tpot"], by_family["ttft"]
    metrics: dict[str, Distribution] = {}
    for key, found in tpot.metrics.items():
        first = _FIRST_TOKEN_OF.get(key)
        if first is None:
            metrics[key] = by_family[FAMILY_OF.get(key, "tpot")].metrics[key]
        else:
            metrics[key] = _exchanged(found, tpot.metrics[first], ttft.metrics[first])
    rates = {key: getattr(by_family["throughput"], key) for key in RATES}
    return replace(tpot, metrics=metrics, **rates)


def _exchanged(whole: Distribution, part: Distribution, by: Distribution) -> Distribution:
    """`whole` with its `part` exchanged, statistic by statistic."""
    values: dict[str, float] = {}
    for name in STATISTICS:
        three = [getattr(each, name) for each in (whole, part, by)]
        if all(value is not None for value in three):
            values[name] = max(three[0] - three[1] + three[2], three[2])
    return replace(whole, **values)


def _bands(found: Distribution, reference: Level, ends: Ends, key: str) -> dict[str, tuple[float, float]]:
    of = [each.metrics.get(key, Distribution(n=0)) for each in (reference, *ends)]
    bands: dict[str, tuple[float, float]] = {}
    for name in STATISTICS:
        values = [getattr(each, name) for each in (found, *of)]
        if all(value is not None for value in values):
            bands[name] = _around(*values)
    return bands


def _around(value: float, reference: float, fast: float, slow: float) -> tuple[float, float]:
    """The ends in relation to their reference, around the value."""
    scale = value / reference if reference else 1.0
    ends = (value, fast * scale, slow * scale)
    return min(ends), max(ends)


def _keeps(level: Level, slos: Sequence[Slo]) -> bool:
    """Whether the values keep every promise; one without a value is not broken."""
    for slo in slos:
        value = slo_value(level, slo)
        lower = METRICS[slo.metric].better == "lower"
        if value is not None and (value > slo.limit if lower else value < slo.limit):
            return False
    return True
