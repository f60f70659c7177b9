"""The closed form against the simulator: the same step time, so that only queueing and batching differ.

    python benchmarks/closed_form_accuracy.py [NAME...]

NAME picks groups (closed, open, overflow, engines). Every level plays 1,500 requests after a warm-up; open
loops run at shares of the rate that the closed form says is carried.
"""

import statistics
import sys
import time

from msgspec.structs import replace

from servemark.catalogue.architectures import find_model
from servemark.catalogue.engine_defaults import find_engine
from servemark.catalogue.gpu_types import find_gpu
from servemark.domain.coefficients import Coefficients, Fitted
from servemark.domain.deployment import Deployment, Parallelism
from servemark.domain.gpu import Node
from servemark.domain.workload import FixedLength, LognormalLength, Rate, Users, Workload
from servemark.physics.levels import closed_form_level
from servemark.physics.memory import memory_budget
from servemark.physics.speculation import step_time
from servemark.simulation.replicas import play
from servemark.stats.summary import summarise
from servemark.traffic.arrivals import arrival_plan

ROUND = {
    "compute_efficiency": 0.65, "memory_efficiency": 0.8, "kv_efficiency": 0.7, "attention_efficiency": 0.4,
    "link_efficiency": 0.5, "collective_latency_s": 8e-6, "layer_overhead_s": 5e-6, "token_overhead_s": 1e-7,
    "sequence_overhead_s": 5e-6, "step_overhead_s": 5e-4, "request_overhead_s": 5e-3,
}  # fmt: skip
REQUESTS = 1500
FIELDS = ("X", "TPOT", "TTFT", "TTFT p95", "E2E")


def coefficients():
    fitted = {k: Fitted(value=v, relative_error=0.1) for k, v in ROUND.items()}
    return Coefficients(gpu="l40s", dtype="bf16", engine="vllm", **fitted)


def deployment(model="llama-3.1-8b", gpu="l40s", tp=1, engine="vllm", **settings):
    card = find_gpu(gpu)
    return Deployment(
        model=find_model(model),
        node=Node(gpu=card, gpus=tp),
        dtype="bf16",
        kv_dtype="bf16",
        parallelism=Parallelism(tensor=tp),
        engine=replace(find_engine(engine, gpu=card, gpus=tp), **settings),
    )


def lengths(inputs, outputs, sigma=0.0):
    if not sigma:
        return Workload(input=FixedLength(tokens=inputs), output=FixedLength(tokens=outputs))
    return Workload(
        input=LognormalLength(median_tokens=inputs, sigma=sigma, maximum_tokens=8 * inputs),
        output=LognormalLength(median_tokens=outputs, sigma=sigma, maximum_tokens=8 * outputs),
    )


def figures(level):
    m = level.metrics
    values = (m["tpot_s"].mean, m["ttft_s"].mean, m["ttft_s"].p95, m["e2e_s"].mean)
    return level.requests_per_s, *values


def compare(deployed, load, workload, requests=REQUESTS):
    """Relative errors of the closed form, and preemptions per request in the simulation."""
    fitted = coefficients()
    budget = memory_budget(deployed, sequence_tokens=1500)
    if isinstance(load, Rate):
        # the rate that the seed's arrivals come to
        plan = arrival_plan(load, workload, seed=7, requests=300 + requests)
        times = [r.scheduled_s for r in plan.requests]
        actual = replace(load, per_s=(len(times) - 1) / (times[-1] - times[0]))
    else:
        actual = load
    said = figures(closed_form_level(deployed, fitted, budget, actual, workload))
    warmup = max(300, 2 * load.users) if isinstance(load, Users) else 300
    plan = arrival_plan(load, workload, seed=7, requests=warmup + requests)
    played = play(
        plan,
        step_time=step_time(deployed, fitted),
        engine=deployed.engine,
        kv_blocks=budget.kv_blocks,
        request_overhead_s=fitted.request_overhead_s.value,
        requests=requests,
        warmup=warmup,
    )
    level = summarise(load, played.requests, played.steps)
    preempted = sum(r.preemptions for r in played.requests) / len(played.requests)
    return [a / b - 1 for a, b in zip(said, figures(level), strict=True)], preempted, said


def carried(deployed, workload):
    """Requests per second that the closed form says are carried."""
    budget = memory_budget(deployed, sequence_tokens=1500)
    return closed_form_level(deployed, coefficients(), budget, Rate(per_s=1e6), workload).requests_per_s


SHAPES = ((512, 128), (1000, 100), (2000, 300), (300, 600), (4000, 200))
ENGINES = {
    "vllm": {},
    "vllm, no chunks": {"engine": "vllm", "enable_chunked_prefill": False, "max_num_batched_tokens": 40000},
    "sglang": {"engine": "sglang"},
    "trtllm": {"engine": "tensorrt-llm", "max_num_seqs": 256, "max_num_batched_tokens": 40000},
    "vllm V0": {"engine": "vllm@0.6", "max_num_batched_tokens": 40000},
}


def cases(names):
    for inputs, outputs in SHAPES:
        for sigma in (0.0, 0.6):
            workload = lengths(inputs, outputs, sigma)
            shape = f"{inputs}/{outputs}" + ("~" if sigma else "")
            if not names or "closed" in names:
                for users in (1, 8, 32, 128):
                    yield "closed", f"{shape} {users} users", deployment(), Users(users=users), workload
            if not names or "open" in names:
                for share in (0.3, 0.6, 0.8, 0.9):
                    d = deployment()
                    rate = Rate(per_s=share * carried(d, workload))
                    yield "open", f"{shape} {share:g}", d, rate, workload
            if not names or "overflow" in names:
                for users in (256, 400):
                    d = deployment(max_num_seqs=512)
                    yield "overflow", f"{shape} {users} users", d, Users(users=users), workload
            if not names or "engines" in names:
                for name, settings in ENGINES.items():
                    d = deployment(**settings)
                    for load in (Users(users=32), Rate(per_s=0.6 * carried(d, workload))):
                        yield "engines", f"{shape} {name} {load_word(load)}", d, load, workload


def load_word(load):
    return f"{load.users} users" if isinstance(load, Users) else "open 0.6"


def main():
    names = sys.argv[1:]
    groups, start = {}, time.process_time()
    print(f"{'group':9}{'case':36}" + "".join(f"{f:>9}" for f in FIELDS) + "  preemptions a request")
    for group, label, deployed, load, workload in cases(names):
        found, preempted, _ = compare(deployed, load, workload)
        groups.setdefault(group, []).append(found)
        print(f"{group:9}{label:36}" + "".join(f"{e:+9.1%}" for e in found) + f"{preempted:8.2f}")
    print(f"\n{'mean of |error|':45}" + "".join(f"{f:>9}" for f in FIELDS))
    for group, rows in groups.items():
        means = [statistics.mean(abs(e) for e in column) for column in zip(*rows, strict=True)]
        print(f"{group:45}" + "".join(f"{e:9.1%}" for e in means))
    print(f"{time.process_time() - start:.0f} s of CPU time")


if __name__ == "__main__":
    main()
