"""What a simulated level leaves behind: one record per request, one per stretch of equal steps."""

from __future__ import annotations

from typing import NamedTuple

from servemark.domain.run import Outcome, RequestRecord, StepRecord
from servemark.domain.workload import PlannedRequest
from servemark.simulation.sequence import Sequence
from servemark.units import PS_PER_S


class Visit(Sequence):
    """A planned request on its way through the fleet, with its stamps."""

    __slots__ = (
        "first_ps",
        "number",
        "request",
        "scheduled_ps",
        "stalled_ps",
        "stalls_ps",
        "user",
        "warmup",
    )

    def __init__(
        self, number: int, request: PlannedRequest, scheduled_ps: int, user: int | None, *, warmup: bool
    ) -> None:
        super().__init__(request.input_tokens, request.output_tokens)
        self.number = number
        """Its index in the records."""
        self.request = request
        self.scheduled_ps = scheduled_ps
        self.user = user
        self.warmup = warmup
        self.first_ps: int | None = None
        self.stalled_ps: int | None = None
        """Time of the last token, when the gap to the next will be longer than a step."""
        self.stalls_ps: list[int] | None = None


class Played(NamedTuple):
    """A level as it went: requests by index, stretches of steps by start."""

    requests: tuple[RequestRecord, ...]
    steps: tuple[StepRecord, ...]


class Journal:
    """The records so far."""

    def __init__(self) -> None:
        self.requests: list[RequestRecord] = []
        self.steps: list[StepRecord] = []

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

    def finished(self, visit: Visit, replica: int, at_ps: int) -> None:
        """A request with all its tokens, or cut short where its slot's context ended."""
        request = visit.request
        if visit.output_tokens == request.output_tokens:
            self._answered(
                visit, replica, at_ps, "complete", "stop" if request.natural_stop else "length", ""
            )
        else:
            self._answered(visit, replica, at_ps, "truncated", "length", "the slot's context ended")

    def broken(self, visit: Visit, replica: int, at_ps: int) -> None:
        """A request that broke when the shared context ran out; its last token had come just then."""
        self._answered(visit, replica, at_ps, "broken", None, "Context size has been exceeded")

    def _answered(
        self,
        visit: Visit,
        replica: int,
        end_ps: int,
        outcome: Outcome,
        finish_reason: str | None,
        reason: str = "",
    ) -> None:
        first_ps, stalls_ps, tokens = visit.first_ps, visit.stalls_ps, visit.generated
        scheduled_s, end_s = visit.scheduled_ps / PS_PER_S, end_ps / PS_PER_S
        self.requests.append(
            RequestRecord(
                index=visit.number,
                warmup=visit.warmup,
                user=visit.user,
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
                reason=reason,
                finish_reason=finish_reason,
                preemptions=visit.preemptions,
                stalls_s=tuple([gap / PS_PER_S for gap in stalls_ps]) if stalls_ps else (),
                item=visit.request.item,
            )
        )
