"""With one slot, one output token and a step as long as its prompt, the engine is a queue with one server."""

import numpy as np
import pytest

from servemark.domain.deployment import EngineConfig
from servemark.domain.step import DecodeCost
from servemark.domain.workload import ArrivalPlan, PlannedRequest, Rate
from servemark.simulation.replicas import play

MEAN_TOKENS = 1_000_000
MEAN_S = 1.0
REQUESTS = {0.5: 30_000, 0.8: 60_000, 0.9: 120_000}
BATCHES = 30


class Proportional:
    """One microsecond a prompt token."""

    def decode(self, decodes):
        return DecodeCost(1, 0)

    def mixed(self, decodes, context_tokens, prefill_tokens, prefill_pairs, prompts):
        return prefill_tokens * 10**6


def waiting_times_s(load, prompts, seed):
    rng = np.random.default_rng(seed)
    arrivals = np.cumsum(rng.exponential(MEAN_S / load, len(prompts))).tolist()
    plan = ArrivalPlan(
        load=Rate(per_s=load),
        seed=seed,
        requests=tuple(
            PlannedRequest(index=i, scheduled_s=at, input_tokens=tokens, output_tokens=1)
            for i, (at, tokens) in enumerate(zip(arrivals, prompts, strict=True))
        ),
    )
    engine = EngineConfig(max_num_seqs=1, max_num_batched_tokens=10**9)
    played = play(plan, step_time=Proportional(), engine=engine, kv_blocks=10**8)
    ttft_s = np.array([r.first_token_s - r.sent_s for r in played.requests])
    return ttft_s - np.array(prompts) * 1e-6


def assert_mean(waits_s, expected_s):
    """Within three standard errors, by batch means; the first batch is warm-up."""
    batches = waits_s.reshape(BATCHES, -1).mean(axis=1)[1:]
    error_s = batches.std(ddof=1) / np.sqrt(len(batches))
    assert error_s < 0.12 * expected_s
    assert abs(batches.mean() - expected_s) < 3 * error_s


@pytest.mark.parametrize("load", REQUESTS)
def test_exponential_prompts_give_an_mm1_queue(load):
    rng = np.random.default_rng(1)
    prompts = np.maximum(1, rng.exponential(MEAN_TOKENS, REQUESTS[load]).round()).astype(int).tolist()
    assert_mean(waiting_times_s(load, prompts, 2), load / (1 - load) * MEAN_S)


@pytest.mark.parametrize("load", REQUESTS)
def test_constant_prompts_give_an_md1_queue(load):
    waits_s = waiting_times_s(load, [MEAN_TOKENS] * REQUESTS[load], 3)
    assert_mean(waits_s, load / (2 * (1 - load)) * MEAN_S)
