"""A training plan in words and tables for the terminal, and as JSON."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import msgspec
from rich.console import Console
from rich.text import Text

from servemark.domain.training import (
    Estimate,
    ImpliedMfu,
    TrainingCandidate,
    TrainingPlan,
    TrainingQuestion,
    TrainingRejection,
)
from servemark.planning.training_ranking import setting_words
from servemark.reports.markdown import markdown_table
from servemark.reports.page import ABSENT, Cell, Column, Table
from servemark.reports.terminal import print_table
from servemark.units import GB, HOUR_S

FEW_GPUS = 3
"""Up to so many GPU types, every count has its own row; above, every type that lost in all counts."""
DAY_S = 86400.0
SHOWN = 8
"""Alternatives on the terminal; `--json` has all."""
REASON_WORDS: dict[str, str] = {
    "does_not_fit": "does not fit",
    "slo": "too slow",
    "budget": "too dear",
    "unsupported": "unsupported",
    "dominated": "dominated",
}
_METHODS = {"full": "full fine-tuning", "lora": "LoRA", "qlora": "QLoRA"}


def print_training_plan(plan: TrainingPlan, console: Console) -> None:
    """The sentence, the ranked table, why the others lost."""
    console.print(Text(training_sentence(plan), style="bold"))
    if plan.implied is not None:
        console.print(implied_sentence(plan.implied))
    if plan.choice is None:
        for remedy in plan.remedies:
            console.print(f"  would do: {remedy}")
    else:
        for line in _choice_lines(plan.question, plan.choice, plan.alternatives):
            console.print(Text(line, style="dim"))
        console.print()
        print_table(candidate_table((plan.choice, *plan.alternatives)), console)
    console.print()
    print_table(rejection_table(plan), console)
    counts = Counter(each.reason for each in plan.rejected)
    lost = ", ".join(f"{n:,} {REASON_WORDS[reason]}" for reason, n in counts.most_common())
    line = f"{plan.candidates_evaluated:,} ways judged in {plan.elapsed_s:.2f} s; lost: {lost or 'none'}."
    console.print(Text(line, style="dim"))


def training_plan_markdown(plan: TrainingPlan) -> str:
    """Sentence, facts and tables as Markdown."""
    lines = [f"**{_escaped(training_sentence(plan))}**"]
    if plan.implied is not None:
        lines += ["", _escaped(implied_sentence(plan.implied))]
    if plan.choice is None:
        lines += ["", *(f"- would do: {_escaped(remedy)}" for remedy in plan.remedies)]
    else:
        facts = _choice_lines(plan.question, plan.choice, plan.alternatives)
        lines += ["", *(f"- {_escaped(fact)}" for fact in facts)]
        lines += ["", markdown_table(candidate_table((plan.choice, *plan.alternatives)))]
    table = rejection_table(plan)
    if table.rows:
        lines += ["", markdown_table(table)]
    return "\n".join(lines) + "\n"


def _escaped(text: str) -> str:
    return text.replace("$", "\\$").replace("*", "\\*").replace("_", "\\_")


def training_sentence(plan: TrainingPlan) -> str:
    """The answer that one quotes."""
    question, choice = plan.question, plan.choice
    job = (
        f"{question.model.name}, {_METHODS[question.recipe.method]} on {_count(question.tokens)} tokens"
        f"{f' ({question.tokens_source})' if question.tokens_source else ''}"
    )
    if choice is None:
        return f"{job}: no way keeps the limits. {_nearest_words(plan)}"
    hours = _duration(choice.total_s)
    price = "no price known"
    if choice.bill is not None and choice.cost_usd is not None:
        offer = choice.bill.offer
        price = (
            f"${_dollars(choice.cost_usd)} at {offer.provider} {offer.instance} "
            f"(${choice.bill.usd_per_hour:,.2f}/h, {offer.purchase}, seen {offer.observed})"
        )
    return f"{job}: {choice.gpus} x {choice.gpu} in {hours} for {price}."


def implied_sentence(implied: ImpliedMfu) -> str:
    """What a published run comes to, and what others reach there."""
    usual = implied.usual
    verdict = ""
    if implied.recomputed_ratio < usual.share.low:
        verdict = ": less than any of the published runs it is compared with"
    return (
        f"As published: {implied.gpus} x {implied.gpu} for {implied.duration_s / 86400:.3g} days is "
        f"{implied.gpus * implied.duration_s / HOUR_S:,.0f} GPU-hours and implies an MFU of "
        f"{implied.mfu_ratio:.1%} ({implied.recomputed_ratio:.1%} with a recomputed forward pass). Usual there: "
        f"{_percent(usual.share)}{verdict}."
    )


def _nearest_words(plan: TrainingPlan) -> str:
    nearest = plan.nearest
    if nearest is None:
        reasons = sorted({each.detail for each in plan.rejected})
        return f"{reasons[0]}." if reasons else "There is nothing to choose from."
    return f"Nearest: {nearest.gpus} x {nearest.gpu}, {setting_words(nearest)}, {nearest.detail}."


def _choice_lines(
    question: TrainingQuestion, choice: TrainingCandidate, others: Sequence[TrainingCandidate]
) -> list[str]:
    memory, taken = choice.memory, choice.time
    total = memory.total_bytes
    lines = [
        f"setting: {setting_words(choice)}, sequences of {question.sequence_tokens:,} tokens, "
        f"{taken.steps:,} steps of {_step_tokens(question, choice):,} tokens",
        f"memory of each GPU: {total.value / GB:.1f} GB ({total.low / GB:.1f}-{total.high / GB:.1f}) of "
        f"{choice.usable_bytes / GB:.1f}: weights {memory.weights_bytes / GB:.1f}, gradients "
        f"{memory.gradients_bytes / GB:.1f}, optimizer {memory.optimizer_bytes / GB:.1f}, activations "
        f"{memory.activations_bytes / GB:.1f}, {memory.peak_of} {memory.peak_bytes / GB:.1f}, context "
        f"{memory.runtime_bytes / GB:.1f}, fragmentation {_slack(choice):.1f}",
        f"time: {taken.hardware_flop:.3g} FLOP, {choice.gpus * choice.total_s.value / HOUR_S:,.0f} GPU-hours; "
        f"MFU {_percent(taken.mfu_ratio)}"
        + (
            " (given)"
            if question.mfu
            else f" from {_percent(choice.utilization.share)} of the data sheet in matrices "
            f"({choice.utilization.key}{', assumed' if choice.utilization.assumed else ''})"
        )
        + f"; {taken.compute_ratio:.0%} of the time in matrices; start-up {_minutes(question.startup_s)} min included",
    ]
    if not choice.safe:
        safe = next((each for each in others if each.safe), None)
        words = ", ".join(choice.marks)
        better = (
            f"; safe at the unfavourable end: {safe.gpus} x {safe.gpu}, {_hours(safe.total_s)} h, "
            f"${_dollars(safe.cost_usd)}"
            if safe is not None and safe.cost_usd is not None
            else ""
        )
        lines.append(f"risk: {words}{better}")
    return lines


def _step_tokens(question: TrainingQuestion, choice: TrainingCandidate) -> int:
    layout = choice.layout
    return layout.data * layout.micro_batch * layout.accumulation * question.sequence_tokens


def _slack(choice: TrainingCandidate) -> float:
    memory = choice.memory
    return (memory.total_bytes.value - memory.allocated_bytes - memory.runtime_bytes) / GB


def candidate_table(candidates: Sequence[TrainingCandidate]) -> Table:
    """The choice and what is dearer but faster."""
    columns = (
        Column(label="GPUs", numeric=False),
        Column(label="hours", unit="usual (range)"),
        Column(label="dollars", unit="usual (range)"),
        Column(label="GB each", unit="usual-high / has"),
        Column(label="setting", numeric=False),
        Column(label="offer", numeric=False),
    )
    rows = tuple(_candidate_row(each) for each in candidates[:SHOWN])
    more = len(candidates) - SHOWN
    notes = (f"{more} more with --json.",) if more > 0 else ()
    return Table(title="cheapest first", columns=columns, rows=rows, notes=notes)


def _candidate_row(each: TrainingCandidate) -> tuple[Cell, ...]:
    total = each.memory.total_bytes
    offer = ABSENT
    if each.bill is not None:
        offer = f"{each.bill.offer.provider} ${each.bill.usd_per_hour:,.2f}/h, {each.bill.offer.observed}"
    return (
        Cell(text=f"{each.gpus} x {each.gpu}"),
        Cell(text=_hours(each.total_s)),
        Cell(text=ABSENT if each.cost_usd is None else _dollars(each.cost_usd)),
        Cell(text=f"{total.value / GB:.1f}-{total.high / GB:.1f} / {each.usable_bytes / GB:.1f}"),
        Cell(text=setting_words(each), detail=", ".join(each.marks)),
        Cell(text=offer),
    )


def rejection_table(plan: TrainingPlan) -> Table:
    """Of each GPU and count (or each GPU, where there are many) the way that came nearest."""
    columns = (
        Column(label="GPUs", numeric=False),
        Column(label="lost", numeric=False),
        Column(label="because", numeric=False),
        Column(label="ways"),
    )
    held = {(each.gpu, each.gpus) for each in (plan.choice, *plan.alternatives) if each is not None}
    few = len(plan.question.gpus) <= FEW_GPUS
    shown = {gpu for gpu, _ in held}
    groups: dict[tuple[str, int], list[TrainingRejection]] = {}
    for each in plan.rejected:
        if (each.gpu, each.gpus) not in held and (few or each.gpu not in shown):
            groups.setdefault((each.gpu, each.gpus if few else 0), []).append(each)
    rows = tuple(_rejection_row(lost) for lost in list(groups.values())[: 2 * SHOWN])
    more = len(groups) - 2 * SHOWN
    notes = (f"{more} more with --json.",) if more > 0 else ()
    return Table(title="why the others lost", columns=columns, rows=rows, notes=notes)


def _rejection_row(lost: Sequence[TrainingRejection]) -> tuple[Cell, ...]:
    """The fastest setting of one of the counts that comes nearest; else the one that comes nearest to fitting."""
    whole = [each for each in lost if each.fastest]
    shown = min(
        whole or lost, key=lambda each: (each.reason == "unsupported", each.excess_ratio or 0.0, each.gpus)
    )
    return (
        Cell(text=f"{shown.gpus} x {shown.gpu}"),
        Cell(text=REASON_WORDS[shown.reason]),
        Cell(text=shown.detail),
        Cell(text=f"{len(lost)}"),
    )


def training_plan_document(plan: TrainingPlan) -> dict[str, Any]:
    """`servemark.training_plan/1`."""
    question = plan.question
    return {
        "schema": "servemark.training_plan/1",
        "sentence": training_sentence(plan),
        "question": {
            "model": question.model.key,
            "params": question.model.params,
            "method": question.recipe.method,
            "tokens": question.tokens,
            "tokens_source": question.tokens_source,
            "sequence_tokens": question.sequence_tokens,
            "batch_tokens": question.batch_tokens,
            "gpus": [gpu.key for gpu in question.gpus],
            "counts": list(question.counts),
            "max_s": question.max_s,
            "budget_usd": question.budget_usd,
            "mfu": None if question.mfu is None else msgspec.to_builtins(question.mfu),
            "startup_s": msgspec.to_builtins(question.startup_s),
        },
        "candidates_evaluated": plan.candidates_evaluated,
        "elapsed_s": plan.elapsed_s,
        "choice": None if plan.choice is None else _candidate_document(plan.choice),
        "alternatives": [_candidate_document(each) for each in plan.alternatives],
        "rejected": [_rejection_document(each) for each in plan.rejected],
        "nearest": None if plan.nearest is None else _rejection_document(plan.nearest),
        "remedies": list(plan.remedies),
        "implied": None if plan.implied is None else msgspec.to_builtins(plan.implied),
    }


def _candidate_document(each: TrainingCandidate) -> dict[str, Any]:
    document: dict[str, Any] = msgspec.to_builtins(each)
    bill = document.pop("bill")
    if each.bill is not None:
        bill |= {"usd_per_hour": each.bill.usd_per_hour, "gpus_paid": each.bill.gpus_paid}
    return {**document, "deployment": _way(each), "bill": bill}


def _rejection_document(each: TrainingRejection) -> dict[str, Any]:
    return {
        "deployment": _way(each),
        "reason": each.reason,
        "detail": each.detail,
        "excess_ratio": each.excess_ratio,
        "gpu": each.gpu,
        "gpus": each.gpus,
        "layout": msgspec.to_builtins(each.layout),
        "checkpointing": each.recipe.checkpointing,
    }


def _way(each: TrainingCandidate | TrainingRejection) -> str:
    return f"{each.gpus} x {each.gpu}, {setting_words(each)}"


def _duration(value: Estimate) -> str:
    """Hours, from three days on days."""
    return f"{_range(value, DAY_S)} days" if value.value > 3 * DAY_S else f"{_hours(value)} h"


def _hours(value: Estimate) -> str:
    return _range(value, HOUR_S)


def _minutes(value: Estimate) -> str:
    return _range(value, 60.0)


def _dollars(value: Estimate | None) -> str:
    return ABSENT if value is None else _range(value, 1.0)


def _percent(value: Estimate) -> str:
    if value.low == value.high:
        return f"{value.value:.0%}"
    return f"{value.value:.0%} ({value.low:.0%}-{value.high:.0%})"


def _range(value: Estimate, unit: float) -> str:
    return f"{_figure(value.value / unit)} ({_figure(value.low / unit)}-{_figure(value.high / unit)})"


def _figure(value: float) -> str:
    """Two or three digits that matter."""
    return f"{value:.2f}" if value < 1 else f"{value:.1f}" if value < 100 else f"{value:,.0f}"


def _count(tokens: int) -> str:
    for size, letter in ((10**12, "T"), (10**9, "B"), (10**6, "M"), (10**3, "k")):
        if tokens >= size:
            return f"{tokens / size:.4g}{letter}"
    return str(tokens)
