"""The answer of a run in one sentence: capacity, margin, and the promise that binds."""

from __future__ import annotations

from collections.abc import Sequence

from servemark.capacity.answer import capacity_of
from servemark.domain.capacity import Capacity, SloVerdict
from servemark.domain.gpu import Node
from servemark.domain.metrics import METRICS
from servemark.domain.run import Level, Run
from servemark.domain.workload import Load, Rate, Replay, Slo, Users, load_label, load_value
from servemark.reports.labels import (
    axis_label,
    band_label,
    joined_label,
    level_at,
    loads_label,
    margin_label,
    metric_label,
    percent,
    reason_label,
    slo_label,
    subject_title,
    value_label,
)
from servemark.reports.page import Answer, Series

BAND = "80 % band"


def answer_of(run: Run, series: Series, agreements: Sequence[str] = ()) -> Answer:
    """The sentence of one run; what qualifies it follows as notes.

    Args:
        run: whose answer it is.
        series: how it is told apart.
        agreements: what the predictions beside it say of a measured run.
    """
    notes = [*(_break_notes(run) if run.slos and run.levels else []), *agreements]
    if run.origin == "predicted" and run.deployment is not None and run.deployment.parallelism.gpus > 1:
        notes += _assumed(run.deployment.group)
    if run.extrapolations:
        notes.append(f"Extrapolated, with wider bands: {'; '.join(run.extrapolations)}.")
    if not run.provenance.finished:
        notes.append("Interrupted: this is what was measured up to then.")
    if run.endpoint is not None and run.endpoint.time_factor != 1.0:
        notes.append(
            f"The twin's clock ran {run.endpoint.time_factor:g} times as fast as real time; "
            "times are in its seconds."
        )
    return Answer(series=series, sentence=sentence_of(run), notes=(*notes, *map(_as_sentence, run.notes)))


def _assumed(node: Node) -> tuple[str, ...]:
    """What joins the GPUs of a replica decides much, and was not said."""
    if node.topology is not None:
        return ()
    return (f"Assumed: the GPUs of a replica are joined by {joined_label(node)} (--topology).",)


def _as_sentence(note: str) -> str:
    return note[:1].upper() + note[1:].rstrip(".") + "."


def sentence_of(run: Run) -> str:
    """What the run carries, as one sentence with its margin and binding promise."""
    subject = subject_title(run)
    if not run.levels:
        return f"{subject}: no level was finished, so there is no answer."
    if not run.slos:
        return _without_promises(run, subject)
    capacity = run.capacity or capacity_of(run.levels)
    if capacity.load is None:
        return _holding_nowhere(run, subject, capacity)
    if capacity.first_broken is not None:
        return _broken_above(run, subject, capacity)
    return _open_above(run, subject, capacity)


def _without_promises(run: Run, subject: str) -> str:
    peak = max(run.levels, key=lambda level: level.output_tokens_per_s or 0.0)
    if peak.output_tokens_per_s is None:
        return f"{subject}: no promise was given, so no capacity is claimed."
    rate = value_label("output_tokens_per_s", peak.output_tokens_per_s)
    if (band := peak.bands.get("output_tokens_per_s")) is not None:
        rate += f" ({BAND} {band_label('output_tokens_per_s', band).removesuffix(' tok/s')})"
    parts = [
        f"{METRICS[key].label} p50 {value_label(key, found.p50)}"
        for key in ("ttft_s", "tpot_s")
        if (found := peak.metrics.get(key)) and found.p50 is not None
    ]
    detail = f" ({', '.join(parts)})" if parts else ""
    return (
        f"{subject} gives {rate} at {load_label(peak.load)}{detail}; "
        "no promise was given, so no capacity is claimed."
    )


def _broken_above(run: Run, subject: str, capacity: Capacity) -> str:
    assert capacity.load is not None
    line = f"{subject} {_carries(capacity.load, _band(run, capacity))}"
    binding, broken = capacity.binding, capacity.broken_by
    if binding is None:
        return f"{line}."
    if broken is None or broken == binding:
        return f"{line}; the next to break is {_with_room(binding, capacity.margin)}."
    room = _with_room(binding, capacity.margin)
    return f"{line}; the tightest is {room}, but the next to break is {slo_label(broken)}."


