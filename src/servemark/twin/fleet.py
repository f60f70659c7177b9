"""The replicas of one twin behind their router, and the plan of each answer."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Sequence

import numpy as np

from servemark.simulation.live import LiveReplica
from servemark.traffic.lengths import sample_tokens
from servemark.twin.chunks import FinishReason, Form, request_id
from servemark.twin.clock import Lateness, SimulatedClock
from servemark.twin.pacing import PacedReplica, TwinRequest
from servemark.twin.payloads import Asked
from servemark.twin.refusals import refusal
from servemark.twin.settings import TwinSettings
from servemark.twin.tokens import answer_words, prefix_hashes
from servemark.units import PS_PER_S

DEFAULT_OUTPUT_TOKENS = 128


class Fleet:
    """All replicas, on one simulated clock."""

    def __init__(self, settings: TwinSettings, replicas: Sequence[LiveReplica]) -> None:
        engine = settings.deployment.engine
        self.settings = settings
        self.clock = SimulatedClock(settings.time_factor)
        self.lateness = Lateness()
        self.replicas = tuple(
            PacedReplica(replica, engine.max_num_seqs, engine.block_size, self.clock)
            for replica in replicas
        )
        self._overhead_ps = round(settings.coefficients.request_overhead_s.value * PS_PER_S)
        self._turns = itertools.cycle(self.replicas)

    async def run(self) -> None:
        """Run every replica until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for replica in self.replicas:
                tasks.create_task(replica.run(self.lateness))

    def route(self) -> PacedReplica:
        """The replica for the next request; raises the refusal when too many wait there."""
        if self.settings.deployment.router == "least-loaded":
            replica = min(self.replicas, key=lambda each: each.in_flight)
        else:
            replica = next(self._turns)
        limit = self.settings.max_waiting
        if limit is not None and replica.overhang >= limit:
            replica.counts.rejections += 1
            raise refusal(
                self.settings.overload_status, f"Too many requests: {replica.waiting} are waiting already."
            )
        return replica

    def request(self, asked: Asked, form: Form, number: int, received_ps: int) -> TwinRequest:
        """What will be answered, decided in full; raises a 400 when it cannot be."""
        settings = self.settings
        output_tokens, reason = self._output(asked, number)
        if asked.stops:
            text = " ".join(itertools.islice(answer_words(settings.seed, number), output_tokens))
            if any(stop and stop in text for stop in asked.stops):
                raise refusal(400, "The twin cannot end an answer at that `stop` string.", "stop")
        engine = settings.deployment.engine
        caching = engine.enable_prefix_caching
        return TwinRequest(
            id=request_id(form, number),
            input_tokens=len(asked.tokens),
            output_tokens=output_tokens,
            prefix_blocks=prefix_hashes(asked.tokens, engine.block_size) if caching else (),
            reason=reason,
            words=answer_words(settings.seed, number),
            received_ps=received_ps,
            admitted_ps=received_ps + self._overhead_ps,
            ended=asyncio.Event(),
        )

    def _output(self, asked: Asked, number: int) -> tuple[int, FinishReason]:
        """How long the answer gets, and why it ends there."""
        room = self._room(asked)
        limit = room if asked.max_tokens is None else asked.max_tokens
        length = self.settings.output
        if asked.ignore_eos or (length is None and asked.max_tokens is not None):
            return limit, "length"
        if length is None:
            drawn = DEFAULT_OUTPUT_TOKENS
        else:
            rng = np.random.default_rng((self.settings.seed, number))
            drawn = int(sample_tokens(length, rng, 1)[0])
        drawn = max(drawn, asked.min_tokens)
        return (drawn, "stop") if drawn <= limit else (limit, "length")

    def _room(self, asked: Asked) -> int:
        """Tokens that the context leaves for the answer; raises a 400 when they are too few."""
        context, prompt = self.settings.context_tokens, len(asked.tokens)
        room = context - prompt
        if room < 1:
            raise refusal(
                400,
                f"This model's maximum context length is {context} tokens, but the prompt has {prompt}.",
                "input_tokens",
            )
        if asked.max_tokens is not None and asked.max_tokens > room:
            raise refusal(
                400,
                f"`max_tokens` is too large: {asked.max_tokens}. The context of {context} tokens leaves "
                f"{room} after a prompt of {prompt}.",
                "max_tokens",
            )
        return room
