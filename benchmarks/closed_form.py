"""Configurations per second that the closed form evaluates on one core.

python benchmarks/closed_form.py
"""

import os
import platform
import time
from datetime import date
from itertools import product

import numpy as np

import servemark
from servemark.catalogue.architectures import find_model
from servemark.catalogue.coefficients import find_coefficients
from servemark.catalogue.gpu_types import find_gpu
from servemark.domain.deployment import Deployment, EngineConfig, Parallelism
from servemark.domain.gpu import Node
from servemark.domain.workload import FixedLength, Users, Workload
from servemark.physics.batching import Demand, Room
from servemark.physics.latencies import Requests
from servemark.physics.levels import closed_form_level, closed_loop_figures
from servemark.physics.memory import memory_budget
from servemark.physics.step import CoefficientValues, coefficient_values, step_cost
from servemark.physics.work import stacked, step_work

BLOCK = 1024
"""Configurations per call: their arrays stay in the cache."""
USERS = (1, 2, 4, 8, 16, 32, 64, 128)
INPUTS = (128, 512, 1024, 4096)
OUTPUTS = (32, 128, 512)


def deployments():
    for model, gpu, tensor in product(
        ("llama-3.1-8b", "qwen2.5-14b", "mixtral-8x7b", "gemma-3-12b"),
        ("l40s", "a100-sxm-80gb", "h100-sxm", "h200-sxm"),
        (1, 2, 4, 8),
    ):
        deployment = Deployment(
            model=find_model(model),
            node=Node(gpu=find_gpu(gpu), gpus=8),
            dtype="bf16",
            kv_dtype="bf16",
            parallelism=Parallelism(tensor=tensor),
            engine=EngineConfig(),
        )
        budget = memory_budget(deployment, sequence_tokens=4608)
        if budget.fits:
            coefficients = find_coefficients(deployment.node.gpu, dtype="bf16", engine="vllm", version=None)
            yield deployment, coefficients, budget


def vectorised(rows, seconds):
    """CPU seconds per configuration of the vectorised path, everything from StepWork on."""
    works = stacked([step_work(d) for d, _, _, _ in rows])
    values = CoefficientValues(
        *np.array([coefficient_values(c) for _, c, _, _ in rows], dtype=float).T[:, :, None]
    )
    column = lambda of: np.array([of(r) for r in rows], dtype=float)[:, None]  # noqa: E731
    inputs, outputs = column(lambda r: r[3][1]), column(lambda r: r[3][2])
    users, kv_tokens = column(lambda r: r[3][0]), column(lambda r: r[2].kv_tokens)
    overhead = column(lambda r: r[1].request_overhead_s.value)
    one = np.ones_like(inputs)

    def evaluate():
        cost = step_cost(works, values)
        room = Room(np.clip(np.floor(kv_tokens / (inputs + outputs / 2)), 1, 256), 8192 * one)
        demand = Demand(inputs, outputs, 0 * one, 0 * one, 0 * one, overhead, one, one)
        return closed_loop_figures(cost, Requests(demand, inputs, outputs), room, users, 0 * one)

    evaluate()
    start, runs = time.process_time(), 0
    while time.process_time() - start < seconds:
        evaluate()
        runs += 1
    return (time.process_time() - start) / runs / len(rows)


def scalar(rows, seconds):
    """CPU seconds per call of `closed_form_level`."""
    start, runs = time.process_time(), 0
    while time.process_time() - start < seconds:
        deployment, coefficients, budget, (users, input_tokens, output_tokens) = rows[runs % len(rows)]
        workload = Workload(
            input=FixedLength(tokens=input_tokens), output=FixedLength(tokens=output_tokens)
        )
        closed_form_level(deployment, coefficients, budget, Users(users=users), workload)
        runs += 1
    return (time.process_time() - start) / runs


def main():
    loads = list(product(USERS, INPUTS, OUTPUTS))
    rows = [(*d, load) for d in deployments() for load in loads][: 4 * BLOCK]
    block_s = [vectorised(rows[i : i + BLOCK], 1.0) for i in range(0, len(rows), BLOCK)]
    fast, slow = float(np.mean(block_s)), scalar(rows, 2.0)
    print(f"machine   {platform.platform()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    print(f"date      {date.today()}   servemark {servemark.__version__}   numpy {np.__version__}")
    print(f"scalar    {1 / slow:10,.0f} levels per CPU second")
    print(f"vector    {1 / fast:10,.0f} configurations per CPU second ({len(rows):,} of them)")
    print(f"ratio     {slow / fast:10,.0f}")


if __name__ == "__main__":
    main()
