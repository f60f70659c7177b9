"""Random levels: engines, plans and step times that meet every event of the simulator."""

import random

from hypothesis import strategies as st

from servemark.domain.deployment import EngineConfig
from servemark.domain.step import DecodeCost
from servemark.domain.workload import ArrivalPlan, PlannedRequest, Rate, Users


class LinearStep:
    """A step time that is affine in everything, with a kink on request; picoseconds."""

    def __init__(self, base=1000, member=10, context=1, prefill=7, pair=1, kink=None, late=0):
        self.base, self.member, self.context = base, member, context
        self.prefill, self.pair = prefill, pair
        self.kink, self.late = kink, late

    def decode(self, decodes):
        kink = None if self.kink is None else self.kink * decodes
        return DecodeCost(self.base + self.member * decodes, self.context, kink, self.late)

    def mixed(self, decodes, context_tokens, prefill_tokens, prefill_pairs, prompts):
        alone = self.base + self.member * decodes + self.context * context_tokens
        return alone + self.prefill * prefill_tokens + self.pair * prefill_pairs + 3 * prompts


def level(seed):
    """Keyword arguments of `play`, from a seed: small pools, so that most levels preempt."""
    draw = random.Random(seed)
    size = draw.choice([1, 2, 4, 16])
    seqs = draw.choice([1, 2, 3, 8, 32])
    policy = draw.choice(["recompute"] * 6 + ["no-evict", "slots", "slots"])
    blocks = draw.randint(12, 12 + 40 * draw.choice([1, 4]))
    engine = EngineConfig(
        max_num_seqs=seqs,
        max_num_batched_tokens=draw.choice([seqs, seqs + 1, 16 + seqs, 64 + seqs, 4096]),
        block_size=size,
        max_model_len=draw.choice([None, None, 60]),
        enable_chunked_prefill=draw.random() < 0.8,
        prefill=draw.choice(["mixed", "mixed", "alone"]),
        scheduler_reserve_full_isl=draw.random() < 0.3,
        new_token_ratio=draw.choice([0.0, 0.0, 0.1, 0.6, 1.0]),
        enable_prefix_caching=draw.random() < 0.6,
        policy=policy,
        shared_context=draw.random() < 0.5,
        context_tokens=draw.choice([None, max(seqs, 8) * 20]) if policy == "slots" else None,
    )
    longest = draw.choice([5, 30, 120])
    hashed, coarse = draw.random() < 0.7, draw.choice([1, 3, 4, 8, 16, 32])
    families = [[draw.randrange(10**6) for _ in range(130)] for _ in range(draw.choice([1, 3, 10]))]
    closed = draw.random() < 0.4
    grid = draw.choice([1, 1000, 5000])
    plan, time = [], 0
    for index in range(draw.randint(1, 60)):
        tokens = draw.randint(1, longest)
        family = draw.choice(families)
        shared = draw.randint(0, -(-tokens // coarse)) if hashed else 0
        own = [10**6 + index * 200 + j for j in range(-(-tokens // coarse) - shared)] if hashed else []
        plan.append(
            PlannedRequest(
                index=index,
                scheduled_s=None if closed else time / 10**12,
                input_tokens=tokens,
                output_tokens=draw.choice([1, 2, draw.randint(1, 40), draw.randint(1, 90)]),
                prefix_blocks=tuple(family[:shared] + own),
                prefix_block_tokens=coarse if hashed else 0,
            )
        )
        time += grid * draw.choice([0, 0, 1, draw.randint(0, 20)])
    think = draw.choice([0, 0, 2e-9])
    load = Users(users=draw.randint(1, 12), think_s=think) if closed else Rate(per_s=1.0)
    kinked = draw.random() < 0.4
    bound = draw.choice([{}, {}, {"duration_s": 2e-7}, {"requests": 20}]) if closed else {}
    return {
        "plan": ArrivalPlan(load=load, seed=seed, requests=tuple(plan)),
        "step_time": LinearStep(
            base=1000,
            member=draw.choice([0, 13]),
            context=draw.choice([0, 1, 5]),
            kink=draw.randint(1, 60) if kinked else None,
            late=draw.choice([0, 1, 9]),
        ),
        "engine": engine,
        "kv_blocks": blocks,
        "request_overhead_s": draw.choice([0.0, 0.0, 1.5e-9]),
        "replicas": draw.choice([1, 1, 2, 3]),
        "router": draw.choice(["round-robin", "least-loaded"]),
        "warmup": draw.choice([0, 2]),
        **bound,
    }


levels = st.integers(min_value=0, max_value=2**48).map(level)
