"""Differences that are no harm: arithmetic, chance, drift."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from statistics import median

from servemark.diagnosis.defects import ALPHA, control_of, excerpts, margin_of, rate_of, same_items
from servemark.diagnosis.observations import (
    Request,
    lowest,
    percent,
    requests,
    share,
    shown_by,
    where,
    worst,
)
from servemark.diagnosis.rows import Seen
from servemark.domain.finding import Evidence
from servemark.domain.quality import Control, LevelQuality
from servemark.domain.run import RequestRecord, Run
from servemark.units import format_seconds

DRIFT_RATIO = 1.25
"""The same load takes so much longer in the last block than in the first, ..."""
RISING_RATIO = 0.85
"""...and has grown from block to block in so many of all pairs of blocks, ..."""
FEWEST_BLOCKS = 4
"""...where there are so many."""


def changed_texts(run: Run, index: int) -> list[Request]:
    """Complete answers whose text is another than the same item's at the lowest load."""
    first = same_items(run)
    here = requests(run.levels[index], lambda record: record.outcome == "complete" and record.item in first)
    return [
        each
        for each in here
        if (before := first[each.record.item or ""].record).outcome == "complete"
        and before.text != each.record.text
    ]


def batch_arithmetic(run: Run) -> Seen | None:
    """Row 16: other words under load, and no worse."""
    at = worst(run, lambda i: 0.0 if i == lowest(run) else _changed(run, i))
    if at is None:
        return None
    quality = run.levels[at].quality
    rate = rate_of(run.levels[at], "useful")
    if quality is None or quality.loss_ratio is None or quality.loss_ratio > margin_of(run):
        return None
    if rate is not None and rate.p_value is not None and rate.p_value <= ALPHA:
        return None
    changed = changed_texts(run, at)
    ratio = quality.changed_ratio or 0.0
    evidence = [
        shown_by(run, at, changed, f"{percent(ratio)} of the texts are not those alone{_depth(run, changed)}"),
        Evidence(
            text=f"{where(run, at)}: net {'gain' if quality.loss_ratio < 0 else 'loss'} of useful answers "
            f"{percent(abs(quality.loss_ratio))}",
            source="statistics", level=at,
        ),
    ]  # fmt: skip
    control = control_of(run, "noise")
    if control is not None:
        text = f"the highest load twice: {control.changed_text} of {control.pairs} texts differ"
        evidence.append(Evidence(text=text, source="statistics"))
    same_noise = (
        control is not None
        and control.pairs > 0
        and share(control.changed_text, control.pairs) >= ratio / 2
    )
    return Seen(
        claim=f"Texts differ under load and scores do not: {percent(ratio)} of the answers have other words "
        f"{where(run, at)}, and no fewer are useful.",
        confidence="certain" if same_noise else "likely",
        weight=0.0,
        evidence=tuple(evidence),
        excerpts=excerpts(run, at, changed),
    )


def _changed(run: Run, index: int) -> float:
    quality = run.levels[index].quality
    return (quality.changed_ratio or 0.0) if quality else 0.0


def _depth(run: Run, changed: list[Request]) -> str:
    """How far the texts agree before they differ."""
    first = same_items(run)
    if not changed:
        return ""
    same = [
        share(
            _shared_length(first[each.record.item or ""].record.text, each.record.text),
            len(each.record.text),
        )
        for each in changed
    ]
    return f", after {percent(sorted(same)[len(same) // 2])} of the text at the median"


def _shared_length(one: str, other: str) -> int:
    """Characters up to the first that differs."""
    pairs = zip(one, other, strict=False)
    return next((i for i, (a, b) in enumerate(pairs) if a != b), min(len(one), len(other)))


def scores_within_chance(run: Run) -> Seen | None:
    """Row 17: the score goes up and down, and chance alone does that."""
    judged = {
        i: q for i, level in enumerate(run.levels) if (q := level.quality) and q.accuracy_ratio is not None
    }
    if len(judged) < 2:
        return None
    best = max(judged, key=lambda i: judged[i].accuracy_ratio or 0.0)
    least = min(judged, key=lambda i: judged[i].accuracy_ratio or 0.0)
    high, low = judged[best], judged[least]
    between = (high.accuracy_ratio or 0.0) - (low.accuracy_ratio or 0.0)
    if between <= margin_of(run) or not _overlap(high, low) or _proven(run):
        return None
    intervals = [
        Evidence(
            text=f"{where(run, i)}: {percent(q.accuracy_ratio or 0)} of {q.complete} useful, 95 % interval "
            f"{_interval(q)}",
            source="statistics", level=i,
        )
        for i, q in ((best, high), (least, low))
    ]  # fmt: skip
    control = control_of(run, "drift")
    if control is not None:
        text = f"the lowest load twice: {control.broke} items broke and {control.healed} healed of {control.pairs}"
        intervals.append(Evidence(text=text, source="statistics"))
    return Seen(
        claim=f"Accuracy moves by {100 * between:.0f} points between loads, within chance: the intervals of "
        f"{low.complete} and {high.complete} answers overlap.",
        confidence="likely",
        weight=0.0,
        evidence=tuple(intervals),
        next_step=_items_needed(run),
    )


