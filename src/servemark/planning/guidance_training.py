"""Training with some money: the largest model that each method fits, and what a small run costs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from servemark.domain.guidance import GuideQuestion, GuideSection, Heading, Share, Value
from servemark.domain.model import ModelArch
from servemark.domain.training import Method, Recipe, TrainingQuestion
from servemark.physics.training import training_memory
from servemark.planning.guidance_serving import ladder
from servemark.planning.guidance_shares import all_month, share_words
from servemark.planning.training import training_plan
from servemark.planning.training_settings import settings

METHODS: Final[tuple[Method, ...]] = ("full", "lora", "qlora")
TOKENS: Final = 10_000_000
SEQUENCE_TOKENS: Final = 2048


def training_section(question: GuideQuestion, shares: Sequence[Share]) -> GuideSection:
    """The largest model of each method, and hours and dollars of a small run on 8B."""
    models = ladder(question)
    example = (
        models[0] if question.model is not None else next(m for m in models if m.key == "llama-3.1-8b")
    )
    rows: list[tuple[Value, ...]] = []
    for share in shares:
        largest = [_largest(models, method, share) for method in METHODS]
        rows.append(
            (share_words(share), *largest, *_run(example, share, "lora"), *_run(example, share, "qlora"))
        )
    headings = [Heading(key="gpus", label="GPUs", style="text")]
    headings += [Heading(key=method, label=f"largest {method}", style="text") for method in METHODS]
    for method in ("lora", "qlora"):
        headings.append(Heading(key=f"{method}_hours", label=method, unit="hours, $"))
        headings.append(Heading(key=f"{method}_usd", label=method, unit="$", style="usd", appended=True))
    return GuideSection(
        key="training",
        title="training",
        finding=_finding(shares, rows, example),
        headings=tuple(headings),
        rows=tuple(rows),
        formula=(
            f"the largest that fits at the unfavourable end, sequences of {SEQUENCE_TOKENS} tokens, mixed precision; "
            f"hours and dollars of {TOKENS / 1e6:.0f}M tokens of {example.name}, start-up included"
        ),
        sources=("docs/training.md",),
        not_modelled="CPU offload, quality of the method",
    )


def _recipe(method: Method) -> Recipe:
    return Recipe(method=method, base="nf4" if method == "qlora" else "bf16")


def _largest(models: Sequence[ModelArch], method: Method, share: Share) -> str | None:
    for model in models:
        question = _question(model, method, share)
        least = min(
            training_memory(model, recipe, layout, sequence_tokens=SEQUENCE_TOKENS).total_bytes.high
            for recipe, layout in settings(question, share.gpus)
        )
        if least <= share.gpu.memory_usable_bytes:
            return model.key
    return None


def _run(model: ModelArch, share: Share, method: Method) -> tuple[Value, Value]:
    """Hours and dollars of the example on all GPUs of the share."""
    choice = training_plan(_question(model, method, share)).choice
    if choice is None:
        return None, None
    return choice.total_s.value / 3600, choice.cost_usd.value if choice.cost_usd is not None else None


def _question(model: ModelArch, method: Method, share: Share) -> TrainingQuestion:
    return TrainingQuestion(
        model=model,
        tokens=TOKENS,
        recipe=_recipe(method),
        sequence_tokens=SEQUENCE_TOKENS,
        gpus=(share.gpu,),
        counts=(share.gpus,),
        offers=(share.offer,),
    )


def _finding(shares: Sequence[Share], rows: Sequence[tuple[Value, ...]], example: ModelArch) -> str:
    priced = [row for row in all_month(shares, rows) if isinstance(row[5], float)]
    if not priced:
        return f"LoRA of {example.name} fits nothing that runs all month."
    cheapest = min(priced, key=lambda row: row[5] if isinstance(row[5], float) else 0.0)
    return (
        f"LoRA of {example.name} on {TOKENS / 1e6:.0f}M tokens is cheapest on {cheapest[0]}: "
        f"${cheapest[5]:,.2f}, {cheapest[4]:,.1f} h."
    )
