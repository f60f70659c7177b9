"""One replica on the clock: a step ends when the simulator says, and its tokens leave at that moment."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass

from servemark.simulation.live import LiveReplica, LiveStep
from servemark.twins.chunks import DONE, Frame, Usage
from servemark.twins.clock import Lateness, SimulatedClock
from servemark.twins.counts import Counts
from servemark.twins.replies import Reply


@dataclass(eq=False, slots=True, kw_only=True)
class TwinRequest:
    """One request from its receipt until its last token; times in simulated picoseconds."""

    id: str
    number: int
    reply: Reply
    prefix_blocks: tuple[int, ...]
    received_ps: int
    admitted_ps: int
    """When the engine may take it: its own overhead after receipt."""
    ended: asyncio.Event
    stream: Stream | None = None
    """None while there is nobody to write to: the whole answer is asked for at once."""
    broken: bool = False
    """Given up half-way: llama.cpp's shared context ran out, or a fault of the plan."""
    written_tokens: int = 0
    cached_tokens: int = 0
    last_ps: int = 0

    @property
    def usage(self) -> Usage:
        """Tokens so far."""
        return Usage(self.reply.reported_tokens, self.written_tokens, self.cached_tokens)

    @property
    def outcome(self) -> str:
        """How it ends, as vLLM counts it."""
        fault = self.reply.fault
        cut = "error" if fault and fault.ending == "error" else "abort"
        return self.reply.reason or cut


@dataclass(slots=True)
class Stream:
    """Where the tokens of one streamed answer go: straight to the socket, framed as HTTP chunks.

    The framework's own `write` is a coroutine; one per token would cost more than the rest of the step.
    """

    transport: asyncio.WriteTransport
    frame: Frame
    include_usage: bool
    hold_after: int | None = None
    """Tokens after which nothing leaves until `release`."""
    held: bytes = b""

    def write(self, request: TwinRequest) -> None:
        """Send the request's newest token, with all that belongs before and after it."""
        reply = request.reply
        word = next(reply.words)
        events = self.frame.text(word) if word else b""
        if request.written_tokens == 1:
            reply.begun = True
            events = self.frame.opening + events
        if request.written_tokens == reply.output_tokens:
            events += self._closing(request)
        if self.hold_after is not None and request.written_tokens > self.hold_after:
            self.held += events
        else:
            self._send(events)

    def release(self) -> None:
        """Send what was held back."""
        self._send(self.held)

    def _closing(self, request: TwinRequest) -> bytes:
        reply = request.reply
        if reply.reason is not None:
            return self.frame.closing(reply.reason, request.usage if self.include_usage else None)
        return DONE if reply.fault and reply.fault.ending == "done" else b""

    def _send(self, events: bytes) -> None:
        if events and not self.transport.is_closing():
            self.transport.write(b"%x\r\n%b\r\n" % (len(events), events))


class PacedReplica:
    """A replica that runs its steps on an absolute schedule; being late once delays nothing after it."""

    def __init__(self, replica: LiveReplica, seats: int, block_tokens: int, clock: SimulatedClock) -> None:
        self.replica = replica
        self.counts = Counts()
        self._seats = seats
        self._block_tokens = block_tokens
        self._clock = clock
        self._inbox: deque[TwinRequest] = deque()
        self._unscheduled: deque[TwinRequest] = deque()
        self._requests: dict[str, TwinRequest] = {}
        self._arrived = asyncio.Event()

    @property
    def in_flight(self) -> int:
        """Requests received and not yet ended."""
        return len(self._requests)

    @property
    def running(self) -> int:
        """Sequences that hold a seat."""
        return self.replica.running

    @property
    def waiting(self) -> int:
        """Requests without a seat, those that the engine has not looked at yet included."""
        return self.replica.waiting + len(self._inbox)

    @property
    def overhang(self) -> int:
        """How many more requests wait than seats are free."""
        free = 0 if self.replica.waiting else self._seats - self.replica.running
        return self.waiting - free

    def submit(self, request: TwinRequest) -> None:
        """Take a request in; the engine sees it from `admitted_ps` on."""
        self._requests[request.id] = request
        self._inbox.append(request)
        self._arrived.set()

    def abort(self, request: TwinRequest) -> None:
        """Forget a request whose client has gone; its blocks are free at once."""
        if self._requests.pop(request.id, None) is None:
            return
        for queue in (self._inbox, self._unscheduled):
            if request in queue:
                queue.remove(request)
        self.replica.abort(request.id)
        self.counts.finished["abort"] += 1

    async def run(self, lateness: Lateness) -> None:
        """Run for ever."""
        now_ps = 0
        while True:
            if not self.replica.has_work:
                await self._arrival()
                # an idle engine starts a step the moment there is something to do
                now_ps = max(now_ps, self._inbox[0].admitted_ps)
            self._admit(now_ps)
            started_ps = now_ps
            step = self.replica.step()
            now_ps += step.duration_ps
            self._note_scheduled(step, started_ps)
            await self._clock.sleep_until(now_ps)
            self._write(step, now_ps)
            lateness.record(self._clock.wall_s(now_ps))

    async def _arrival(self) -> None:
        while not self._inbox:
            self._arrived.clear()
            await self._arrived.wait()

    def _admit(self, now_ps: int) -> None:
        while self._inbox and self._inbox[0].admitted_ps <= now_ps:
            request = self._inbox.popleft()
            self._unscheduled.append(request)
            self.replica.add(
                request.id,
                request.reply.prompt_tokens,
                request.reply.output_tokens,
                request.prefix_blocks,
                self._block_tokens,
            )

    def _note_scheduled(self, step: LiveStep, started_ps: int) -> None:
        """What is settled when a step starts: who left the queue, who lost its place."""
        # the queue is first come first served, and who waits anew after a preemption stands in front
        while len(self._unscheduled) > self.replica.waiting:
            self.counts.queue.observe(started_ps - self._unscheduled.popleft().admitted_ps)
        for request_id, cached_tokens in step.cached.items():
            self._requests[request_id].cached_tokens = cached_tokens
        for request_id in step.broken:
            self._end(self._requests[request_id], "error")

    def _write(self, step: LiveStep, now_ps: int) -> None:
        counts = self.counts
        for request_id in step.tokens:
            request = self._requests.get(request_id)
            if request is None:  # aborted while the step ran
                continue
            request.written_tokens += 1
            if request.written_tokens == 1:
                counts.prompt_tokens += request.reply.prompt_tokens
                counts.ttft.observe(now_ps - request.received_ps)
            else:
                counts.itl.observe(now_ps - request.last_ps)
            request.last_ps = now_ps
            counts.generation_tokens += 1
            if request.stream is not None:
                request.stream.write(request)
        for request_id in step.finished:
            request = self._requests.get(request_id)
            if request is not None:
                counts.e2e.observe(now_ps - request.received_ps)
                self._end(request, request.outcome)

    def _end(self, request: TwinRequest, reason: str) -> None:
        del self._requests[request.id]
        self.counts.finished[reason] += 1
        request.broken = reason == "error"
        request.ended.set()
