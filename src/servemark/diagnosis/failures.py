"""Failures that load has no part in."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

from servemark.diagnosis.observations import (
    Request,
    failed,
    percent,
    requests,
    rises,
    rising,
    share,
    shown_by,
    where,
    wilson,
)
from servemark.diagnosis.rows import Seen
from servemark.diagnosis.timeouts import TURNED_AWAY
from servemark.domain.finding import Evidence
from servemark.domain.run import Level, RequestRecord, Run

LEAST_RATIO = 0.05
"""Of the requests at the lowest load; fewer are no class of their own."""
LEAST_FAILURES = 3
RESTART_S = 1.0
"""Two start times of a process that differ by more are two processes."""
CLIENT_FAULTS = {
    400: "the request itself is refused (often a prompt longer than the context)",
    401: "the key is refused",
    403: "the key is refused",
    404: "the path or the model's name is wrong",
    413: "the request is too large",
    422: "a field of the request is refused",
}


def own_fault(record: RequestRecord) -> bool:
    """A failure of the request itself: refused as written, an answer that fails its schema, a bad finish."""
    if record.outcome == "refused":
        return record.status not in TURNED_AWAY and (record.status or 0) not in (408, 499, 502, 504)
    if record.outcome == "broken":
        return "finish reason" in record.reason and "without finish reason" not in record.reason
    return record.judgement is not None and record.judgement.failed("bad_format") is True


def failures_flat_in_load(run: Run) -> Seen | None:
    """Row 3: the same failures at the lowest load as at every other."""
    order = rising(run)
    if len(order) < 2 or rises(run, lambda i: len(_faults(run.levels[i]))):
        return None
    low, high = order[0], order[-1]
    first, last = _faults(run.levels[low]), _faults(run.levels[high])
    sent = run.levels[low].requests_sent
    if len(first) < LEAST_FAILURES or len(first) < LEAST_RATIO * sent or not last:
        return None
    status = Counter(each.record.status for each in first).most_common(1)[0][0] or 0
    kind = CLIENT_FAULTS.get(
        status,
        f"the server itself answers HTTP {status}, however few ask"
        if status >= 500
        else "the answer does not hold its schema, or the engine ends it as an error",
    )
    certain = status in CLIENT_FAULTS and all(each.record.status == status for each in (*first, *last))
    return Seen(
        claim=f"Failures do not follow the load, {_of(run, low)} and {_of(run, high)} fail: {kind}.",
        confidence="certain" if certain else "likely",
        weight=max(share(len(_faults(level)), level.requests_sent) for level in run.levels),
        evidence=(_row(run, low, first), _row(run, high, last)),
    )


def _faults(level: Level) -> list[Request]:
    return requests(level, own_fault)


def _of(run: Run, index: int) -> str:
    level = run.levels[index]
    return f"{len(_faults(level))} of {level.requests_sent} {where(run, index)}"


def _row(run: Run, index: int, found: list[Request]) -> Evidence:
    sent = run.levels[index].requests_sent
    low, high = wilson(len(found), sent)
    reason = Counter(each.record.reason or "the answer does not hold its schema" for each in found)
    words = f"{percent(share(len(found), sent))} ({percent(low)} to {percent(high)}): "
    return shown_by(run, index, found, words + reason.most_common(1)[0][0])


def engine_restarted(run: Run) -> Seen | None:
    """Row 24: the engine's process is another one than before, or nobody listens any more."""
    seen = [(each, index) for index, level in enumerate(run.levels) for each in level.engine]
    known = [
        (each.at_s, each.process_start_s, index) for each, index in seen if each.process_start_s is not None
    ]
    for (_, before_s, _), (_, after_s, index) in pairwise(sorted(known)):
        if abs(after_s - before_s) > RESTART_S:
            return _restart(run, index, certain=True)
    for index, level in enumerate(run.levels):
        answered = [each for each in requests(level) if each.record.outcome == "complete"]
        refused = _nobody_listens(level)
        if answered and refused and min(r.record.end_s for r in refused) > answered[0].record.end_s:
            return _restart(run, index, certain=False)
    return None


def _nobody_listens(level: Level) -> list[Request]:
    words = ("cannot connect", "refused")
    return [
        each
        for each in failed(level)
        if each.record.outcome == "transport" and any(word in each.record.reason.lower() for word in words)
    ]


def _restart(run: Run, index: int, *, certain: bool) -> Seen:
    level = run.levels[index]
    lost = [each for each in failed(level) if each.record.outcome in ("transport", "broken")]
    what = (
        "its process has another start time than before"
        if certain
        else "connections are refused after it had answered"
    )
    evidence = [
        Evidence(
            text=f"{where(run, index)}: {what}", source="engine" if certain else "requests", level=index
        )
    ]
    if lost:
        evidence.append(
            shown_by(run, index, lost, f"{len(lost)} requests were lost: {lost[0].record.reason}")
        )
    return Seen(
        claim=f"The engine went down {where(run, index)}: {what}.",
        confidence="certain" if certain else "likely",
        weight=share(len(lost), level.requests_sent),
        evidence=tuple(evidence),
    )
