"""The items of a suite as requests: their order, their codes, their caps."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from msgspec.structs import replace

from servemark.client.chat import prepare_chat
from servemark.client.protocol import Prepared
from servemark.domain.exchange import Item, Suite
from servemark.domain.run import Run
from servemark.domain.workload import ArrivalPlan, FixedLength, PlannedRequest, Rate, Users, Workload
from servemark.load.driver import Extent
from servemark.measurement.answers import CANARY
from servemark.measurement.segments import Segment
from servemark.quality.codes import code_of, with_codes
from servemark.traffic.arrivals import arrival_plan

_FILLING_S = 60.0
"""Arrivals of an open loop that stand ready to keep up the load until the last judged answer has ended."""


def suite_items(suite: Suite) -> tuple[Item, ...]:
    """The items as a run keeps them: each with the cap that is sent."""
    return tuple(replace(item, max_tokens=item.max_tokens or suite.max_tokens) for item in suite.items)


def suite_workload(suite: Suite) -> Workload:
    """Lengths as far as they are known before the server counts: the mean of the caps, and of the words asked."""
    items = suite_items(suite)
    words = [sum(len(message.content.split()) for message in item.messages) for item in items]
    return Workload(
        input=FixedLength(tokens=max(1, round(sum(words) / len(words)))),
        output=FixedLength(tokens=max(1, round(sum(item.max_tokens or 0 for item in items) / len(items)))),
        suite=suite.key,
    )


def canary_of(run: Run, suite: Suite) -> str:
    """The code of every system prompt of a run; empty where the suite wants none."""
    started = run.provenance.started
    return code_of(run.provenance.seed, started, CANARY) if suite.canary else ""


def segment_plan(
    segment: Segment, items: tuple[Item, ...], *, seed: int, warmup: int | None
) -> tuple[ArrivalPlan, Extent]:
    """The requests of one segment: warm-up, its items, and what fills up until the last of these has ended.

    The warm-up asks items of other blocks where there are any, so that no judged one finds its prompt in the
    prefix cache on account of it. It is one request per user; in an open loop one second of arrivals.

    Raises:
        InputError: impossible quantities.
    """
    load = segment.load
    if warmup is None:
        warmup = load.users if isinstance(load, Users) else 1
        warmup = math.ceil(load.per_s) if isinstance(load, Rate) else warmup
    own = set(segment.items)
    others = [position for position in range(len(items)) if position not in own] or list(segment.items)
    asked = [others[i % len(others)] for i in range(warmup)] + list(segment.items)
    if isinstance(load, Rate):
        asked += [others[i % len(others)] for i in range(math.ceil(_FILLING_S * load.per_s))]
    times: list[float | None] = [None] * len(asked)
    if isinstance(load, Rate):
        timed = arrival_plan(load, Workload(), seed=seed + segment.block, requests=len(asked))
        times = [request.scheduled_s for request in timed.requests]
    requests = tuple(
        PlannedRequest(
            index=index,
            scheduled_s=times[index],
            input_tokens=0,
            output_tokens=items[position].max_tokens or 1,
            natural_stop=True,
            messages=items[position].messages,
            item=items[position].id,
        )
        for index, position in enumerate(asked)
    )
    plan = ArrivalPlan(load=load, seed=seed, requests=requests)
    return plan, Extent(warmup=warmup, requests=len(segment.items), keep_up=True)


class Questions:
    """Prepares the requests of an experiment. `at` says where the next ones belong."""

    def __init__(self, run: Run, suite: Suite, extra_body: Mapping[str, Any] | None) -> None:
        self._model = run.endpoint.model if run.endpoint else ""
        self._seed, self._started = run.provenance.seed, run.provenance.started
        self._canary, self._wants_nonce = canary_of(run, suite), suite.nonce
        self._extra_body = extra_body
        self._rows = self._first = 0

    def at(self, rows: int, first: int) -> None:
        """The next requests are rows of that level, counted on from `first`."""
        self._rows, self._first = rows, first

    def prepare(self, request: PlannedRequest) -> Prepared:
        """Encode one request, its codes in its prompt."""
        nonce = ""
        if self._wants_nonce:
            nonce = code_of(self._seed, self._started, "nonce", self._rows, self._first + request.index)
        messages = with_codes(request.messages, nonce=nonce, canary=self._canary)
        prepared = prepare_chat(
            request, messages, model=self._model, seed=self._seed, extra_body=self._extra_body
        )
        return replace(prepared, nonce=nonce)
