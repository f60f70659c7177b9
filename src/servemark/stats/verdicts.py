"""Does a level keep its promises? Pure arithmetic over the summary; light to load."""

from __future__ import annotations

import math
from collections.abc import Sequence

from msgspec.structs import replace

from servemark.domain.capacity import SloVerdict, Verdict, VerdictWord
from servemark.domain.metrics import METRICS, QUALITY_METRICS, QUANTILES, Metric
from servemark.domain.run import Distribution, Level
from servemark.domain.workload import Slo, Users
from servemark.errors import UnknownName
from servemark.units import format_ratio, format_seconds

MANY_TOGETHER_RATIO = 0.2
"""Share of chunks read together with the one before, from which percentiles of the gaps mean little."""
_TAIL = 0.025
_Z, _Z_ONE_SIDED = 1.959964, 1.644854
"""Two-sided 95 % point of the normal distribution."""
_MEASURED_FROM_SENDING = ("ttft_s", "ttft_scheduled_s", "e2e_s", "e2e_scheduled_s")
"""These begin at a moment the client chose, so its lag can only make them too long."""
_MEASURED_FROM_SCHEDULE = ("ttft_scheduled_s", "e2e_scheduled_s")
"""These hold the lateness of the sending too."""


def judge(level: Level, slos: Sequence[Slo]) -> Level:
    """The same level with its `verdict`; None where nothing was promised.

    One SLO is *undecided* where its statistic has no 95 % interval at this number of requests, where the
    instrument's own lag could flip it, where a latency holds only for want of the requests cut off at the
    end, where there were fewer requests than users, or (a percentile of ITL) where many chunks were read
    together. The loss of answer quality is judged by its bound and interval. Otherwise the point value
    decides; one that meets its limit exactly holds. A metric without a sample breaks its promise when
    requests were sent and none completed. A closed-form level has no samples (n = 0) and is judged by
    its values.

    Raises:
        UnknownName: an SLO on a metric that is not in `METRICS`.
    """
    if not slos:
        return replace(level, verdict=None)
    judged = tuple(_with_all_users(level, _judge_one(level, slo)) for slo in slos)
    words = {each.verdict for each in judged}
    word: VerdictWord = "breaks" if "breaks" in words else "undecided" if "undecided" in words else "holds"
    return replace(level, verdict=Verdict(word=word, slos=judged))


def _with_all_users(level: Level, judged: SloVerdict) -> SloVerdict:
    """A promise does not hold at a load that was never there: some users never sent a request."""
    if not isinstance(level.load, Users) or judged.verdict != "holds" or not level.requests_sent:
        return judged
    users, sent = level.load.users, level.requests_sent + level.warmup_sent + level.cut
    if sent >= users:
        return judged
    reason = f"only {sent} of {users} users ever sent a request"
    return replace(judged, verdict="undecided", reason=reason, requests_needed=users)


def requests_needed(statistic: str) -> int:
    """Smallest n at which a 95 % interval of the statistic exists (equal tails, distribution-free).

    An order statistic lies above the q-quantile with 97.5 % only if q^n <= 2.5 %, below it only if
    (1 - q)^n <= 2.5 %: 6 for p50, 72 for p95, 368 for p99. A mean needs 2, a whole level 1.
    """
    if statistic not in QUANTILES:
        return 2 if statistic == "mean" else 1
    q = QUANTILES[statistic]
    return math.ceil(math.log(_TAIL) / math.log(max(q, 1 - q)))


def slo_value(level: Level, slo: Slo) -> float | None:
    """The value that a promise is about; None where the level has no sample of it."""
    if METRICS[slo.metric].scope == "level":
        return getattr(level, slo.metric)
    return getattr(level.metrics.get(slo.metric, Distribution(n=0)), slo.statistic)


def _judge_one(level: Level, slo: Slo) -> SloVerdict:
    metric = METRICS.get(slo.metric)
    if metric is None:
        raise UnknownName("slo", kind="a metric", name=slo.metric, known=METRICS)
    found = level.metrics.get(slo.metric, Distribution(n=0))
    value = slo_value(level, slo)
    whole = metric.scope == "level"
    interval = found.ci.get("mean" if whole else slo.statistic)
    if slo.metric in QUALITY_METRICS:
        interval = _quality_interval(level, slo.metric)
    band = level.bands.get(slo.metric) if whole else found.band.get(slo.statistic)
    if value is None:
        return _without_value(level, slo)
    lower = metric.better == "lower"
    margin = _margin(value, slo.limit, lower=lower)
    kept = value <= slo.limit if lower else value >= slo.limit
    word: VerdictWord = "holds" if kept else "breaks"
    needed, reason = None, ""
    if slo.metric == "quality_loss_ratio" and interval is not None:
        word, reason, needed = _loss_word(level, value, interval, slo.limit)
    elif metric.scope != "level" and found.n and interval is None:
        needed = requests_needed(slo.statistic)
        word, reason = "undecided", f"{_samples(level, found, metric)}, {needed} needed for {slo.statistic}"
    elif slo.statistic in QUANTILES and (found.together_ratio or 0.0) > MANY_TOGETHER_RATIO:
        share = format_ratio(found.together_ratio or 0.0)
        word, reason = "undecided", f"{share} of the chunks were read together: promise TPOT instead"
    elif kept and metric.unit == "s" and _missing_slowest(level, slo):
        word, reason = "undecided", f"{level.cut} requests were still running at the end, the slowest"
    elif metric.unit == "s" and (lag_s := _flipping_lag(level, slo, value)):
        word, reason = "undecided", f"within the instrument's own lag of {format_seconds(lag_s)}"
    return SloVerdict(
        slo=slo,
        value=value,
        interval=interval,
        band=band,
        verdict=word,
        margin=margin,
        reason=reason,
        requests_needed=needed,
    )


