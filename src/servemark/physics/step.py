"""How long one engine step takes.

A step computes one token for each of D decoding sequences and P prompt tokens. Its time is a sum:

    linear layers   smooth roofline (m^4 + c^4)^(1/4) of reading the weights (m) and computing (c)
    decode reads    KV bytes of the context / bandwidth, and the attention's FLOPs
    prompt scores   attention FLOPs of every (prompt token, attended token) pair
    communication   two all-reduces per layer over the link of the tensor-parallel group; pipeline hops
    overheads       per layer, token and layer of experts on the GPU; per step, sequence and prompt on the host

Each figure of the data sheet is multiplied by a fitted efficiency (`Coefficients`). Decode attention is a
sum because kernels for grouped queries read each key once but compute with it for every query head, which
older ones do outside the tensor cores. A mixture of experts reads the experts touched by T tokens,
E (1 - (1 - k/E)^(T^s)) of E, with s below 1 because routing is not even; with expert parallelism the busiest
rank sets the time, sqrt(2 ln ranks) standard deviations above the mean. With data-parallel attention
each rank handles its share of the sequences. Where clocks fall at the power limit, long steps compute slower.

Up to `pipeline` micro-batches are in flight at once, prompts among decodes and long prompts in parts; with
fewer sequences the batch passes the stages one by one, while the host works for every micro-batch. Where the
GPU has no unit for a dtype, only the bytes shrink and the maths runs in 16 bits.

Sources: roofline, Williams, Waterman and Patterson 2009, smoothed as a p-norm; terms as in GenZ,
arXiv 2406.01698; experts touched: balls into bins; maximum of n normals: Gumbel's bound.

`StepWork` is what a deployment has to move and compute, `step_cost` divides it by what its hardware
achieves, and `step_seconds` adds that up for a batch. Fields and arguments may be numbers or arrays.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from servemark.domain.coefficients import Coefficients
from servemark.domain.step import DecodeCost
from servemark.physics.work import StepWork, Values
from servemark.units import PS_PER_S

ROUTING_SPREAD = 0.8
"""T tokens of a batch touch as many experts as T^0.8 independent ones would: some experts are popular, and
tokens of one text want the same ones. With 0.8 the errors of seven measured groups (gpt-oss 120B, Kimi K2.5,
Qwen3 235B, Qwen3.5, Mixtral; three engines) are 3 to 45 % smaller than with 1."""
LONG_STEP_TOKENS = 2048.0
"""Half of the power drop is reached in a step of so many tokens."""


class CoefficientValues(NamedTuple):
    """The values of `Coefficients` that a step depends on; numbers or arrays."""

    compute_efficiency: Values
    memory_efficiency: Values
    kv_efficiency: Values
    attention_efficiency: Values
    link_efficiency: Values
    collective_latency_s: Values
    layer_overhead_s: Values
    token_overhead_s: Values
    sequence_overhead_s: Values
    step_overhead_s: Values
    expert_efficiency: Values
    expert_overhead_s: Values
    decode_attention_efficiency: Values
    prompt_overhead_s: Values
    power_drop: Values
    time_ratio: Values


def coefficient_values(coefficients: Coefficients) -> CoefficientValues:
    """The bare values."""
    return CoefficientValues(*(getattr(coefficients, f).value for f in CoefficientValues._fields))


class StepCost(NamedTuple):
    """Seconds per unit of batch; what `step_seconds` multiplies out."""

    read_s: Values
    """Reading the weights that every step reads."""
    expert_read_s: Values
    """Reading all routed experts."""
    token_s: Values
    """Computing one token outside the routed experts."""
    expert_token_s: Values
    head_s: Values
    """Computing one sampled token's logits."""
    missed_ratio: Values
    """Chance that one token misses a given expert: 1 - k/E."""
    touched_spread: Values
    """Busiest rank's excess of experts touched, in units of sqrt(p (1 - p)); 0 for one rank."""
    routed_spread: Values
    """Busiest rank's excess of tokens, in units of sqrt(tokens)."""
    full_context_s: Values
    window_context_s: Values
    window_tokens: Values
    full_pair_s: Values
    window_pair_s: Values
    both_ways: Values
    overhead_s: Values
    """Per step."""
    overhead_token_s: Values
    overhead_sequence_s: Values
    overhead_prompt_s: Values
    overhead_batch_s: Values
    """Per micro-batch, on the host."""
    power_drop: Values
    pipeline: Values
    microbatch_tokens: Values


