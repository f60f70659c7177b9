"""What a simulated level leaves behind: one record per request, one per stretch of equal steps."""

from __future__ import annotations

from operator import attrgetter
from typing import NamedTuple

from msgspec.structs import replace

from servemark.domain.run import Outcome, RequestRecord, StepRecord
from servemark.domain.workload import PlannedRequest
from servemark.simulation.sequence import Sequence
from servemark.units import PS_PER_S


class Visit(Sequence, eq=False, kw_only=True):
    """A planned request on its way through the fleet, with its stamps."""

    number: int
    """Its index in the records."""
    request: PlannedRequest
    scheduled_ps: int
    user: int | None
    warmup: bool
    first_ps: int | None = None
    stalled_ps: int | None = None
    """Time of the last token, when the gap to the next will be longer than a step."""
    stalls_ps: list[int] | None = None


class Played(NamedTuple):
    """A level as it went.

    Every gap between two tokens of a request is counted once: either it is one step, and then the request
    is among the `decodes` of that step (mixed steps included), or it spans several, and then it is in the
    request's `stalls_s` (from a preemption to the next token; while prompts are computed alone). A first
    token ends no gap.
    """

    requests: tuple[RequestRecord, ...]
    """By index."""
    steps: tuple[StepRecord, ...]
    """Stretches of equal steps by start and replica; `waiting` and `kv_used_ratio` are those at the start."""


class Journal:
    """The records so far."""

    def __init__(self) -> None:
        self.requests: list[RequestRecord] = []
        self.steps: list[StepRecord] = []

    def played(self) -> Played:
        """The level, in order."""
        # two sorts by one key each: less than half the time of one by a pair
        steps = sorted(self.steps, key=attrgetter("replica"))
        steps.sort(key=attrgetter("start_s"))
        return Played(requests=tuple(sorted(self.requests, key=attrgetter("index"))), steps=tuple(steps))

    def refused(self, visit: Visit, replica: int, at_ps: int, reason: str) -> None:
        """A request that the engine answers with 400."""
        scheduled_s = visit.scheduled_ps / PS_PER_S
        self.requests.append(
            RequestRecord(
                index=visit.number,
                warmup=visit.warmup,
                user=visit.user,
                replica=replica,
                scheduled_s=scheduled_s,
                sent_s=scheduled_s,
                end_s=at_ps / PS_PER_S,
                input_tokens=visit.input_tokens,
                outcome="refused",
                status=400,
                reason=reason,
                item=visit.request.item,
            )
        )

    def answered(self, visit: Visit, replica: int, end_ps: int, *, broken: bool = False) -> None:
        """A request that got tokens, its last one at `end_ps` (or, if broken, maybe none)."""
        request, first_ps, tokens = visit.request, visit.first_ps, visit.generated
        outcome: Outcome = "complete"
        finish_reason, reason = "stop" if request.natural_stop else "length", ""
        if broken:
            outcome, finish_reason, reason = "broken", None, "Context size has been exceeded"
        elif visit.output_tokens < request.output_tokens:
            outcome, finish_reason, reason = "truncated", "length", "the slot's context ended"
        scheduled_s, end_s = visit.scheduled_ps / PS_PER_S, end_ps / PS_PER_S
        # With 16 keywords or more a record costs five times as much to make: what is rare comes after.
        record = RequestRecord(
            index=visit.number,
            replica=replica,
            scheduled_s=scheduled_s,
            sent_s=scheduled_s,
            first_token_s=None if first_ps is None else first_ps / PS_PER_S,
            last_token_s=None if first_ps is None else end_s,
            end_s=end_s,
            input_tokens=visit.input_tokens,
            output_tokens=tokens,
            text_chunks=tokens,
            cached_tokens=visit.cached,
            outcome=outcome,
            status=200,
            finish_reason=finish_reason,
        )
        if visit.preemptions or visit.stalls_ps:
            record = replace(
                record,
                preemptions=visit.preemptions,
                stalls_s=tuple(gap / PS_PER_S for gap in visit.stalls_ps or ()),
            )
        if visit.user is not None or visit.warmup or request.item or reason:
            record = replace(record, user=visit.user, warmup=visit.warmup, item=request.item, reason=reason)
        self.requests.append(record)