def _quality_interval(level: Level, metric: str) -> tuple[float, float] | None:
    quality = level.quality
    if quality is None:
        return None
    return {
        "accuracy_ratio": quality.accuracy_interval,
        "useful_ratio": quality.useful_interval,
        "quality_loss_ratio": quality.loss_interval,
    }[metric]


def _loss_word(
    level: Level, loss: float, interval: tuple[float, float], margin: float
) -> tuple[VerdictWord, str, int | None]:
    """Non-inferiority: no harm must be shown, not only harm missing.

    Holds where the one-sided 95 % bound of the paired loss is within the margin, as in the verdict on the whole
    experiment (the end of its 95 % interval where there is no bound); breaks where the interval is beyond.
    Between them: the pairs at which Tango's score test of the margin would decide, if the loss d and the share q
    of healed pairs stayed what they are: `z^2 (2 q + m (1 - m)) / (m - d)^2`.
    """
    low, high = interval
    bound = level.quality.loss_bound_ratio if level.quality else None
    if (high if bound is None else bound) <= margin:
        return "holds", "", None
    if low > margin:
        return "breaks", "", None
    useful = (
        next((each for each in level.quality.rates if each.check == "useful"), None)
        if level.quality
        else None
    )
    pairs, healed = (useful.pairs, useful.healed / useful.pairs) if useful and useful.pairs else (0, 0.0)
    room = abs(margin - loss)
    z = _Z if bound is None else _Z_ONE_SIDED
    needed = math.ceil(z**2 * (2 * healed + margin * (1 - margin)) / room**2) if room > 0 else None
    reason = f"the loss may be anything from {format_ratio(low)} to {format_ratio(high)} by {pairs} items"
    return "undecided", reason, needed


def _samples(level: Level, found: Distribution, metric: Metric) -> str:
    """How many requests an interval could rest on."""
    complete = level.outcomes.get("complete", 0)
    if metric.scope == "request" and found.n < complete:
        return f"{found.n} of {complete} completed requests have a {metric.label}"
    return f"{complete} requests completed"


def _missing_slowest(level: Level, slo: Slo) -> bool:
    """So many requests were cut off that, had they ended, the statistic would lie among them."""
    ended = level.outcomes.get("complete", 0) + level.cut
    return level.cut > (1 - QUANTILES.get(slo.statistic, 1.0)) * ended


def _without_value(level: Level, slo: Slo) -> SloVerdict:
    """No sample: broken if nothing completed, else nothing can be said."""
    if level.requests_sent and not level.outcomes.get("complete", 0):
        reason = f"none of {level.requests_sent} requests completed"
        return SloVerdict(slo=slo, value=None, verdict="breaks", reason=reason)
    reason = "no request ended" if not level.requests_sent else f"no sample of {slo.metric}"
    return SloVerdict(
        slo=slo,
        value=None,
        verdict="undecided",
        reason=reason,
        requests_needed=requests_needed(slo.statistic),
    )


def _margin(value: float, limit: float, *, lower: bool) -> float | None:
    """Room to the limit as a share of it; of a limit of 0 there is no share, unless it is met exactly."""
    if limit == 0:
        return 0.0 if value == 0 else None
    return (limit - value) / limit if lower else (value - limit) / limit


def _flipping_lag(level: Level, slo: Slo, value: float) -> float | None:
    """The lag in seconds, where taking it off (or, for gaps, adding it) changes the verdict.

    The error of TPOT is that of two stamps spread over the tokens between them.
    """
    if level.lag is None:
        return None
    lag_s = level.lag.total_s
    if slo.metric in _MEASURED_FROM_SCHEDULE:
        lag_s += level.lag.send_p99_s
    if slo.metric == "tpot_s":
        lag_s /= _gaps_per_request(level)
    excess = value - slo.limit
    if slo.metric in _MEASURED_FROM_SENDING:
        return lag_s if 0 < excess <= lag_s else None
    return lag_s if abs(excess) <= lag_s and lag_s > 0 else None


def _gaps_per_request(level: Level) -> float:
    """Tokens after the first of a mean request: (E2E - TTFT) / TPOT, at least 1."""
    e2e, ttft, tpot = (level.metrics.get(key) for key in ("e2e_s", "ttft_s", "tpot_s"))
    means = [each.mean for each in (e2e, ttft, tpot) if each and each.mean]
    return max(1.0, (means[0] - means[1]) / means[2]) if len(means) == 3 else 1.0
