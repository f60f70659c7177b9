"""How fast the simulator is: requests per CPU second on the Azure conversation trace over two replicas.

    python benchmarks/simulator.py

With SERVEMARK_TRACES set to a folder that holds azure-2023-conversation.csv the recorded trace is played,
else one generated from its published statistics. The bars: 100,000 requests per CPU second as recorded and
with arrivals compressed eight times, preemption included, and 20,000 with the prefix cache on.
"""

import datetime
import itertools
import os
import platform
import random
import time
from pathlib import Path

from msgspec.structs import replace

import servemark
from servemark.domain.deployment import EngineConfig
from servemark.domain.step import DecodeCost
from servemark.domain.workload import ArrivalPlan, PlannedRequest, Replay
from servemark.simulation.replicas import play
from servemark.traffic.traces import read_trace

RUNS = 5
ENGINE = EngineConfig(max_num_seqs=256, max_num_batched_tokens=8192, block_size=16)
L40S_BLOCKS = 12_000
"""Llama 3.1 8B in BF16 on one L40S: about 192,000 tokens."""


class AffineStep:
    """Integer picoseconds of about the size of Llama 3.1 8B on one L40S."""

    def decode(self, decodes):
        return DecodeCost(19_000_000_000 + 20_000_000 * decodes, 150_000)

    def mixed(self, decodes, context_tokens, prefill_tokens, prefill_pairs, prompts):
        alone = 19_000_000_000 + 20_000_000 * decodes + 150_000 * context_tokens
        return alone + 50_000_000 * prefill_tokens + 4_000 * prefill_pairs


def recorded():
    folder = os.environ.get("SERVEMARK_TRACES")
    file = Path(folder) / "azure-2023-conversation.csv" if folder else None
    if file is not None and file.is_file():
        return "Azure 2023 conversation, as recorded", read_trace(file).requests
    return "generated from the published statistics of Azure 2023 conversation", generated()


def generated():
    """19,366 requests in 58 minutes; input median 1,020 and mean 1,155; output median 129, mean 211."""
    draw = random.Random(0)
    requests, at_s = [], 0.0
    for index in range(19_366):
        at_s += draw.expovariate(19_366 / 3480)
        requests.append(
            PlannedRequest(
                index=index,
                scheduled_s=round(at_s, 6),
                input_tokens=max(1, min(14_050, round(draw.lognormvariate(6.928, 0.5)))),
                output_tokens=max(1, min(1_000, round(draw.lognormvariate(4.860, 0.99)))),
            )
        )
    return tuple(requests)


def plan_of(requests, speed, hashed):
    """The trace played `speed` times as fast; `hashed`: one common prompt block of 512 tokens, then own ones."""
    fresh = itertools.count(1)
    played = []
    for request in requests:
        blocks = -(-request.input_tokens // 512) if hashed else 0
        played.append(
            replace(
                request,
                scheduled_s=request.scheduled_s / speed,
                prefix_blocks=(0, *itertools.islice(fresh, blocks - 1)) if hashed else (),
                prefix_block_tokens=512 if hashed else 0,
            )
        )
    return ArrivalPlan(load=Replay(name="azure", time_scale=speed), seed=0, requests=tuple(played))


def measure(requests, speed, kv_blocks, hashed, router):
    plan = plan_of(requests, speed, hashed)
    engine = replace(ENGINE, enable_prefix_caching=hashed)
    seconds = []
    for _ in range(RUNS):
        start = time.process_time()
        played = play(
            plan, step_time=AffineStep(), engine=engine, kv_blocks=kv_blocks, replicas=2, router=router
        )
        seconds.append(time.process_time() - start)
    preemptions = sum(record.preemptions for record in played.requests)
    steps = sum(step.count for step in played.steps)
    best, middle = min(seconds), sorted(seconds)[RUNS // 2]
    name = f"x{speed}, {kv_blocks:,} blocks, {router}" + (", prefix cache" if hashed else "")
    print(
        f"{name:44} {len(requests) / best:9,.0f} {len(requests) / middle:9,.0f} {best:7.3f} "
        f"{preemptions:7,} {len(played.steps):7,} {steps:8,}"
    )


def main():
    name, requests = recorded()
    cores, load = os.cpu_count(), os.getloadavg()[0]
    print(f"servemark {servemark.__version__}, Python {platform.python_version()}, {platform.platform()}")
    print(f"{datetime.date.today()}, {platform.machine()}, {cores} cores, load average {load:.1f}")
    print(f"{len(requests):,} requests, two replicas; {name}; CPU time of {RUNS} runs\n")
    print(
        f"{'':44} {'best /s':>9} {'median /s':>9} {'best s':>7} {'preempt':>7} {'records':>7} {'steps':>8}"
    )
    for speed, kv_blocks, hashed, router in [
        (1, L40S_BLOCKS, False, "round-robin"),
        (8, L40S_BLOCKS, False, "round-robin"),
        (8, 2_000, False, "round-robin"),
        (8, L40S_BLOCKS, False, "least-loaded"),
        (1, L40S_BLOCKS, True, "round-robin"),
        (8, L40S_BLOCKS, True, "round-robin"),
    ]:
        measure(requests, speed, kv_blocks, hashed, router)


if __name__ == "__main__":
    main()
