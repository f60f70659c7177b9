"""Of the ways to train that keep every limit the choice, the alternatives, and what another beats."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from servemark.domain.gpu import Gpu
from servemark.domain.training import (
    Layout,
    Recipe,
    TrainingCandidate,
    TrainingMemory,
    TrainingReason,
    TrainingRejection,
)


class Setting(NamedTuple):
    """One recipe and layout with its memory, which is the same on every GPU."""

    recipe: Recipe
    layout: Layout
    memory: TrainingMemory


def ranked(
    held: Sequence[TrainingCandidate],
) -> tuple[TrainingCandidate | None, tuple[TrainingCandidate, ...], list[TrainingRejection]]:
    """The choice, the alternatives worth their money, and what another beats in dollars and hours.

    The choice is the cheapest with a dated price; without any price, the fewest GPU-hours.
    """
    ordered = sorted(held, key=_order)
    kept: list[TrainingCandidate] = []
    lost: list[TrainingRejection] = []
    for each in ordered:
        better = next((other for other in kept if _dominates(other, each)), None)
        if better is None:
            kept.append(each)
        else:
            lost.append(reject_candidate(each, "dominated", _dearer(each, better)))
    return (kept[0] if kept else None), tuple(kept[1:]), lost


def _order(each: TrainingCandidate) -> tuple[object, ...]:
    hours = each.total_s.value
    if each.bill is None or each.cost_usd is None:
        return 2, hours * each.gpus, hours
    return (0 if each.bill.offer.dated else 1), each.cost_usd.value, hours


def _dominates(other: TrainingCandidate, each: TrainingCandidate) -> bool:
    """No dearer, no slower, as well dated and as safe. Without a price, GPU-hours stand for dollars."""
    if each.safe and not other.safe:
        return False
    if _order(other)[0] != _order(each)[0] and (each.cost_usd is None or other.cost_usd is None):
        return False
    if other.cost_usd is not None and each.cost_usd is not None:
        cheaper = other.cost_usd.value <= each.cost_usd.value
    else:
        cheaper = other.gpus * other.total_s.value <= each.gpus * each.total_s.value
    return cheaper and other.total_s.value <= each.total_s.value


def _dearer(each: TrainingCandidate, better: TrainingCandidate) -> str:
    words = f"{better.gpus} x {better.gpu}"
    slower = each.total_s.value / better.total_s.value - 1
    longer = f"{slower:.0%} slower than" if slower < 1 else f"{1 + slower:.1f} times as long as"
    if each.cost_usd is None or better.cost_usd is None:
        return f"no price known, and {longer} {words}"
    dearer = each.cost_usd.value / better.cost_usd.value - 1
    return f"${each.cost_usd.value:,.2f}: {dearer:.0%} dearer and {longer} {words}"


def setting_words(setting: Setting | TrainingCandidate | TrainingRejection) -> str:
    """`ZeRO-3, micro batch 4, full checkpointing`."""
    layout, kind = setting.layout, setting.recipe.checkpointing
    parts = [
        f"TP {layout.tensor}" if layout.tensor > 1 else "",
        f"PP {layout.pipeline}" if layout.pipeline > 1 else "",
        f"ZeRO-{layout.zero}" if layout.zero else "",
        f"micro batch {layout.micro_batch}",
        f"{'no' if kind == 'none' else kind} checkpointing",
    ]
    return ", ".join(filter(None, parts))


def reject(
    gpu: Gpu, setting: Setting, reason: TrainingReason, detail: str, excess_ratio: float | None = None
) -> TrainingRejection:
    return TrainingRejection(
        gpu=gpu.key,
        gpus=setting.layout.gpus,
        recipe=setting.recipe,
        layout=setting.layout,
        reason=reason,
        detail=detail,
        excess_ratio=excess_ratio,
    )


def reject_candidate(
    each: TrainingCandidate, reason: TrainingReason, detail: str, excess_ratio: float | None = None
) -> TrainingRejection:
    return TrainingRejection(
        gpu=each.gpu,
        gpus=each.gpus,
        recipe=each.recipe,
        layout=each.layout,
        reason=reason,
        detail=detail,
        excess_ratio=excess_ratio,
        fastest=True,
    )
