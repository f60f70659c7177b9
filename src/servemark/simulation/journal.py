"""What a simulated level leaves behind: one record per request, one per stretch of equal steps."""

from __future__ import annotations

from typing import NamedTuple

from servemark.domain.run import Outcome, RequestRecord, StepRecord
from servemark.simulation.arrivals import Arrival
from servemark.simulation.sequence import Sequence
from servemark.units import PS_PER_S


class Visit(Sequence):
    """A request at a replica, with its stamps."""

    __slots__ = ("arrival", "first_ps", "stalled_ps", "stalls_ps")

    def __init__(self, arrival: Arrival, output_tokens: int, keys: list[int]) -> None:
        super().__init__(arrival.request.input_tokens, output_tokens, keys)
        self.arrival = arrival
        self.first_ps: int | None = None
        self.stalled_ps: int | None = None
        """Time of the last token, when the gap to the next will be longer than a step."""
        self.stalls_ps: list[int] = []


class Played(NamedTuple):
    """A level as it went: requests by index, stretches of steps by start and replica."""

    requests: tuple[RequestRecord, ...]
    steps: tuple[StepRecord, ...]


class Journal:
    """The records so far."""

    def __init__(self) -> None:
        self.requests: list[RequestRecord] = []
        self.steps: list[StepRecord] = []

    def refused(self, arrival: Arrival, replica: int, at_ps: int, reason: str) -> None:
        """A request that the engine would answer with 400."""
        scheduled_s = arrival.scheduled_ps / PS_PER_S
        self.requests.append(
            RequestRecord(
                index=arrival.number,
                warmup=arrival.warmup,
                user=arrival.user,
                replica=replica,
                scheduled_s=scheduled_s,
                sent_s=scheduled_s,
                end_s=at_ps / PS_PER_S,
                input_tokens=arrival.request.input_tokens,
                outcome="refused",
                status=400,
                reason=reason,
                item=arrival.request.item,
            )
        )

    def finished(self, visit: Visit, replica: int, at_ps: int) -> None:
        """A request with all its tokens, or cut short where its slot's context ended."""
        request = visit.arrival.request
        if visit.output_tokens < request.output_tokens:
            self._answered(visit, replica, at_ps, at_ps, "truncated", "length", "the slot's context ended")
        else:
            reason = "stop" if request.natural_stop else "length"
            self._answered(visit, replica, at_ps, at_ps, "complete", reason, "")

    def broken(self, visit: Visit, replica: int, at_ps: int, last_ps: int) -> None:
        """A request that broke when the shared context ran out."""
        last = last_ps if visit.generated else None
        self._answered(visit, replica, at_ps, last, "broken", None, "Context size has been exceeded")

    def _answered(
        self,
        visit: Visit,
        replica: int,
        end_ps: int,
        last_ps: int | None,
        outcome: Outcome,
        finish_reason: str | None,
        reason: str,
    ) -> None:
        arrival, first_ps = visit.arrival, visit.first_ps
        scheduled_s = arrival.scheduled_ps / PS_PER_S
        self.requests.append(
            RequestRecord(
                index=arrival.number,
                warmup=arrival.warmup,
                user=arrival.user,
                replica=replica,
                scheduled_s=scheduled_s,
                sent_s=scheduled_s,
                first_token_s=None if first_ps is None else first_ps / PS_PER_S,
                last_token_s=None if last_ps is None else last_ps / PS_PER_S,
                end_s=end_ps / PS_PER_S,
                input_tokens=visit.input_tokens,
                output_tokens=visit.generated,
                text_chunks=visit.generated,
                cached_tokens=visit.cached,
                outcome=outcome,
                status=200,
                reason=reason,
                finish_reason=finish_reason,
                preemptions=visit.preemptions,
                stalls_s=tuple([gap / PS_PER_S for gap in visit.stalls_ps]) if visit.stalls_ps else (),
                item=arrival.request.item,
            )
        )
