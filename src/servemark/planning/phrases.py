"""Why a deployment lost, in one phrase with its number."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from servemark.domain.capacity import SloVerdict, Verdict
from servemark.domain.deployment import Deployment
from servemark.domain.fleet import DisaggregatedPools, Fleet, SplitPools, fleet_deployments
from servemark.domain.metrics import METRICS
from servemark.domain.workload import Rate, Slo, Users
from servemark.physics.batching import Array
from servemark.units import format_ratio, format_seconds


class Worst(Protocol):
    """The worst ratio of a value to its limit, and which promise it is of."""

    @property
    def worst(self) -> Array: ...
    @property
    def binding(self) -> NDArray[np.intp]: ...


def ratio_detail(slos: Sequence[Slo], found: Worst, row: int) -> str:
    """`TPOT p95 61.0 ms, 52 % over its 40.0 ms`."""
    ratio, i = float(found.worst[row]), int(found.binding[row])
    if i < 0:
        return f"the rate is {share_words(ratio - 1)} more than is carried"
    slo = slos[i]
    higher = METRICS[slo.metric].better == "higher"
    return over_detail(slo, slo.limit / ratio if higher else slo.limit * ratio)


def over_detail(slo: Slo, value: float) -> str:
    """One promise, its value, and by how much it breaks (or how much room is left)."""
    higher = METRICS[slo.metric].better == "higher"
    if not slo.limit:
        return f"{slo_words(slo)} {slo_value_words(slo, value)}, none allowed"
    off = value / slo.limit - 1
    share = share_words(off)
    side = ("below" if off < 0 else "above") if higher else ("over" if off > 0 else "below")
    return f"{slo_words(slo)} {slo_value_words(slo, value)}, {share} {side} its {slo_value_words(slo, slo.limit)}"


def verdict_detail(verdict: Verdict) -> str:
    """The promise that breaks by the most; of one that stays open why."""
    broken = [each for each in verdict.slos if each.verdict == "breaks"]
    if not broken:
        (open_slo, *_) = [each for each in verdict.slos if each.verdict == "undecided"]
        return f"{slo_words(open_slo.slo)} undecided: {open_slo.reason}"
    worst = min(broken, key=lambda each: each.margin if each.margin is not None else -1e9)
    if worst.value is None:
        return f"{slo_words(worst.slo)}: {worst.reason}"
    return over_detail(worst.slo, worst.value)


def worst_excess(slos: Sequence[SloVerdict]) -> float:
    """By what share the worst value lies over its limit."""
    return max((-each.margin for each in slos if each.margin is not None), default=0.0)


def hopeless_detail(load: Users | Rate) -> str:
    """Behind a promise that breaks with next to no load."""
    alone = "a single user on each replica" if isinstance(load, Users) else "an idle replica"
    return f", with {alone}: more replicas do not help"


def budget_detail(usd: float, budget_usd: float) -> str:
    """`$6,132 a month, $1,132 (23 %) over the budget`."""
    over = f"{usd_words(usd - budget_usd)} ({share_words(usd / budget_usd - 1)})"
    return f"{usd_words(usd)} a month, {over} over the budget"


def gpus_detail(gpus: int, most: int) -> str:
    """`needs 12 GPUs, 8 are allowed`."""
    return f"needs {gpus} GPUs, {most} are allowed"


def dominated_detail(usd: float | None, choice_usd: float | None, by: Deployment | None) -> str:
    """How much dearer than the choice, and what is at least as good (None = the choice)."""
    better = f"{'the choice' if by is None else full_words(by)} is at least as good in everything"
    if usd is None or choice_usd is None or usd <= choice_usd + 0.5:
        return better
    return f"{usd_words(usd - choice_usd)} a month dearer than the choice; {better}"


def full_words(deployment: Deployment) -> str:
    """`2 x L40S, fp8, tp 2, 256 sequences, 2048 tokens a step`: enough to tell it from its kin."""
    plan, engine = deployment.parallelism, deployment.engine
    degrees = (("tp", plan.tensor), ("pp", plan.pipeline), ("ep", plan.expert))
    words = [f"{deployment.gpus} x {deployment.node.gpu.name}", deployment.dtype]
    words += [f"KV {deployment.kv_dtype}"] if deployment.kv_dtype != deployment.dtype else []
    words += [f"{label} {n}" for label, n in degrees if n > 1]
    limits = f"{engine.max_num_seqs} sequences, {engine.max_num_batched_tokens} tokens a step"
    return ", ".join([*words, limits])


def fleet_words(fleet: Fleet) -> str:
    """`prompts to 1,020 tokens on 1 x L40S, longer ones on 2 x H100 SXM 80GB`."""
    names = [f"{each.gpus} x {each.node.gpu.name}" for each in fleet_deployments(fleet)]
    match fleet:
        case SplitPools(threshold_tokens=tokens):
            return f"prompts up to {tokens:,} tokens on {names[0]}, longer ones on {names[1]}"
        case DisaggregatedPools():
            return f"prefill on {names[0]}, decode on {names[1]}"
        case _:
            return " and ".join(names)


def share_words(share: float) -> str:
    """A share without its sign: `12 %`, below one percent `0.3 %`, and many times as such."""
    size = abs(share)
    if size >= 10:
        return f"{size:,.0f} times"
    if 0 < size < 0.0005:
        return "under 0.1 %"
    return f"{100 * size:.0f} %" if size >= 0.00995 else f"{100 * size:.1f} %"


def usd_words(usd: float) -> str:
    """Dollars, cents only below ten."""
    return f"${usd:,.0f}" if abs(usd) >= 10 else f"${usd:,.2f}"


def slo_words(slo: Slo) -> str:
    """`TTFT p95`."""
    label = METRICS[slo.metric].label
    return label if slo.statistic == "value" else f"{label} {slo.statistic}"


def slo_value_words(slo: Slo, value: float) -> str:
    """A value of the promise's metric in its unit."""
    unit = METRICS[slo.metric].unit
    if unit == "s":
        return format_seconds(value)
    return format_ratio(value) if unit == "ratio" else f"{value:,.1f}/s"
