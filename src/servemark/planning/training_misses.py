"""Where nothing keeps the limits: the way that came nearest, and what would make it hold."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from msgspec.structs import replace

from servemark.catalogue.gpu_types import gpu_catalogue
from servemark.domain.gpu import Gpu
from servemark.domain.training import Recipe, TrainingQuestion, TrainingRejection
from servemark.physics.training import training_memory
from servemark.planning.training_settings import settings
from servemark.units import GB, HOUR_S

SHORTEST_TOKENS = 512
"""Shorter sequences are no remedy to name."""
MORE_GPUS = (2, 4, 8, 16, 32, 64, 128)


def nearest_miss(rejected: Sequence[TrainingRejection]) -> TrainingRejection | None:
    """The rejection with the least excess, fewest GPUs and smallest micro batch; one that fits comes first."""
    missed = [each for each in reversed(rejected) if each.excess_ratio is not None]
    return min(
        missed,
        key=lambda each: (
            each.reason == "does_not_fit",
            round(each.excess_ratio or 0.0, 6),
            each.gpus,
            each.layout.micro_batch,
        ),
        default=None,
    )


def remedies_of(question: TrainingQuestion, nearest: TrainingRejection) -> tuple[str, ...]:
    """What would make the nearest miss feasible, each tried before it is named."""
    gpu = next(each for each in question.gpus if each.key == nearest.gpu)
    if nearest.reason == "slo" and question.max_s is not None:
        hours = question.max_s / HOUR_S * (1 + (nearest.excess_ratio or 0.0))
        more = 1 + (nearest.excess_ratio or 0.0)
        return (
            f"allow {hours:,.1f} h",
            f"{nearest.gpus * more:,.0f} or more GPUs, if they were as well used",
            f"train on {question.tokens / more:,.0f} tokens",
        )
    if nearest.reason == "budget" and question.budget_usd is not None:
        return (f"allow ${question.budget_usd * (1 + (nearest.excess_ratio or 0.0)):,.2f}",)
    return tuple(_memory_remedies(question, nearest, gpu))


def _memory_remedies(question: TrainingQuestion, nearest: TrainingRejection, gpu: Gpu) -> Iterator[str]:
    for words, recipe in _cheaper_recipes(question.recipe):
        need = _least_bytes(replace(question, recipe=recipe), nearest.gpus)
        if need <= gpu.memory_usable_bytes:
            yield f"{words}: {need / GB:,.1f} GB on each of {nearest.gpus} x {gpu.name}"
    tokens = question.sequence_tokens // 2
    while tokens >= SHORTEST_TOKENS:
        need = _least_bytes(replace(question, sequence_tokens=tokens), nearest.gpus)
        if need <= gpu.memory_usable_bytes:
            yield f"sequences of {tokens:,} tokens: {need / GB:,.1f} GB on each of {nearest.gpus} x {gpu.name}"
            break
        tokens //= 2
    need = _least_bytes(question, nearest.gpus)
    larger = [each for each in gpu_catalogue().values() if each.memory_usable_bytes >= need]
    if larger:
        least = min(larger, key=lambda each: each.memory_usable_bytes)
        yield f"GPUs with {need / GB:,.1f} GB or more: {nearest.gpus} x {least.name} is the smallest"
    for count in MORE_GPUS:
        if count > nearest.gpus:
            need = _least_bytes(question, count)
            if need <= gpu.memory_usable_bytes:
                yield f"{count} x {gpu.name}: {need / GB:,.1f} GB on each"
                return


def _cheaper_recipes(recipe: Recipe) -> Iterator[tuple[str, Recipe]]:
    """What takes less memory, mildest change first."""
    if recipe.loss in ("fp32", "bf16"):
        yield "chunked cross entropy (--loss chunked)", replace(recipe, loss="chunked")
    if recipe.method == "full":
        if recipe.optimizer != "adamw-8bit":
            yield "8-bit AdamW without a master copy", replace(recipe, optimizer="adamw-8bit")
        yield "LoRA", replace(recipe, method="lora", optimizer="adamw-mixed")
    elif recipe.optimizer != "adamw-8bit":
        small = replace(recipe, optimizer="adamw-8bit")
        yield "8-bit moments (--optimizer adamw-8bit)", small
        if recipe.loss in ("fp32", "bf16"):
            yield (
                "a chunked loss and 8-bit moments (--loss chunked --optimizer adamw-8bit)",
                replace(small, loss="chunked"),
            )
    if recipe.method != "qlora":
        yield "QLoRA", replace(recipe, method="qlora", base="nf4", optimizer="adamw-mixed")


def _least_bytes(question: TrainingQuestion, gpus: int) -> float:
    """The least that any setting of so many GPUs takes on each."""
    return min(
        (
            training_memory(
                question.model, recipe, layout, sequence_tokens=question.sequence_tokens
            ).total_bytes.value
            for recipe, layout in settings(question, gpus)
        ),
        default=float("inf"),
    )
