"""Options of `plan` as people write them: money, lists of names, the peak and its promises."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, cast, get_args

from servemark.api.deployments import parse_precision
from servemark.api.loads import Numbers
from servemark.api.quantities import parse_amount
from servemark.api.workloads import workload_and_loads
from servemark.catalogue.engine_defaults import find_engine
from servemark.catalogue.gpu_types import find_gpu_types, gpu_catalogue
from servemark.domain.bill import MONTH_HOURS
from servemark.domain.gpu import TOPOLOGIES, Gpu, Topology
from servemark.domain.startup import WeightsFrom
from servemark.domain.workload import FixedLength, Load, Rate, Replay, Slo, Users, Workload
from servemark.errors import InputError, UnknownName
from servemark.planning.fleets import FleetKind, worth_splitting
from servemark.planning.loads import mean_rate_per_s
from servemark.traffic.profiles import find_profile
from servemark.traffic.traces import Trace
from servemark.units import parse

DEFAULT_SLOS: Final = (
    Slo(metric="ttft_s", statistic="p95", limit=2.0),
    Slo(metric="tpot_s", statistic="p95", limit=0.05),
)
"""Where none is given: an answer begins within 2 s and then runs at 20 tokens a second, faster than people read."""
GAP_METRICS: Final = ("tpot_s", "itl_s", "stall_max_s")
SERVING: Final = (
    "users", "rate", "think", "input", "output", "traffic", "trace", "slo", "dtype", "kv_dtype", "engine", "topology",
    "calibration", "headroom", "spare", "fleet", "mixed", "users_in", "weights_from", "closed_form",
)  # fmt: skip
TRAINING: Final = (
    "tokens", "max_hours", "count", "sequence", "rank", "optimizer", "mfu", "checkpointing", "loss", "batch_tokens",
    "network", "took",
)  # fmt: skip
Names = str | Sequence[str]
_PER_HOUR: Final = {
    "month": 1 / MONTH_HOURS, "mo": 1 / MONTH_HOURS, "hour": 1.0, "h": 1.0, "day": 1 / 24, "d": 1 / 24,
    "year": 1 / (12 * MONTH_HOURS), "y": 1 / (12 * MONTH_HOURS),
}  # fmt: skip


def require_one_kind(given: Mapping[str, object]) -> None:
    """Refuse options of serving beside `train`, and options of training without it.

    Raises:
        InputError: one of them is there.
    """
    training = given["train"] is not None
    expected = "no --train beside it" if training else "--train METHOD beside it"
    for name in SERVING if training else TRAINING:
        if given[name] not in (None, False, 0):
            raise InputError(name, expected=expected, found=given[name])


def applicable(slos: Sequence[Slo], workload: Workload) -> tuple[Slo, ...]:
    """The promises that answers can break: those of one token have no gaps.

    Raises:
        InputError: none is left.
    """
    if workload.output != FixedLength(tokens=1):
        return tuple(slos)
    kept = tuple(each for each in slos if each.metric not in GAP_METRICS)
    if not kept:
        raise InputError(
            "slo", expected="a promise on answers of one token, e.g. ttft_p95=2s", found="gaps alone"
        )
    return kept


def parse_budget(budget: str | float | None) -> float | None:
    """`5000usd/month`, `7usd/hour` or `5000` (a month) -> dollars per month of 730 hours.

    Raises:
        InputError: no amount above 0, or an unknown currency or period.
    """
    if budget is None:
        return None
    expected = "an amount such as 5000usd/month or 7usd/hour"
    amount, slash, period = str(budget).strip().partition("/")
    per_hour = _PER_HOUR.get(period.strip().lower()) if slash else _PER_HOUR["month"]
    if per_hour is None:
        raise InputError("budget", expected=expected, found=repr(budget), nearest=("usd/month", "usd/hour"))
    try:
        usd = parse(
            amount.replace("$", "usd") if not amount.startswith("$") else amount[1:], "usd", path="budget"
        )
    except InputError:
        raise InputError("budget", expected=expected, found=repr(budget)) from None
    if usd <= 0:
        raise InputError("budget", expected=f"{expected}, above 0", found=repr(budget))
    return usd * per_hour * MONTH_HOURS


def parse_names(names: Names | None) -> tuple[str, ...]:
    """`a,b` or a sequence -> the names, each once."""
    if names is None:
        return ()
    parts = names.split(",") if isinstance(names, str) else names
    return tuple(dict.fromkeys(part.strip() for part in parts if part.strip()))


def parse_gpus(names: Names | None) -> tuple[Gpu, ...]:
    """GPU types, a family name giving all its members; all of the catalogue where none is named."""
    wanted = parse_names(names)
    return find_gpu_types(wanted, path="gpus") if wanted else tuple(gpu_catalogue().values())


def parse_precisions(names: Names | None, path: str) -> tuple[str, ...]:
    """Number formats, each a key of `PRECISIONS`."""
    return tuple(dict.fromkeys(parse_precision(name, path) for name in parse_names(names)))


def parse_engines(names: Names | None) -> tuple[str, ...]:
    """Engines as NAME or NAME@VERSION, each known; vLLM where none is named."""
    engines = parse_names(names) or ("vllm",)
    for name in engines:
        find_engine(name, path="engine")
    return engines


def parse_headroom(headroom: str | float | None) -> float:
    """`20%` or 0.2 -> 0.2.

    Raises:
        InputError: negative, or more than ten times the load.
    """
    if headroom is None:
        return 0.0
    share = parse(headroom, "ratio", path="headroom")
    if share > 10:
        raise InputError("headroom", expected="a share such as 20%", found=repr(headroom))
    return share


def fleet_kinds(fleet: str | None, mixed: bool, workload: Workload) -> tuple[FleetKind, ...]:
    """The fleets with several pools that are tried.

    Raises:
        UnknownName: no such fleet.
    """
    known = ("one", "split", "disaggregated", "all")
    if fleet is not None and fleet not in known:
        raise UnknownName("fleet", kind="one, split, disaggregated or all", name=fleet, known=known)
    if fleet is None:
        fleet = "all" if worth_splitting(workload) else "one"
    kinds: list[FleetKind] = []
    if fleet in ("split", "all") and not isinstance(workload.input, FixedLength):
        kinds.append("split")
    if fleet in ("disaggregated", "all"):
        kinds.append("disaggregated")
    return (*kinds, "mixed") if mixed else tuple(kinds)


def peak_demand(
    *,
    users: Numbers | None,
    rate: Numbers | None,
    think_s: float,
    input: int | str | None,
    output: int | str | None,
    traffic: str | None,
    trace: Path | None,
) -> tuple[Workload, Load, Trace | None]:
    """The workload and its peak.

    With a rate, a trace or a profile is played at that mean rate, with its own lengths and its own uneven
    arrivals; with users it gives the lengths alone.

    Raises:
        InputError: neither users nor rate, trace nor profile; or several loads.
    """
    if users is None and rate is None and traffic is None and trace is None:
        raise InputError("users", expected="the peak, --users 100 or --rate 3/s", found="none")
    workload, loads, recorded = workload_and_loads(
        users=users, rate=rate, input=input, output=output, traffic=traffic, trace=trace
    )
    load, *more = loads
    if more:
        path = "users" if users is not None else "rate"
        raise InputError(path, expected="one number, the peak", found=f"{len(loads)} of them")
    if think_s and not isinstance(load, Users):
        raise InputError("think", expected="users who think, --users N", found="a rate")
    match load:
        case Users(users=count):
            return workload, Users(users=count, think_s=think_s), recorded
        case Rate(per_s=per_s) if recorded is not None:
            scale = per_s / mean_rate_per_s(recorded)
            return workload, Replay(name=recorded.name, time_scale=scale), recorded
        case Rate(per_s=per_s) if traffic is not None:
            profile = find_profile(traffic)
            return workload, Replay(name=profile.name, time_scale=per_s / profile.rate.per_s), None
        case _:
            return workload, load, recorded


def mean_load_per_s(load: Load, recorded: Trace | None) -> float | None:
    """Requests per second of a replay, on average."""
    if not isinstance(load, Replay):
        return None
    recorded_per_s = mean_rate_per_s(recorded) if recorded else find_profile(load.name).rate.per_s
    return recorded_per_s * load.time_scale


def parse_spare(spare: int) -> int:
    """Replicas that the load does not need."""
    return parse_amount(spare, "spare", minimum=0) or 0


def parse_weights_from(name: str | None) -> WeightsFrom:
    """Where weights are read from at a cold start.

    Raises:
        UnknownName: from nowhere that is known.
    """
    known = get_args(WeightsFrom)
    if name is not None and name not in known:
        raise UnknownName("weights_from", kind="a place that holds weights", name=name, known=known)
    return cast("WeightsFrom", name or "object-storage")


def parse_topology(name: str | None) -> Topology | None:
    """What joins the GPUs of a replica.

    Raises:
        UnknownName: nothing that could.
    """
    if name is not None and name not in TOPOLOGIES:
        raise UnknownName("topology", kind="what joins the GPUs", name=name, known=TOPOLOGIES)
    return cast("Topology | None", name)
