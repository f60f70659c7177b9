"""The words for SLOs, loads, margins and values: written once, the same on every surface."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from servemark.domain.capacity import SloVerdict
from servemark.domain.gpu import TOPOLOGIES, Node
from servemark.domain.metrics import METRICS
from servemark.domain.run import Level, Run
from servemark.domain.workload import (
    FixedLength,
    Length,
    Load,
    LognormalLength,
    QuantileLength,
    Rate,
    Replay,
    Slo,
    Users,
    load_label,
    load_value,
)
from servemark.reports.page import ABSENT
from servemark.units import format_bandwidth, format_rate, format_ratio, format_seconds

ORIGINS: Final = {
    "closed form": "predicted, closed form",
    "simulation": "predicted, simulation",
    "load test": "measured, load test",
}


def value_label(metric: str, value: float | None) -> str:
    """A value with its unit: `48.2 ms`, `1,230 tok/s`, `0.8 %`."""
    if value is None:
        return ABSENT
    match METRICS[metric].unit:
        case "s":
            return format_seconds(value)
        case "tokens_per_s":
            return format_rate(value, "tok/s")
        case "per_s":
            return format_rate(value, "req/s")
        case "ratio":
            return format_ratio(value)


def band_label(metric: str, band: tuple[float, float], *, between: str = " to ") -> str:
    """Both ends, the unit once where they share it: `31.0 to 44.2 ms`, `950 ms to 1.20 s`."""
    low, high = (value_label(metric, end) for end in band)
    unit = high.rpartition(" ")[2]
    return f"{low.removesuffix(f' {unit}')}{between}{high}"


def metric_label(slo: Slo) -> str:
    """`TTFT p95`, `failures`."""
    label = METRICS[slo.metric].label
    return label if slo.statistic == "value" else f"{label} {slo.statistic}"


def slo_label(slo: Slo) -> str:
    """`TTFT p95 ≤ 2 s`."""
    sign = "≤" if METRICS[slo.metric].better == "lower" else "≥"
    return f"{metric_label(slo)} {sign} {limit_label(slo.metric, slo.limit)}"


def limit_label(metric: str, limit: float) -> str:
    """A limit as people write it, without trailing zeros: `2 s`, `50 ms`, `1 %`."""
    number, _, unit = value_label(metric, limit).partition(" ")
    if "." in number:
        number = number.rstrip("0").rstrip(".")
    return f"{number} {unit}"


def percent(share: float) -> str:
    """A share as whole percent; what rounds to nothing says so: `12 %`, `under 1 %`."""
    return "under 1 %" if 0 < abs(share) < 0.01 else f"{abs(share):.0%}".replace("%", " %")


def margin_label(metric: str, margin: float | None) -> str:
    """`12 % room`, `31 % over`, `3.8 x limit`; below a lower limit `31 % short`."""
    if margin is None:
        return ""
    if margin < -1:
        return f"{1 - margin:,.1f} x limit"
    missed = "over" if METRICS[metric].better == "lower" else "short"
    return f"{percent(margin)} {missed if margin < 0 else 'room'}"


def reason_label(verdict: SloVerdict) -> str:
    """Why an SLO stays undecided at a load, with the number of requests that would decide it."""
    needed = verdict.requests_needed
    reason = verdict.reason.rstrip(".")
    if needed is None or str(needed) in reason.replace(",", ""):
        return reason
    return f"{reason}; {needed:,} requests needed" if reason else f"{needed:,} requests needed"


def load_axis(load: Load) -> str:
    """Title of the load axis."""
    match load:
        case Users():
            return "concurrent users"
        case Rate():
            return "requests per second"
        case Replay(name=name):
            return f"speed of trace {name} (1 = as recorded)"


def loads_label(loads: Sequence[Load]) -> str:
    """Loads of one kind, listed: `1, 4 and 8 users`, `0.5 and 1 req/s`."""
    labels = [load_label(load) for load in loads]
    if len(labels) > 1 and not isinstance(loads[0], Replay):
        labels = [*(f"{load_value(load):g}" for load in loads[:-1]), labels[-1]]
    return and_list(labels)


def and_list(words: Sequence[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    return " and ".join(filter(None, (", ".join(words[:-1]), words[-1])))


def or_list(words: Sequence[str]) -> str:
    """`a`, `a or b`, `a, b or c`."""
    return " or ".join(filter(None, (", ".join(words[:-1]), words[-1])))


def axis_label(value: float) -> str:
    """A number on the load axis that nobody asked for: `12`, `9.72`, `1536`."""
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def short_load(load: Load) -> str:
    """A load where its kind stands beside it: `32`, `3 req/s`, `azure-conversation x2`."""
    match load:
        case Users(users=n):
            return str(n)
        case Rate():
            return load_label(load)
        case Replay():
            return load_label(load).removeprefix("trace ")


def level_at(run: Run, load: Load | None) -> Level | None:
    """The level of that load."""
    return next((level for level in run.levels if level.load == load), None)


def subject_title(run: Run) -> str:
    """What the run is about: the deployment, else what the run calls itself; of replicas that come and go the
    fewest and the most.
    """
    deployment = run.deployment
    if deployment is None:
        return run.title
    policy = next((each.elasticity.policy for each in run.levels if each.elasticity), None)
    fewest = policy.minimum * deployment.parallelism.gpus if policy else deployment.gpus
    if fewest >= deployment.gpus:
        return deployment.title
    return deployment.title.replace(f" on {deployment.gpus} x ", f" on {fewest} to {deployment.gpus} x ")


def joined_label(node: Node) -> str:
    """What joins the GPUs of a node: `PCIe under one switch, peer to peer, 32 GB/s each way`."""
    words = TOPOLOGIES[node.joined_by]
    if node.link.kind == "infinity-fabric":
        words = words.replace("NVLink", "Infinity Fabric")
    return f"{words}, {format_bandwidth(node.link.bandwidth_bytes_per_s)} each way"


def length_label(length: Length) -> str:
    """`512`, `log-normal, median 1,020 (sigma 0.8)`, `8 to 14,050, median 1,020`."""
    match length:
        case FixedLength(tokens=n):
            return f"{n:,}"
        case LognormalLength(median_tokens=median, sigma=sigma):
            return f"log-normal, median {median:,.0f} (sigma {sigma:g})"
        case QuantileLength(knots=knots):
            middle = min(knots, key=lambda knot: abs(knot[0] - 0.5))
            return f"{knots[0][1]:,.0f} to {knots[-1][1]:,.0f}, median {middle[1]:,.0f}"
