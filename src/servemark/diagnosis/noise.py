"""Differences that are no harm: arithmetic, chance, drift."""

from __future__ import annotations

from servemark.diagnosis.corruption import MARGIN_RATIO
from servemark.diagnosis.defects import ALPHA, excerpts, rate_of, same_items
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
from servemark.domain.run import Run
from servemark.units import format_seconds

DRIFT_RATIO = 1.25
"""The same load takes so much longer in the last block than in the first."""


def margin_of(run: Run) -> float:
    """The loss that has to be ruled out."""
    return run.quality.margin_ratio if run.quality else MARGIN_RATIO


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
            text=f"{where(run, at)}: net loss of useful answers {percent(quality.loss_ratio)}",
            source="statistics", level=at,
        ),
    ]  # fmt: skip
    control = _control(run, "noise")
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
    control = _control(run, "drift")
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
    control = _control(run, "drift")
    if control is None:
        return None
    reasons: list[str] = []
    if control.e2e_p50_s and control.e2e_p50_s[1] >= DRIFT_RATIO * control.e2e_p50_s[0] > 0:
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
        confidence="likely",
        weight=max(0.0, _slowdown(control), share(control.broke - control.healed, control.pairs)),
        evidence=(*(Evidence(text=each, source="statistics") for each in reasons), *_board_evidence(run)),
    )


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


def _control(run: Run, kind: str) -> Control | None:
    controls = run.quality.controls if run.quality else ()
    return next((each for each in controls if each.kind == kind), None)