def step_cost(work: StepWork, values: CoefficientValues) -> StepCost:
    """What the work takes on its hardware at these efficiencies."""
    w, v = work, values
    bandwidth = w.bandwidth_bytes_per_s * v.memory_efficiency
    kv_bandwidth = w.bandwidth_bytes_per_s * v.kv_efficiency
    compute = w.flop_per_s * v.compute_efficiency
    unquantized = w.unquantized_flop_per_s * v.compute_efficiency
    attention = w.unquantized_flop_per_s * v.attention_efficiency
    decode_attention = w.unquantized_flop_per_s * v.decode_attention_efficiency
    link = w.link_bytes_per_s * v.link_efficiency
    deviations = (2 * np.log(w.expert_ranks)) ** 0.5
    scale = v.time_ratio
    return StepCost(
        read_s=scale * w.layer_bytes / bandwidth,
        expert_read_s=scale * w.expert_bytes / bandwidth,
        token_s=scale * w.layer_flop / compute,
        expert_token_s=scale * w.expert_flop / (compute * v.expert_efficiency),
        head_s=scale * w.head_flop / unquantized,
        missed_ratio=1 - w.experts_per_token / w.experts,
        touched_spread=deviations * (w.expert_ranks / w.experts) ** 0.5,
        routed_spread=deviations * (w.expert_ranks / w.experts_per_token) ** 0.5,
        full_context_s=scale * (w.full_kv_bytes / kv_bandwidth + w.full_kv_flop / decode_attention),
        window_context_s=scale * (w.window_kv_bytes / kv_bandwidth + w.window_kv_flop / decode_attention),
        window_tokens=w.window_tokens,
        full_pair_s=scale * w.full_pair_flop / attention,
        window_pair_s=scale * w.window_pair_flop / attention,
        both_ways=w.both_ways,
        overhead_s=scale
        * (
            w.layers * v.layer_overhead_s
            + w.expert_layers * v.expert_overhead_s
            + w.all_reduce_rounds * v.collective_latency_s
        ),
        overhead_token_s=scale * (v.token_overhead_s / w.data + w.all_reduce_bytes / link),
        overhead_sequence_s=scale * (v.sequence_overhead_s / w.data + 2 * w.state_bytes / kv_bandwidth),
        overhead_prompt_s=scale * v.prompt_overhead_s / w.data,
        overhead_batch_s=scale * v.step_overhead_s,
        power_drop=v.power_drop,
        pipeline=w.pipeline,
        microbatch_tokens=w.microbatch_tokens,
    )


