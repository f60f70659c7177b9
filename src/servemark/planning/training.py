"""Which GPUs to train on: every GPU, count and setting judged, cheapest first, and why each other one lost.

Of each GPU and count the fastest setting that fits stands for all of them. It then has to keep the hours and
the budget, and not to be dearer and slower than another.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Final

from msgspec.structs import replace

from servemark.catalogue.utilization import find_utilization
from servemark.cost.instances import bills_of
from servemark.domain.bill import Bill
from servemark.domain.gpu import Gpu
from servemark.domain.training import (
    Estimate,
    ImpliedMfu,
    TrainingCandidate,
    TrainingPlan,
    TrainingQuestion,
    TrainingRejection,
    TrainingTime,
    Utilization,
)
from servemark.physics.training import training_memory
from servemark.physics.training_time import GPUS_PER_SERVER, implied_mfu, token_flop, training_time
from servemark.planning.shapes import node_gpus
from servemark.planning.training_misses import nearest_miss, remedies_of
from servemark.planning.training_ranking import (
    Setting,
    ranked,
    reject,
    reject_candidate,
    setting_words,
)
from servemark.planning.training_settings import settings
from servemark.units import GB, HOUR_S

LARGER_STEP: Final = 1.25
"""From so many times the tokens asked for on, a larger optimizer step is marked."""


def training_plan(question: TrainingQuestion) -> TrainingPlan:
    """The ranked plan; `choice` is None where nothing keeps the limits.

    Args:
        question: with the GPU types, counts and offers to consider.

    Raises:
        InputError: a model whose training memory has no formula.
    """
    begun = time.perf_counter()
    by_count = {count: _settings(question, count) for count in question.counts}
    held: list[TrainingCandidate] = []
    rejected: list[TrainingRejection] = []
    for gpu in question.gpus:
        for count, tried in by_count.items():
            best, lost = _best(question, gpu, count, tried)
            rejected += lost
            if best is None:
                continue
            broken = _broken(question, best)
            if broken is None:
                held.append(best)
            else:
                rejected.append(broken)
    choice, alternatives, dominated = ranked(held)
    rejected += dominated
    nearest = None if choice else nearest_miss(rejected)
    return TrainingPlan(
        question=question,
        choice=choice,
        alternatives=alternatives,
        rejected=tuple(rejected),
        candidates_evaluated=(choice is not None) + len(alternatives) + len(rejected),
        elapsed_s=time.perf_counter() - begun,
        nearest=nearest,
        remedies=remedies_of(question, nearest) if nearest else (),
        implied=_implied(question),
    )


def _implied(question: TrainingQuestion) -> ImpliedMfu | None:
    """The MFU of the published run that the question describes."""
    if question.took_s is None:
        return None
    gpu, count = question.gpus[0], question.counts[0]
    flop = token_flop(
        question.model, replace(question.recipe, checkpointing="full"), question.sequence_tokens
    )

    def share(per_token: float) -> float:
        return implied_mfu(question.tokens * per_token, gpu, gpus=count, duration_s=question.took_s or 0.0)

    return ImpliedMfu(
        gpu=gpu.key,
        gpus=count,
        duration_s=question.took_s,
        mfu_ratio=share(flop.model),
        recomputed_ratio=share(flop.hardware),
        usual=find_utilization(gpu, servers=-(-count // GPUS_PER_SERVER)),
    )


def _settings(question: TrainingQuestion, gpus: int) -> tuple[Setting, ...]:
    return tuple(
        Setting(
            recipe,
            layout,
            training_memory(question.model, recipe, layout, sequence_tokens=question.sequence_tokens),
        )
        for recipe, layout in settings(question, gpus)
    )


def _best(
    question: TrainingQuestion, gpu: Gpu, count: int, tried: Sequence[Setting]
) -> tuple[TrainingCandidate | None, list[TrainingRejection]]:
    """The fastest setting that fits, and why the others lost."""
    unsupported = _unsupported(question, gpu, count)
    lost: list[TrainingRejection] = []
    if unsupported:
        return None, [reject(gpu, each, "unsupported", unsupported) for each in tried]
    bill = _bill(question, gpu, count)
    utilization = find_utilization(gpu, servers=-(-count // GPUS_PER_SERVER))
    usable = gpu.memory_usable_bytes
    fitting: list[tuple[bool, TrainingTime, Setting]] = []
    for each in tried:
        total = each.memory.total_bytes
        if total.value > usable:
            lost.append(
                reject(gpu, each, "does_not_fit", _shortage(each, usable), total.value / usable - 1)
            )
        else:
            fitting.append((total.high > usable, _time(question, gpu, each, utilization), each))
    if not fitting:
        return None, lost
    fitting.sort(key=lambda item: (item[0], item[1].duration_s.value))
    (_, fastest, chosen), *others = fitting
    for tight, taken, each in others:
        longer = taken.duration_s.value / fastest.duration_s.value - 1
        detail = f"{longer:.0%} slower than with {setting_words(chosen)}"
        if tight and longer <= 0:
            detail = f"fits only with a tidy allocator; with {setting_words(chosen)} it fits in any case"
        lost.append(reject(gpu, each, "dominated", detail))
    return _candidate(question, gpu, chosen, fastest, utilization, bill), lost


def _shortage(each: Setting, usable_bytes: float) -> str:
    """What is missing on each GPU; where the state alone is too large, its sum over all GPUs."""
    memory, gpus = each.memory, each.layout.gpus
    total = memory.total_bytes
    detail = (
        f"needs {total.value / GB:,.1f} GB ({total.low / GB:,.1f}-{total.high / GB:,.1f}) of "
        f"{usable_bytes / GB:.1f}: {(total.value - usable_bytes) / GB:,.1f} GB too much"
    )
    state = memory.weights_bytes + memory.gradients_bytes + memory.optimizer_bytes
    if state > usable_bytes:
        detail += f"; weights, gradients and optimizer alone {state / GB:,.1f} GB"
        detail += f", {state * gpus / GB:,.0f} GB on all {gpus}" if gpus > 1 else ""
    return detail


def _time(question: TrainingQuestion, gpu: Gpu, setting: Setting, utilization: Utilization) -> TrainingTime:
    return training_time(
        question.model,
        setting.recipe,
        setting.layout,
        gpu,
        utilization,
        tokens=question.tokens,
        sequence_tokens=question.sequence_tokens,
        mfu=question.mfu,
        network_bytes_per_s=question.network_bytes_per_s,
    )


def _unsupported(question: TrainingQuestion, gpu: Gpu, count: int) -> str:
    """Why nobody can do it so, whatever the setting; empty where one can."""
    if count > GPUS_PER_SERVER and count % GPUS_PER_SERVER:
        return f"{count} GPUs are no whole servers of {GPUS_PER_SERVER}"
    if count > 1 and node_gpus(gpu) == 1:
        return "superchips are servers of their own; training over several is not modelled"
    own = [each for each in question.offers if each.gpu == gpu.key]
    if own and _bill(question, gpu, count) is None:
        most = max(each.gpus for each in own)
        return (
            f"no offer joins {min(count, GPUS_PER_SERVER)} of them in one server (the largest has {most})"
        )
    if not own and question.priced_only:
        return "no offer among those asked for"
    return ""


def _bill(question: TrainingQuestion, gpu: Gpu, count: int) -> Bill | None:
    """The cheapest dated offer of whole servers that hold the GPUs."""
    own = [each for each in question.offers if each.gpu == gpu.key]
    servers = -(-count // GPUS_PER_SERVER)
    found = bills_of(own, replicas=servers, gpus_per_replica=min(count, GPUS_PER_SERVER))
    return found[0] if found else None


def _candidate(
    question: TrainingQuestion,
    gpu: Gpu,
    setting: Setting,
    taken: TrainingTime,
    utilization: Utilization,
    bill: Bill | None,
) -> TrainingCandidate:
    start, run = question.startup_s, taken.duration_s
    total = Estimate(low=start.low + run.low, value=start.value + run.value, high=start.high + run.high)
    cost = None
    if bill is not None:
        rate = bill.usd_per_hour / HOUR_S
        cost = Estimate(low=total.low * rate, value=total.value * rate, high=total.high * rate)
    risks = _risks(question, setting, gpu, total, cost)
    marks = [*risks]
    if bill is None:
        marks.append("no price known")
    elif not bill.offer.dated:
        marks.append("undated price")
    if utilization.assumed and question.mfu is None:
        marks.append("utilization assumed")
    layout = setting.layout
    step_tokens = layout.data * layout.micro_batch * layout.accumulation * question.sequence_tokens
    if step_tokens > LARGER_STEP * question.batch_tokens:
        marks.append(f"steps of {step_tokens:,} tokens")
    if "bf16" not in gpu.dense_flop_per_s:
        marks.append("no bf16: fp16 with loss scaling")
    return TrainingCandidate(
        gpu=gpu.key,
        gpus=setting.layout.gpus,
        recipe=setting.recipe,
        layout=setting.layout,
        memory=setting.memory,
        usable_bytes=gpu.memory_usable_bytes,
        time=taken,
        total_s=total,
        utilization=utilization,
        bill=bill,
        cost_usd=cost,
        marks=tuple(marks),
        safe=not risks,
    )


def _risks(
    question: TrainingQuestion, setting: Setting, gpu: Gpu, total: Estimate, cost: Estimate | None
) -> list[str]:
    """Limits that the unfavourable end of the intervals breaks."""
    risks: list[str] = []
    if setting.memory.total_bytes.high > gpu.memory_usable_bytes:
        risks.append("tight memory")
    if question.max_s is not None and total.high > question.max_s:
        risks.append("hours may be exceeded")
    if question.budget_usd is not None and cost is not None and cost.high > question.budget_usd:
        risks.append("budget may be exceeded")
    return risks


def _broken(question: TrainingQuestion, best: TrainingCandidate) -> TrainingRejection | None:
    """The limit that the best setting of a GPU and count breaks."""
    taken = best.total_s
    if question.max_s is not None and taken.value > question.max_s:
        over = taken.value / question.max_s - 1
        detail = (
            f"{taken.value / HOUR_S:,.1f} h ({taken.low / HOUR_S:,.1f}-{taken.high / HOUR_S:,.1f}), "
            f"{over:.0%} over {question.max_s / HOUR_S:g} h"
        )
        return reject_candidate(best, "slo", detail, over)
    if question.budget_usd is not None and best.cost_usd is not None:
        over = best.cost_usd.value / question.budget_usd - 1
        if over > 0:
            detail = f"${best.cost_usd.value:,.2f}, {over:.0%} over ${question.budget_usd:,.0f}"
            return reject_candidate(best, "budget", detail, over)
    return None