def _overlap(high: LevelQuality, low: LevelQuality) -> bool:
    a, b = high.accuracy_interval, low.accuracy_interval
    return a is not None and b is not None and a[0] <= b[1]


def _interval(quality: LevelQuality) -> str:
    low, high = quality.accuracy_interval or (0.0, 1.0)
    return f"{percent(low)} to {percent(high)}"


def _proven(run: Run) -> bool:
    """Some load loses beyond chance by the paired test, whatever the intervals say."""
    rates = [rate_of(level, "useful") for level in run.levels]
    return any(rate is not None and rate.p_value is not None and rate.p_value <= ALPHA for rate in rates)


def _items_needed(run: Run) -> str:
    families = run.quality.families if run.quality else ()
    needed = next((each.items_needed for each in families if each.family == "quality"), None)
    return f"Ask {needed:,} items at every load, the same ones, at temperature 0." if needed else ""


def drift_over_run(run: Run) -> Seen | None:
    """Row 26: the same load is worse in the last block than in the first."""
    control = control_of(run, "drift")
    if control is None:
        return None
    reasons: list[str] = []
    course = _pace_by_block(run)
    rises = _rises(course) if len(course) >= FEWEST_BLOCKS else None
    if (
        control.e2e_p50_s
        and control.e2e_p50_s[1] >= DRIFT_RATIO * control.e2e_p50_s[0] > 0
        and rises is not False
    ):
        first, last = control.e2e_p50_s
        reasons.append(
            f"E2E latency p50 {format_seconds(first)} in the first block, {format_seconds(last)} in the last"
        )
    if control.p_value is not None and control.p_value <= ALPHA and control.broke > control.healed:
        reasons.append(
            f"{control.broke} of {control.pairs} items broke and {control.healed} healed without any change of load"
        )
    if not reasons:
        return None
    return Seen(
        claim=f"The server gets worse with time, not with load: {reasons[0]}.",
        confidence="likely" if rises else "possible",
        weight=max(0.0, _slowdown(control), share(control.broke - control.healed, control.pairs)),
        evidence=(*(Evidence(text=each, source="statistics") for each in reasons), *_board_evidence(run)),
    )


def _pace_by_block(run: Run) -> list[float]:
    """Median latency per token of the lowest load in every block, in order, and at the end of the run once more.

    Per token, since every block asks other items.
    """
    index = lowest(run)
    if index is None:
        return []
    own, again = run.levels[index], [each for each in run.controls if each.load == run.levels[index].load]
    visits = [
        [each for each in own.requests if each.block == block]
        for block in sorted({e.block for e in own.requests})
    ]
    visits += [list(each.requests) for each in again[:1]]
    paces_s = [[pace_s for each in visit if (pace_s := _pace_s(each)) is not None] for visit in visits]
    return [median(each) for each in paces_s if each]


def _pace_s(record: RequestRecord) -> float | None:
    if (
        record.warmup
        or record.outcome != "complete"
        or record.sent_s is None
        or record.last_token_s is None
    ):
        return None
    return (record.last_token_s - record.sent_s) / record.output_tokens if record.output_tokens else None


def _rises(course: Sequence[float]) -> bool:
    """Whether the later of two is the larger in nearly all pairs: one disturbed visit is no drift.

    Of 4, 6 and 7 values in random order this has a chance of 4, 3 and 1 % (M. G. Kendall 1938).
    """
    pairs = [later > earlier for earlier, later in combinations(course, 2)]
    return sum(pairs) >= RISING_RATIO * len(pairs)


def _slowdown(control: Control) -> float:
    """Share of the later latency that came with time."""
    first, last = control.e2e_p50_s or (0.0, 0.0)
    return 1 - first / last if last > first else 0.0


def _board_evidence(run: Run) -> list[Evidence]:
    """Clock and temperature of the first and the last sample, where boards were sampled."""
    samples = sorted((each for level in run.levels for each in level.samples), key=lambda each: each.at_s)
    known = [each for each in samples if each.clock_hz and each.temperature_c is not None]
    if len(known) < 2 or not known[0].clock_hz or not known[-1].clock_hz:
        return []
    first, last = known[0], known[-1]
    text = (
        f"clock {(first.clock_hz or 0) / 1e6:.0f} to {(last.clock_hz or 0) / 1e6:.0f} MHz, "
        f"temperature {first.temperature_c:.0f} to {last.temperature_c:.0f} C"
    )
    return [Evidence(text=text, source="boards")]
