"""The replicas of one twin behind their router, and the plan of each answer."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Sequence

from servemark.simulation.live import LiveReplica
from servemark.simulation.policies import policy_of
from servemark.twins.chunks import Form, request_id
from servemark.twins.clock import Lateness, SimulatedClock
from servemark.twins.pacing import PacedReplica, TwinRequest
from servemark.twins.payloads import Asked
from servemark.twins.refusals import refusal
from servemark.twins.replies import Arrival, Replies
from servemark.twins.settings import TwinSettings
from servemark.twins.tokens import prefix_hashes
from servemark.units import PS_PER_S


class Fleet:
    """All replicas, on one simulated clock."""

    def __init__(self, settings: TwinSettings, replicas: Sequence[LiveReplica]) -> None:
        engine = settings.deployment.engine
        self.settings = settings
        self.clock = SimulatedClock(settings.time_factor)
        self.lateness = Lateness()
        self.replies = Replies(settings)
        self.replicas = tuple(
            PacedReplica(replica, engine.max_num_seqs, engine.block_size, self.clock)
            for replica in replicas
        )
        policy = policy_of(engine, settings.kv_blocks)
        self._cuts = policy.cuts
        self.context_tokens, self._because = min(
            (settings.deployment.model.max_context_tokens, "the model's context"),
            (policy.most_tokens, policy.because),
        )
        """Most tokens that prompt and answer may have together, and what sets that."""
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

    def request(
        self, asked: Asked, limit: int, form: Form, number: int, received_ps: int, in_flight: int
    ) -> TwinRequest:
        """What will be answered, decided in full; raises a 400 when it cannot be."""
        at = Arrival(number, request_id(form, number), in_flight, received_ps / PS_PER_S)
        reply = self.replies.reply(asked, limit, at)
        if asked.stops:
            text = reply.text()
            if any(stop and stop in text for stop in asked.stops):
                raise refusal(400, "The twin cannot end an answer at that `stop` string.", "stop")
            reply.say(text)
        engine = self.settings.deployment.engine
        tokens = asked.tokens[len(asked.tokens) - reply.prompt_tokens :]
        return TwinRequest(
            id=at.id,
            number=number,
            reply=reply,
            prefix_blocks=prefix_hashes(tokens, engine.block_size) if engine.enable_prefix_caching else (),
            received_ps=received_ps,
            admitted_ps=received_ps + self._overhead_ps,
            ended=asyncio.Event(),
        )

    def limit(self, asked: Asked) -> int:
        """Most tokens the answer may get; raises a 400 when prompt or `max_tokens` are too long."""
        prompt, wanted = len(asked.tokens), asked.max_tokens
        room = self.context_tokens - prompt
        if room < 1:
            raise refusal(
                400,
                f"The prompt has {prompt} tokens; prompt and answer may have {self.context_tokens} "
                f"({self._because}).",
                "input_tokens",
            )
        if wanted is None or (wanted > room and self._cuts):
            return room
        if wanted > room:
            raise refusal(
                400,
                f"`max_tokens` is too large: {wanted}. A prompt of {prompt} tokens leaves {room} of "
                f"{self.context_tokens} ({self._because}).",
                "max_tokens",
            )
        return wanted
