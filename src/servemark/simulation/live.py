"""One replica that a twin advances step by step, with requests that come and go as they please."""

from __future__ import annotations

from collections.abc import Sequence as Sequenced
from typing import NamedTuple

from servemark.domain.deployment import EngineConfig
from servemark.domain.step import StepTime
from servemark.errors import InputError
from servemark.simulation.prefixes import prefix_of
from servemark.simulation.scheduler import Scheduler
from servemark.simulation.sequence import Sequence


class LiveStep(NamedTuple):
    """What one engine step did. The tokens are out `duration_ps` after its start."""

    duration_ps: int
    tokens: tuple[str, ...]
    """Requests that got one token, oldest first."""
    finished: tuple[str, ...]
    """Requests that got their last (with llama.cpp's slots perhaps fewer than they asked for)."""
    preempted: tuple[str, ...]
    """Requests that lost their blocks at the start of the step and are waiting again."""
    cached: dict[str, int]
    """Requests with their first token in this step -> prompt tokens found in the prefix cache."""
    broken: tuple[str, ...] = ()
    """Requests that broke at the start of the step (llama.cpp's shared context ran out)."""


class LiveReplica:
    """A replica between steps. The same scheduler as in the event loop, stepping singly.

    Args:
        step_time: how long a step takes.
        engine: engine settings.
        kv_blocks: blocks of the KV pool.

    Raises:
        InputError: a setting is out of range (see `policies.policy_of`).
    """

    def __init__(self, step_time: StepTime, engine: EngineConfig, kv_blocks: int) -> None:
        self._step_time = step_time
        self._scheduler: Scheduler[_Request] = Scheduler(engine, kv_blocks)
        self._requests: dict[str, _Request] = {}
        self._preemptions = 0

    def add(
        self,
        request_id: str,
        input_tokens: int,
        output_tokens: int,
        prefix_blocks: Sequenced[int] = (),
        prefix_block_tokens: int = 0,
    ) -> None:
        """Queue a request; the next step may admit it.

        Args:
            request_id: its name in every `LiveStep`; free again once it has ended.
            input_tokens: prompt length, at least 1.
            output_tokens: tokens it will generate, at least 1.
            prefix_blocks: hashes of its leading prompt blocks (see `PlannedRequest`).
            prefix_block_tokens: tokens that each of these covers.

        Raises:
            InputError: it can never fit, has no tokens, or the name is taken.
        """
        policy = self._scheduler.policy
        if request_id in self._requests:
            raise InputError("request_id", expected="a name not in flight", found=request_id)
        if refusal := policy.refusal(input_tokens, output_tokens):
            raise InputError("request", expected="a request that fits", found=refusal)
        request = _Request(
            request_id=request_id,
            input_tokens=input_tokens,
            output_tokens=policy.granted(input_tokens, output_tokens),
        )
        if policy.caches and prefix_blocks:
            request.prefix = prefix_of(prefix_blocks, prefix_block_tokens, policy.block_size, input_tokens)
        self._requests[request_id] = request
        self._scheduler.waiting.append(request)

    def abort(self, request_id: str) -> None:
        """Forget a request; one that is unknown or has ended is ignored."""
        request = self._requests.pop(request_id, None)
        if request is not None:
            self._scheduler.drop(request)

    def step(self) -> LiveStep:
        """One engine step (or, without work, a step of no duration that does nothing)."""
        scheduler = self._scheduler
        prompts = scheduler.schedule()
        for request in scheduler.broken:
            del self._requests[request.request_id]
        self._preemptions += len(scheduler.preempted)
        duration_ps = scheduler.duration_ps(self._step_time, prompts)
        members = list(scheduler.batch.members.values())
        if prompts:
            complete, done = scheduler.prefilled(prompts)
            tokens = complete if scheduler.alone else [*members, *complete]
        else:
            complete, done = [], scheduler.decoded(1)
            tokens = members
        for request in done:
            del self._requests[request.request_id]
        return LiveStep(
            duration_ps=duration_ps,
            tokens=tuple(request.request_id for request in tokens),
            finished=tuple(request.request_id for request in done),
            preempted=tuple(request.request_id for request in scheduler.preempted),
            cached={r.request_id: r.cached for r in complete if r.generated == 1},
            broken=tuple(request.request_id for request in scheduler.broken),
        )

    @property
    def has_work(self) -> bool:
        """Whether any request is in flight."""
        return bool(self._requests)

    @property
    def running(self) -> int:
        """Requests that hold blocks."""
        return self._scheduler.running

    @property
    def waiting(self) -> int:
        """Requests in the queue."""
        return len(self._scheduler.waiting)

    @property
    def kv_used_ratio(self) -> float:
        """Share of the KV blocks that are taken."""
        pool = self._scheduler.pool
        return (pool.total - pool.free) / pool.total

    @property
    def preemptions(self) -> int:
        """So far."""
        return self._preemptions

    @property
    def prefix_queries(self) -> int:
        """Prompt tokens looked up in the prefix cache so far."""
        return self._scheduler.prefix_queries

    @property
    def prefix_hits(self) -> int:
        """Prompt tokens found there so far."""
        return self._scheduler.prefix_hits


class _Request(Sequence, eq=False, kw_only=True):
    """A sequence with a name."""

    request_id: str
