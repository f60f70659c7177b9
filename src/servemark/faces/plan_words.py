"""A plan in words: the sentence that one quotes, and the names of what is in it."""

from __future__ import annotations

from servemark.domain.bill import Spread
from servemark.domain.deployment import Deployment
from servemark.domain.offer import Offer
from servemark.domain.plans import Candidate, Plan, Requirements
from servemark.domain.workload import Load, Rate, Replay, Users, load_value
from servemark.planning.phrases import fleet_words, usd_words
from servemark.reports.labels import and_list, slo_label


def sentence(plan: Plan) -> str:
    """Model, GPUs, how much load within which promises, dollars per month and per million output tokens,
    each with its range; or that nothing holds.
    """
    asked, choice = plan.requirements, plan.choice
    if choice is None:
        return f"No deployment of {asked.model.name} {_that_holds(asked)}: {_why_none(plan)}."
    line = f"{candidate_words(choice)} {_carries(choice, asked)} within {_promises(asked)}"
    if choice.bill is None:
        return f"{line}; no offer covers this GPU, so there is no price."
    line += f", for {_monthly(choice)} a month"
    if choice.output_token_usd is not None:
        line += f" and {_per_million(choice.output_token_usd)} per 1M output tokens"
    prices = [price_words(bill.offer) for bill in choice.pool_bills or (choice.bill,)]
    return f"{line} ({'; '.join(dict.fromkeys(prices))})."


def candidate_words(candidate: Candidate) -> str:
    """`Llama 3.1 8B (fp8) on 2 x L40S`; of several pools what each of them does."""
    deployment = candidate.deployment
    if candidate.fleet is None:
        return deployment.title
    return f"{deployment.model.name} ({deployment.dtype}), {fleet_words(candidate.fleet)},"


def short_words(deployment: Deployment) -> str:
    """The same without the model: `2 x L40S, fp8, tp 2`."""
    plan = deployment.parallelism
    degrees = (("tp", plan.tensor), ("pp", plan.pipeline), ("ep", plan.expert))
    words = [f"{deployment.gpus} x {deployment.node.gpu.name}", formats_words(deployment)]
    return ", ".join([*words, *(f"{key} {n}" for key, n in degrees if n > 1)])


def row_words(deployment: Deployment) -> str:
    """`2 x rtx-pro-6000-server, fp8, tp 2`: short, by the GPU's key."""
    return short_words(deployment).replace(deployment.node.gpu.name, deployment.node.gpu.key, 1)


def formats_words(deployment: Deployment) -> str:
    """`bf16`, `fp8`; `fp8, KV bf16` where the cache keeps more than the weights."""
    if deployment.kv_dtype == deployment.dtype or deployment.dtype in ("bf16", "fp16"):
        return deployment.dtype
    return f"{deployment.dtype}, KV {deployment.kv_dtype}"


def price_words(offer: Offer) -> str:
    """`runpod pod, $0.99 an hour, seen 2026-09-20`."""
    seen = f"seen {offer.observed}" if offer.dated else f"price {offer.observed}"
    return f"{offer.provider} {offer.instance}, {cents(offer.price_usd_per_hour)} an hour, {seen}"


def money_words(usd: float | None) -> str:
    """Dollars, or a dash."""
    return "–" if usd is None else usd_words(usd)


def millions(usd: float) -> str:
    """Dollars per million of what `usd` is the price of one."""
    return f"${usd * 1e6:,.2f}"


def load_words(load: Load | None, asked: Requirements) -> str:
    """`150 users`, `3.2 requests a second`; of a replay on average."""
    match load:
        case None:
            return "no load"
        case Users(users=n):
            return f"{n:,} user{'' if n == 1 else 's'}"
        case Rate(per_s=r):
            return f"{short_number(r)} requests a second"
        case Replay():
            return f"{short_number(axis_value(load, asked))} requests a second"


def traffic_words(asked: Requirements) -> str:
    """` of mine` behind the load, where a trace or a profile is replayed."""
    return f" of {asked.load.name}" if isinstance(asked.load, Replay) else ""


def axis_value(load: Load, asked: Requirements) -> float:
    """The number that people read: users, or requests per second."""
    value = load_value(load)
    if isinstance(load, Replay) and asked.replay_per_s is not None:
        return value / load_value(asked.load) * asked.replay_per_s
    return value


def band_words(candidate: Candidate, asked: Requirements) -> str:
    """`109 to 199`, in the unit of the load."""
    low, high = candidate.capacity.band or (0.0, 0.0)
    if isinstance(asked.load, Users):
        return f"{int(low):,} to {int(high):,}"
    unit = (asked.replay_per_s or 0.0) / load_value(asked.load) if isinstance(asked.load, Replay) else 1.0
    return f"{short_number(low * unit)} to {short_number(high * unit)}"


def _that_holds(asked: Requirements) -> str:
    budget = asked.budget_usd_per_month
    within = f" for {usd_words(budget)} a month" if budget is not None else ""
    most = f" on {asked.max_gpus} GPUs" if asked.max_gpus is not None else ""
    return f"carries {load_words(asked.load, asked)}{traffic_words(asked)} within {_promises(asked)}{within}{most}"


def _why_none(plan: Plan) -> str:
    return f"{plan.candidates_evaluated:,} were looked at"


def _carries(choice: Candidate, asked: Requirements) -> str:
    load = choice.capacity.load
    open_above = choice.capacity.first_broken is None and choice.method == "simulation"
    most = "at least" if open_above else "up to"
    return f"carries {most} {load_words(load, asked)}{traffic_words(asked)} (80 % band {band_words(choice, asked)})"


def _promises(asked: Requirements) -> str:
    return and_list([slo_label(each) for each in asked.slos])


def _monthly(choice: Candidate) -> str:
    spread = choice.monthly_usd
    assert spread is not None
    if spread.high_usd - spread.low_usd < 1:
        return usd_words(spread.point_usd)
    return f"{usd_words(spread.point_usd)} ({usd_words(spread.low_usd)} to {usd_words(spread.high_usd)})"


def _per_million(spread: Spread) -> str:
    if spread.high_usd - spread.low_usd < 0.005e-6:
        return millions(spread.point_usd)
    return f"{millions(spread.point_usd)} ({millions(spread.low_usd)} to {millions(spread.high_usd)})"


def short_number(value: float) -> str:
    """Three digits."""
    return f"{value:.3g}"


def cents(usd: float) -> str:
    """Dollars and cents."""
    return f"${usd:,.2f}"
