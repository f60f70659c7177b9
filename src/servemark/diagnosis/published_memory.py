"""A published figure of GPU memory, taken apart."""

from __future__ import annotations

from msgspec.structs import replace

from servemark.diagnosis.boards import RESERVED_RATIO, parts_of
from servemark.diagnosis.published_case import Case, reported, worked_out
from servemark.domain.finding import Finding
from servemark.domain.memory import MemoryBudget
from servemark.physics.memory import memory_budget
from servemark.units import GIB, format_bytes

ROUNDS = 20


def explaining_budget(case: Case) -> MemoryBudget | None:
    """The budget whose sum is what the board showed: the share set aside is what is not known."""
    shown = case.test.memory_used_bytes
    if shown is None or case.deployment.engine.memory_rule != "total":
        return None
    low, high = 0.0, 1.0
    for _ in range(ROUNDS):
        middle = (low + high) / 2
        engine = replace(case.deployment.engine, gpu_memory_utilization=middle)
        budget = memory_budget(replace(case.deployment, engine=engine))
        low, high = (middle, high) if budget.reported_bytes < shown else (low, middle)
    engine = replace(case.deployment.engine, gpu_memory_utilization=high)
    return memory_budget(replace(case.deployment, engine=engine))


def pool_not_model(case: Case) -> Finding | None:
    """A card that looks full before any user: a pool set aside for them."""
    test, budget = case.test, explaining_budget(case)
    used, total = test.memory_used_bytes, test.memory_total_bytes
    if budget is None or used is None or total is None or used < RESERVED_RATIO * total or not budget.fits:
        return None
    weights, pool, most = (
        budget.weights_bytes,
        budget.kv_pool_bytes,
        max(each.users for each in test.levels),
    )
    share = budget.reserved_bytes / budget.usable_bytes
    return Finding(
        key="memory_reserved_not_used",
        claim=f"It is the pool, not the model: of {_mib(used)} shown before any user, {_mib(weights)} are weights and "
        f"about {pool / GIB:.0f} GiB are KV cache set aside for users.",
        confidence="likely",
        weight=1 - weights / used,
        evidence=(
            reported(f"{_mib(used)} of {_mib(total)} used before any user, {100 * used / total:.1f} %"),
            worked_out(
                f"weights of {case.deployment.model.name} in {case.deployment.dtype}: "
                f"{case.deployment.model.params / 1e9:.2f}e9 parameters = {_mib(weights)}"
            ),
            worked_out(f"{parts_of(budget)}, with {100 * share:.0f} % set aside"),
            worked_out(
                f"{budget.kv_tokens:,} tokens at {budget.kv_bytes_per_token / 1024:.0f} KiB: "
                f"{budget.kv_tokens // most:,} for each of {most} users"
            ),
        ),
        refuted_by="A KV usage gauge near 1 at that load, or an engine that takes only what it needs (llama.cpp, "
        "Ollama) showing as much.",
        next_step="Read the engine's start-up log ('KV cache size') and sample its KV usage gauge during the test.",
        consequence="A larger card bought for this would hold a larger pool, and answer no faster.",
    )


def _mib(value_bytes: float) -> str:
    return format_bytes(value_bytes) if value_bytes < GIB else f"{value_bytes / 1024**2:,.0f} MiB"