def step_seconds(
    cost: StepCost,
    decodes: Values,
    context_tokens: Values,
    prefill_tokens: Values = 0.0,
    prefill_pairs: Values = 0.0,
    prompts: Values = 0.0,
) -> Values:
    """Duration of one step; all arguments broadcast.

    Args:
        cost: of the deployment, from `step_cost`.
        decodes: sequences that decode one token each.
        context_tokens: sum of their cached tokens.
        prefill_tokens: prompt tokens computed in this step.
        prefill_pairs: sum over these of the tokens each attends to, itself included.
        prompts: prompts that the step computes a part of.
    """
    (
        read, expert_read, token, expert_token, head, missed, touched_spread, routed_spread,
        full_context, window_context, window, full_pair, window_pair, both_ways,
        overhead, overhead_token, overhead_sequence, overhead_prompt, overhead_batch,
        power_drop, pipeline, microbatch,
    ) = cost  # fmt: skip
    # micro-batches: each carries its share of the decodes and of the prompts
    decode_batches = _minimum(pipeline, _maximum(decodes, 1))
    sequences = _maximum(prompts + decodes, 1)
    prompt_batches = _minimum(pipeline, _maximum(sequences, prefill_tokens / microbatch))
    decodes_at_once = decodes / decode_batches
    tokens = decodes_at_once + prefill_tokens / prompt_batches

    untouched = missed ** (tokens**ROUTING_SPREAD)
    touched = 1 - untouched + touched_spread * ((1 - untouched) * untouched) ** 0.5
    memory = read + expert_read * _minimum(touched, 1)
    routed = tokens + routed_spread * tokens**0.5
    sampled = decodes_at_once + prompts / prompt_batches
    compute = token * tokens + expert_token * routed + head * sampled
    compute = compute * (1 + power_drop * tokens / (tokens + LONG_STEP_TOKENS))
    linear = _smooth_maximum(memory, compute)

    context = (
        full_context * context_tokens + window_context * _minimum(context_tokens, decodes * window)
    ) / decode_batches
    pairs = prefill_pairs + both_ways * (prefill_pairs - prefill_tokens)
    scores = (full_pair * pairs + window_pair * _minimum(pairs, prefill_tokens * window)) / prompt_batches
    return (
        linear + context + scores
        + overhead + overhead_token * tokens
        + overhead_batch * _maximum(decode_batches, prompt_batches)
        + overhead_sequence * (decodes + prompts) + overhead_prompt * prompts
    )  # fmt: skip


class ReplicaStepTime:
    """The step time of one replica in integer picoseconds; see `servemark.domain.step.StepTime`."""

    def __init__(self, cost: StepCost, captured_sizes: tuple[int, ...] = ()) -> None:
        """`cost` holds plain numbers here; `captured_sizes` are the batches of captured CUDA graphs, rising."""
        self.cost = StepCost(*(float(x) for x in cost))
        self._captured = captured_sizes
        self._decodes: dict[int, DecodeCost] = {}

    def decode(self, decodes: int) -> DecodeCost:
        """Cost of a step that decodes one token for each of `decodes` (>= 1) sequences."""
        known = self._decodes.get(decodes)
        if known is None:
            known = self._decodes[decodes] = self._decode(decodes)
        return known

    def _decode(self, decodes: int) -> DecodeCost:
        cost = self.cost
        batches = min(float(cost.pipeline), decodes)
        late = _picoseconds(cost.full_context_s / batches)
        slope = _picoseconds((cost.full_context_s + cost.window_context_s) / batches)
        # a captured graph runs at its own batch size: the places beyond the batch compute, but hold no sequence
        padded = next((size for size in self._captured if size >= decodes), decodes)
        empty = cost.overhead_sequence_s * (padded - decodes) / batches
        base = _picoseconds(step_seconds(cost, padded, 0) - empty)
        if slope == late:
            return DecodeCost(base, slope)
        return DecodeCost(base, slope, round(decodes * float(cost.window_tokens)), late)

    def mixed(
        self, decodes: int, context_tokens: int, prefill_tokens: int, prefill_pairs: int,
        prompts: int,
    ) -> int:  # fmt: skip
        """Duration in picoseconds of a step with a prefill part."""
        return _picoseconds(
            step_seconds(self.cost, decodes, context_tokens, prefill_tokens, prefill_pairs, prompts)
        )


def _picoseconds(seconds: Values) -> int:
    return round(float(seconds) * PS_PER_S)


def _smooth_maximum(a: Values, b: Values) -> Values:
    """(a^4 + b^4)^(1/4): close to the larger of the two, 19 % above it where they are equal."""
    a, b = a * a, b * b
    return (a * a + b * b) ** 0.25


# plain arithmetic, so that floats stay floats: numpy's own functions cost microseconds on a scalar
def _minimum(a: Values, b: Values) -> Values:
    return 0.5 * (a + b - abs(a - b))


def _maximum(a: Values, b: Values) -> Values:
    return 0.5 * (a + b + abs(a - b))
