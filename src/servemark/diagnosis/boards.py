"""What the boards show: memory that is set aside, and cards that have nothing to do."""

from __future__ import annotations

from statistics import median

from servemark.diagnosis.instrument import is_busy, lags
from servemark.diagnosis.observations import (
    lowest,
    middle,
    peak,
    percent,
    said_by_engine,
    where,
)
from servemark.diagnosis.queueing import slowed
from servemark.diagnosis.rows import Seen
from servemark.domain.finding import Evidence
from servemark.domain.memory import MemoryBudget
from servemark.domain.run import GpuSample, Level, Run
from servemark.domain.workload import Users
from servemark.units import format_bytes

RESERVED_RATIO = 0.8
"""Memory that a card shows as used from here on looks full."""
USED_RATIO = 0.5
"""A pool that is used by less than this is not what fills the card."""
IDLE_RATIO = 0.5
COOL_RATIO = 0.6
"""Of the power limit."""


def memory_reserved_not_used(run: Run) -> Seen | None:
    """Row 23: the card looks full, the KV pool is empty."""
    at, budget = lowest(run), run.memory
    if at is None or budget is None:
        return None
    level = run.levels[at]
    shown = [each.memory_used_bytes for each in level.samples if each.memory_used_bytes is not None]
    used = peak(level, "kv_used_ratio")
    if not shown or used is None or used > USED_RATIO:
        return None
    most, total = max(shown), budget.total_reported_bytes
    if most < RESERVED_RATIO * total:
        return None
    return Seen(
        claim=f"{format_bytes(most)} of {format_bytes(total)} show as used and the KV pool is {percent(used)} full: "
        f"memory set aside, not the size of the model ({format_bytes(budget.weights_bytes)}).",
        confidence="certain",
        weight=0.0,
        evidence=(
            Evidence(
                text=f"{where(run, at)}: the board shows {format_bytes(most)} as used",
                source="boards",
                level=at,
            ),
            Evidence(text=parts_of(budget), source="arithmetic"),
            said_by_engine(
                run, at, f"{percent(used)} of the pool in use, {format_bytes(used * budget.kv_pool_bytes)}"
            ),
        ),
    )


def parts_of(budget: MemoryBudget) -> str:
    """The arithmetic: weights, pool, blocks, and what stands outside."""
    outside = budget.activation_bytes + budget.graph_bytes + budget.runtime_bytes
    return (
        f"{format_bytes(budget.weights_bytes)} weights + {format_bytes(budget.kv_pool_bytes)} KV pool "
        f"({budget.kv_blocks:,} blocks, {budget.kv_tokens:,} tokens) + {format_bytes(outside)} activations, graphs and "
        f"runtime = {format_bytes(budget.reported_bytes)}"
    )


def gpu_idle(run: Run) -> Seen | None:
    """Row 25: slow, while the card is cool and below its power limit."""
    at = slowed(run)
    if at is None or lags(run.levels[at]) or is_busy(run.levels[at]):
        return None
    level = run.levels[at]
    busy = _middle([each.utilization_ratio for each in level.samples])
    if busy is None or busy >= IDLE_RATIO or not _is_cool(run, level.samples):
        return None
    evidence = [
        Evidence(
            text=f"{where(run, at)}: the board was {percent(busy)} busy at the median",
            source="boards",
            level=at,
        )
    ]
    few = _runs_few(level)
    if few:
        evidence.append(said_by_engine(run, at, few))
    cores = level.cpu.engine_cores if level.cpu else None
    if level.cpu is not None and cores is not None and cores >= BUSY_SHARE * level.cpu.machine_cores:
        text = f"{where(run, at)}: the engine kept {cores:.1f} of {level.cpu.machine_cores} processor cores busy"
        evidence.append(Evidence(text=text, source="instrument", level=at))
    return Seen(
        claim=f"Latency grows {where(run, at)} while the GPU is {percent(busy)} busy: something before it is the "
        "bottleneck.",
        confidence="likely" if len(evidence) > 1 else "possible",
        weight=1 - busy,
        evidence=tuple(evidence),
    )


BUSY_SHARE = 0.9


def _middle(known: list[float | None]) -> float | None:
    there = [each for each in known if each is not None]
    return median(there) if there else None


def _is_cool(run: Run, samples: tuple[GpuSample, ...]) -> bool:
    """Below its power limit, where both are known; what is unknown does not speak against it."""
    limit_w = run.deployment.node.gpu.tdp_w if run.deployment else None
    power_w = _middle([each.power_w for each in samples])
    return power_w is None or limit_w is None or power_w < COOL_RATIO * limit_w


def _runs_few(level: Level) -> str:
    """That the engine runs far fewer than there are users, and none waits."""
    running, waiting = middle(level, "running"), peak(level, "waiting")
    if not isinstance(level.load, Users) or running is None or waiting is None:
        return ""
    if waiting or running > level.load.users / 2:
        return ""
    return f"{running:.0f} of {level.load.users} users' requests ran at the median, and none waited"
