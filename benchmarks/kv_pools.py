"""The KV pools that vLLM logged against those that `physics.memory` computes.

    python benchmarks/kv_pools.py [ROWS.csv]

Each row of `tests/physics/kv_pools.csv` is one published startup log with its source. `pool` is the memory
left for the cache of one GPU, `tokens` what it holds.
"""

import csv
import statistics
import sys
from pathlib import Path

from msgspec.structs import replace

from servemark.catalogue.architectures import find_model
from servemark.catalogue.engine_defaults import find_engine
from servemark.catalogue.gpu_types import find_gpu
from servemark.domain.deployment import Deployment, Parallelism
from servemark.domain.gpu import Node
from servemark.physics.memory import memory_budget
from servemark.units import GIB

ROWS = Path(__file__).parents[1] / "tests" / "physics" / "kv_pools.csv"


def budget_of(row):
    """The memory budget of the deployment of one row."""
    gpu, tensor = find_gpu(row["gpu"]), int(row["tp"])
    engine = replace(
        find_engine(f"vllm@{row['version']}", gpu=gpu, gpus=tensor),
        gpu_memory_utilization=float(row["utilization"]),
        max_num_seqs=int(row["max_num_seqs"]),
        max_num_batched_tokens=int(row["max_num_batched_tokens"]),
    )
    deployment = Deployment(
        model=find_model(row["model"]),
        node=Node(gpu=gpu, gpus=tensor),
        dtype=row["dtype"],
        kv_dtype=row["kv_dtype"],
        parallelism=Parallelism(tensor=tensor, expert=int(row["ep"])),
        engine=engine,
    )
    return memory_budget(deployment, sequence_tokens=8192)


def errors(path=ROWS):
    """(row, error of the pool, error of the tokens or None), relative."""
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            budget = budget_of(row)
            pool = budget.kv_pool_bytes / GIB / float(row["pool_gib"]) - 1
            tokens = budget.kv_tokens / float(row["cached_tokens"]) - 1 if row["cached_tokens"] else None
            yield row, pool, tokens


def main():
    found = list(errors(Path(sys.argv[1]) if len(sys.argv) > 1 else ROWS))
    print(f"{'model':18}{'weights':>8}{'kv':>6} {'GPU':22}{'tp':>3} {'vLLM':9}{'pool':>8}{'tokens':>8}")
    for row, pool, tokens in found:
        said = "" if tokens is None else f"{tokens:+.1%}"
        print(
            f"{row['model']:18}{row['dtype']:>8}{row['kv_dtype']:>6} {row['gpu']:22}{row['tp']:>3} "
            f"{row['version']:9}{pool:+8.1%}{said:>8}"
        )
    sizes = [abs(pool) for _, pool, _ in found]
    within = sum(size <= 0.02 for size in sizes)
    print(
        f"\n{len(sizes)} pools: mean error {statistics.mean(sizes):.1%}, median "
        f"{statistics.median(sizes):.1%}, worst {max(sizes):.1%}; {within} within 2 %"
    )


if __name__ == "__main__":
    main()
