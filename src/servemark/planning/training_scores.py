"""How far the memory formulas are from published runs. Nothing in them was fitted to these rows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from statistics import fmean, median

from servemark.catalogue.architectures import find_model, model_catalogue
from servemark.catalogue.training_points import training_points
from servemark.domain.training import Estimate
from servemark.domain.training_points import TrainingPoint, TrainingPrediction, TrainingScore
from servemark.physics.training import training_memory


def predicted(point: TrainingPoint) -> TrainingPrediction | None:
    """The point beside the formulas; None where the row does not say enough to compute anything.

    A figure that counts what the allocator gave out is compared with that, without context and
    fragmentation; a sum over GPUs with the sum.
    """
    if point.sequence_tokens is None or point.model not in model_catalogue():
        return None
    model = find_model(point.model)
    memory = training_memory(model, point.recipe, point.layout, sequence_tokens=point.sequence_tokens)
    gpus = point.layout.gpus if point.scope == "sum" else 1
    usual = memory.allocated_bytes if point.counted == "allocator" else memory.total_bytes.value
    low = memory.allocated_bytes if point.counted == "allocator" else memory.total_bytes.low
    return TrainingPrediction(
        point=point,
        predicted_bytes=Estimate(low=gpus * low, value=gpus * usual, high=gpus * memory.total_bytes.high),
    )


def predictions(points: Iterable[TrainingPoint] | None = None) -> tuple[TrainingPrediction, ...]:
    """Every point that can be computed, scored or not."""
    rows = training_points() if points is None else points
    return tuple(each for each in map(predicted, rows) if each is not None)


def scores(found: Sequence[TrainingPrediction]) -> tuple[TrainingScore, ...]:
    """The scored single-GPU rows in all and by method and model; then several GPUs, for comparison."""
    scored = [each for each in found if not each.point.unused]
    groups: dict[str, list[TrainingPrediction]] = {"single GPU, all scored": scored}
    for each in scored:
        groups.setdefault(_group(each.point), []).append(each)
    groups["several GPUs, not scored"] = [each for each in found if each.point.unused == "several GPUs"]
    return tuple(score(name, members) for name, members in groups.items() if members)


def score(name: str, members: Sequence[TrainingPrediction]) -> TrainingScore:
    """Errors over one group."""
    errors = [each.error_ratio for each in members]
    return TrainingScore(
        group=name,
        points=len(members),
        median_error_ratio=median(map(abs, errors)),
        mean_error_ratio=fmean(map(abs, errors)),
        bias_ratio=fmean(errors),
        worst_error_ratio=max(errors, key=abs),
        inside_ratio=fmean(each.inside for each in members),
    )


def _group(point: TrainingPoint) -> str:
    """`lora + embeddings, qwen-7b`."""
    recipe = point.recipe
    method = recipe.method if recipe.base in ("bf16", "nf4") else f"{recipe.method} ({recipe.base})"
    return f"{method}{' + embeddings' if recipe.trainable_embeddings else ''}, {point.model}"
