"""Speculative decoding: k tokens drafted cheaply, verified in one step of the model.

With a chance a that a drafted token is accepted (given that those before it were) a step brings every sequence
E = (1 - a^(k+1)) / (1 - a) tokens on average. It costs one pass of the model over k + 1 tokens of each sequence,
which reads weights and cache once, and k passes of the draft one after the other. Few sequences leave the
model's compute idle, so verifying is nearly free and speculation wins; many keep it busy, and it loses.

The tokens of a step come together; here and in the simulator they come evenly, one every E-th part of a step: means
of gaps, latencies and throughput hold, the burstiness of single gaps is not shown.

Source: Leviathan, Kalman and Matias 2023, arXiv 2211.17192.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from servemark.domain.coefficients import Coefficients
from servemark.domain.deployment import Deployment, Speculation
from servemark.domain.step import DecodeCost, StepTime
from servemark.physics.drafts import draft_deployment
from servemark.physics.step import (
    ReplicaStepTime,
    StepCost,
    coefficient_values,
    step_cost,
    step_seconds,
)
from servemark.physics.work import Values, step_work
from servemark.units import PS_PER_S


class Speculated(NamedTuple):
    """The cost of a deployment that speculates."""

    cost: StepCost
    """Of the model."""
    verify: StepCost
    """Of verifying, each drafted token counted as a sequence: k + 1 queries share one read of the cache."""
    draft: StepCost | None
    drafted_tokens: int
    tokens_per_step: float


Pace = StepCost | Speculated
"""What `pace_seconds` multiplies out."""


def deployment_pace(deployment: Deployment, coefficients: Coefficients) -> Pace:
    """What steps of a deployment cost, speculation included."""
    work, values = step_work(deployment), coefficient_values(coefficients)
    speculation = deployment.engine.speculative
    if speculation is None:
        return step_cost(work, values)
    queries = speculation.tokens + 1
    shared = work._replace(
        full_kv_flop=work.full_kv_flop * queries,
        window_kv_flop=work.window_kv_flop * queries,
        window_tokens=work.window_tokens / queries,
    )
    drafting = draft_deployment(deployment)
    draft = None
    if drafting is not None:
        # the passes of the draft follow each other without the host
        draft = step_cost(step_work(drafting), values._replace(step_overhead_s=0.0))
    return Speculated(
        cost=step_cost(work, values),
        verify=step_cost(shared, values),
        draft=draft,
        drafted_tokens=speculation.tokens,
        tokens_per_step=speculation.tokens_per_step,
    )


def pace_seconds(
    pace: Pace,
    decodes: Values,
    context_tokens: Values,
    prefill_tokens: Values = 0.0,
    prefill_pairs: Values = 0.0,
    prompts: Values = 0.0,
) -> Values:
    """Duration of one step, arguments as in `step_seconds`; with speculation, until every decoding sequence
    has one token more.
    """
    if isinstance(pace, StepCost):
        return step_seconds(pace, decodes, context_tokens, prefill_tokens, prefill_pairs, prompts)
    verified = decodes * (pace.drafted_tokens + 1)
    verify = step_seconds(pace.verify, verified, context_tokens)
    batch = (verified, context_tokens)
    prompt = step_seconds(pace.cost, *batch, prefill_tokens, prefill_pairs, prompts)
    prompt = prompt - step_seconds(pace.cost, *batch)
    drafted: Values = 0.0
    if pace.draft is not None:
        drafted = pace.drafted_tokens * step_seconds(pace.draft, decodes, context_tokens)
        own = step_seconds(pace.draft, 0.0, 0.0, prefill_tokens, prefill_pairs, prompts)
        prompt = prompt + own * np.minimum(prefill_tokens, 1)
    saved = verify - (verify + drafted) / pace.tokens_per_step
    return prompt + verify - saved * np.minimum(decodes, 1)


ACCEPTANCE_ERROR = 0.1
"""How far the chance of acceptance that one assumes may be off: an assumption, no fit. It varies with the text;
vLLM logs it as the first of its per-position acceptance rates."""


def acceptance_log_error(speculation: Speculation) -> float:
    """Standard error of the logarithm of the tokens per step, from that of the chance of acceptance."""
    a, k = speculation.acceptance_ratio, speculation.tokens
    slope = sum(i * a ** (i - 1) for i in range(1, k + 1))
    return ACCEPTANCE_ERROR * slope / speculation.tokens_per_step


class SpeculativeStepTime:
    """The step time of a speculating replica in integer picoseconds: one token of every sequence a step."""

    def __init__(self, pace: Speculated) -> None:
        self._pace = pace
        self._window = float(pace.cost.window_tokens)
        self._decodes: dict[int, DecodeCost] = {}

    def decode(self, decodes: int) -> DecodeCost:
        """See `servemark.domain.step.StepTime`."""
        known = self._decodes.get(decodes)
        if known is None:
            known = self._decodes[decodes] = self._decode(decodes)
        return known

    def _decode(self, decodes: int) -> DecodeCost:
        kink = round(decodes * self._window)
        reach = kink or decodes * 4096
        base, near, far = (_picoseconds(self._pace, decodes, n) for n in (0, reach, 2 * reach))
        slope, late = round((near - base) / reach), round((far - near) / reach)
        return DecodeCost(base, slope, kink, late) if kink else DecodeCost(base, slope)

    def mixed(
        self, decodes: int, context_tokens: int, prefill_tokens: int, prefill_pairs: int, prompts: int
    ) -> int:
        """See `servemark.domain.step.StepTime`."""
        return _picoseconds(self._pace, decodes, context_tokens, prefill_tokens, prefill_pairs, prompts)


def step_time(deployment: Deployment, coefficients: Coefficients) -> StepTime:
    """The step time of one replica of `deployment` for the simulator, speculation included."""
    pace = deployment_pace(deployment, coefficients)
    if isinstance(pace, StepCost):
        return ReplicaStepTime(pace, deployment.engine.captured_sizes)
    return SpeculativeStepTime(pace)


def _picoseconds(pace: Pace, *batch: float) -> int:
    return round(float(pace_seconds(pace, *batch)) * PS_PER_S)