def _open_above(run: Run, subject: str, capacity: Capacity) -> str:
    assert capacity.load is not None
    tightest = (
        f"; the tightest is {_with_room(capacity.binding, capacity.margin)}" if capacity.binding else ""
    )
    above = _undecided(run, capacity.load, None)
    line = f"{subject} {_carries(capacity.load, _band(run, capacity), at_least=True)}"
    if above:
        return f"{line}{tightest}; {_why_undecided(above[0])}."
    if isinstance(capacity.load, Replay):
        return f"{line}: no promise broke{tightest}."
    return f"{line}: no promise broke up to there{tightest}."


def _holding_nowhere(run: Run, subject: str, capacity: Capacity) -> str:
    if capacity.first_broken is None:
        return f"{subject}: no capacity can be stated; {_why_undecided(run.levels[0])}."
    broken = capacity.broken_by
    line = f"{subject} holds its promises at no tested load{_band(run, capacity)}"
    if broken is not None:
        line += f": {slo_label(broken)} breaks at {load_label(capacity.first_broken)}"
        line += _found_there(run, capacity)
    below = [level for level in _undecided(run, None, capacity.first_broken)]
    return line + (f"; {_why_undecided(below[0])}." if below else ".")


def _carries(load: Load, band: str, *, at_least: bool = False) -> str:
    bound = "at least " if at_least else ""
    match load:
        case Users() | Rate():
            return f"carries {bound}{load_label(load)}{band} within its promises"
        case Replay():
            return f"carries the {load_label(load)} within its promises"


def _band(run: Run, capacity: Capacity) -> str:
    """` (80 % band 12 to 19)`; what holds at the highest tested load at one end has no end there."""
    if capacity.band is None or not capacity.band[1]:
        return ""
    highest = max(load_value(level.load) for level in run.levels)
    low, high = (f"{'at least ' * (end >= highest)}{axis_label(end)}" for end in capacity.band)
    if not capacity.band[0]:
        return f" ({BAND} at most {high})" if capacity.load is None else f" ({BAND} 0 to {high})"
    return f" ({BAND} {low})" if low == high else f" ({BAND} {low} to {high})"


def _with_room(slo: Slo, margin: float | None) -> str:
    return slo_label(slo) + ("" if margin is None else f", {percent(margin)} of room left")


def _break_notes(run: Run) -> list[str]:
    """How it breaks above the capacity, and which loads in between stay open."""
    capacity = run.capacity or capacity_of(run.levels)
    notes: list[str] = []
    if capacity.load is None or capacity.first_broken is None:
        return notes
    if capacity.broken_by is not None:
        broken = f"{metric_label(capacity.broken_by)}{_found_there(run, capacity)}"
        notes.append(f"At {load_label(capacity.first_broken)} {broken} breaks its promise.")
    between = [level.load for level in _undecided(run, capacity.load, capacity.first_broken)]
    if between:
        notes.append(f"{loads_label(between)} in between: undecided.")
    return notes


def _found_there(run: Run, capacity: Capacity) -> str:
    """` (61.3 ms, 23 % over)`, where the level at the first broken load says so."""
    assert capacity.broken_by is not None
    found = _verdict_of(level_at(run, capacity.first_broken), capacity.broken_by)
    if found is None:
        return ""
    value = value_label(found.slo.metric, found.value) if found.value is not None else ""
    words = (value, margin_label(found.slo.metric, found.margin)) if value else (reason_label(found),)
    return f" ({', '.join(word for word in words if word)})"


def _why_undecided(level: Level) -> str:
    """`at 4 users TTFT p95 stays undecided: 73 requests needed`."""
    open_slos = [v for v in level.verdict.slos if v.verdict == "undecided"] if level.verdict else []
    if not open_slos:
        return f"{load_label(level.load)} has no verdict"
    worst = max(open_slos, key=lambda v: v.requests_needed or 0)
    reason = reason_label(worst)
    tail = f": {reason}" if reason else ""
    return f"at {load_label(level.load)} {metric_label(worst.slo)} stays undecided{tail}"


def _verdict_of(level: Level | None, slo: Slo) -> SloVerdict | None:
    verdicts = level.verdict.slos if level is not None and level.verdict is not None else ()
    return next((each for each in verdicts if each.slo == slo), None)


def _undecided(run: Run, above: Load | None, below: Load | None) -> list[Level]:
    """Undecided levels between two loads of the same kind, lowest first."""
    low = load_value(above) if above is not None else float("-inf")
    high = load_value(below) if below is not None else float("inf")
    found = [
        level
        for level in run.levels
        if level.verdict is not None
        and level.verdict.word == "undecided"
        and low < load_value(level.load) < high
    ]
    return sorted(found, key=lambda level: load_value(level.load))
