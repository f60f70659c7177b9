"""The ways to spread one training run over a number of GPUs: layouts, micro batches, checkpointing."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec.structs import replace

from servemark.domain.model import Attention, LatentAttention, ModelArch
from servemark.domain.training import Checkpointing, Layout, Recipe, TrainingQuestion, ZeroStage

MICRO_BATCHES = (1, 2, 4, 8, 16)
CHECKPOINTING: tuple[Checkpointing, ...] = ("none", "selective", "full")
TENSOR = 8
"""Tensor parallelism is tried over all linked GPUs of a server: less sends as much and saves less memory."""
PIPELINE_FROM_GPUS = 16
"""A pipeline is for several servers; inside one, ZeRO-3 needs less memory and has no bubble."""


def settings(question: TrainingQuestion, gpus: int) -> Iterator[tuple[Recipe, Layout]]:
    """Recipes and layouts to try on so many GPUs, least memory last.

    A step has `batch_tokens` tokens, or more where the data ranks cannot share so few.
    """
    recipe = question.recipe
    kinds = CHECKPOINTING if question.checkpointing is None else (question.checkpointing,)
    for tensor, pipeline, zero in _spreads(question.model, recipe, gpus):
        data = gpus // (tensor * pipeline)
        for micro in MICRO_BATCHES:
            per_rank = question.batch_tokens / (data * question.sequence_tokens)
            if micro > max(1.0, per_rank):
                break
            layout = Layout(
                data=data,
                tensor=tensor,
                pipeline=pipeline,
                zero=zero,
                micro_batch=micro,
                # a gradient that is applied at once cannot wait for the next micro batch
                accumulation=1 if recipe.optimizer_in_backward else max(1, round(per_rank / micro)),
            )
            for kind in kinds:
                yield replace(recipe, checkpointing=kind), layout


def _spreads(model: ModelArch, recipe: Recipe, gpus: int) -> Iterator[tuple[int, int, ZeroStage]]:
    """Tensor and pipeline degree, ZeRO stage."""
    if gpus == 1:
        yield 1, 1, 0
        return
    stages: tuple[ZeroStage, ...] = (1, 2, 3) if recipe.method == "full" else (0, 3)
    for stage in stages:
        yield 1, 1, stage
    if recipe.method == "qlora" or gpus % TENSOR or not _splits(model, TENSOR):
        # 4-bit matrices are not cut into ranks by the common stacks
        return
    for pipeline in (1, 2, 4, 8) if gpus >= PIPELINE_FROM_GPUS else (1,):
        if gpus % (TENSOR * pipeline) == 0 and pipeline <= model.layers:
            stage: ZeroStage = 1 if gpus > TENSOR * pipeline else 0
            yield TENSOR, pipeline, stage


def _splits(model: ModelArch, tensor: int) -> bool:
    """Whether every attention has a head for each rank."""
    heads = [
        group.attention.heads
        for group in model.groups
        if isinstance(group.attention, (Attention, LatentAttention))
    ]
    return all(count % tensor == 0 for count in heads)
