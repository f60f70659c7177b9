"""Defects of answers, counted at each load and against the same items alone."""

from __future__ import annotations

from typing import NamedTuple

from servemark.diagnosis.observations import (
    Request,
    alone,
    lowest,
    requests,
    rising,
    share,
    where,
    wilson,
)
from servemark.domain.exchange import Check
from servemark.domain.finding import Excerpt
from servemark.domain.quality import CheckRate, Control
from servemark.domain.run import Level, RequestRecord, Run

ALPHA = 0.05
MARGIN_RATIO = 0.03
"""The loss that has to be ruled out, where the run names none."""
EXCERPTS = 3
EXCERPT_LENGTH = 300


class Symptom(NamedTuple):
    """One check that fails: where it is worst, and what it is like alone."""

    at: int
    hits: list[Request]
    judged: int
    alone_at: int | None
    alone_hits: list[Request]
    alone_judged: int
    grows: bool | None
    """True: more under load than alone, beyond chance; False: as much alone; None: cannot be said."""

    @property
    def ratio(self) -> float:
        """Share of the answers that the check applies to, where it is worst."""
        return share(len(self.hits), self.judged)


def failing(level: Level, check: Check) -> list[Request]:
    """Requests whose answer has that defect."""
    return requests(level, lambda record: fails(record, check) is True)


def fails(record: RequestRecord, check: Check) -> bool | None:
    """None where it was not judged, or the check did not apply."""
    return record.judgement.failed(check) if record.judgement else None


def symptom(run: Run, check: Check) -> Symptom | None:
    """The check at the load where most of its answers fail; None where none does."""
    counted = {i: _counted(run.levels[i], check) for i in reversed(rising(run))}
    at = max(counted, key=lambda i: share(len(counted[i][0]), counted[i][1]), default=None)
    if at is None or not counted[at][0]:
        return None
    single = alone(run)
    hits, judged = counted[at]
    alone_hits, alone_judged = counted[single] if single is not None else ([], 0)
    grows = None
    if single is not None and alone_judged:
        grows = _grows(run.levels[at], check, (len(alone_hits), alone_judged), (len(hits), judged))
    return Symptom(at, hits, judged, single, alone_hits, alone_judged, False if at == single else grows)


def _counted(level: Level, check: Check) -> tuple[list[Request], int]:
    return failing(level, check), len(requests(level, lambda record: fails(record, check) is not None))


def _grows(level: Level, check: Check, before: tuple[int, int], here: tuple[int, int]) -> bool | None:
    """By the pairs; and where a check applies to other answers here than alone, by intervals that lie apart."""
    rate = rate_of(level, check)
    if (
        rate is not None
        and rate.p_value is not None
        and rate.p_value <= ALPHA
        and (rate.difference or 0) > 0
    ):
        return True
    if wilson(*here)[0] > wilson(*before)[1]:
        return True
    return False if share(*before) >= share(*here) / 2 else None


def rate_of(level: Level, check: str) -> CheckRate | None:
    """What the statistics say of one check at one load."""
    rates = level.quality.rates if level.quality else ()
    return next((each for each in rates if each.check == check), None)


def margin_of(run: Run) -> float:
    """The loss that has to be ruled out."""
    return run.quality.margin_ratio if run.quality else MARGIN_RATIO


def control_of(run: Run, kind: str) -> Control | None:
    """A load that was measured twice: `drift` or `noise`."""
    controls = run.quality.controls if run.quality else ()
    return next((each for each in controls if each.kind == kind), None)


def against_alone(run: Run, seen: Symptom) -> str:
    """The control in words."""
    here = f"{len(seen.hits)} of {seen.judged} {where(run, seen.at)}"
    if seen.alone_at is None or not seen.alone_judged:
        return f"{here}; not asked alone"
    return f"{here}, {len(seen.alone_hits)} of {seen.alone_judged} alone"


def same_items(run: Run) -> dict[str, Request]:
    """Each item as it was first answered at the lowest load."""
    index = lowest(run)
    found: dict[str, Request] = {}
    for each in requests(run.levels[index]) if index is not None else []:
        if each.record.item is not None:
            found.setdefault(each.record.item, each)
    return found


def excerpts(run: Run, index: int, found: list[Request]) -> tuple[Excerpt, ...]:
    """The answers of a few items, alone and at that load."""
    first = same_items(run)
    shown: dict[str, Excerpt] = {}
    for each in found:
        item = each.record.item
        if item is None or item in shown or item not in first or len(shown) == EXCERPTS:
            continue
        shown[item] = Excerpt(
            item=item,
            load=run.levels[index].load,
            alone=_short(first[item].record.text),
            under_load=_short(each.record.text),
        )
    return tuple(shown.values())


def _short(text: str) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= EXCERPT_LENGTH else flat[: EXCERPT_LENGTH - 3] + "..."
