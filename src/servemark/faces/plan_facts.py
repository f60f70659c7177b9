"""What follows the sentence of a plan: the facts that someone who signs wants to read, label by label."""

from __future__ import annotations

from datetime import date

from servemark.catalogue.engine_defaults import find_engine_sheet
from servemark.domain.bill import Bill
from servemark.domain.capacity import SloVerdict
from servemark.domain.deployment import Deployment
from servemark.domain.fleet import DisaggregatedPools, MixedPools, SplitPools, fleet_deployments
from servemark.domain.offer import STALE_DAYS, Offer, age_days
from servemark.domain.plans import Candidate, Outlook, Plan, Rejection, Requirements
from servemark.domain.run import Level
from servemark.domain.startup import ColdStart
from servemark.domain.workload import Load, load_value
from servemark.faces.plan_words import band_words, cents, formats_words, load_words, short_words
from servemark.planning.phrases import usd_words
from servemark.reports.labels import and_list, margin_label, metric_label, percent, value_label
from servemark.units import format_seconds

Facts = list[tuple[str, str]]
"""Label and text, in reading order."""


def facts(plan: Plan) -> Facts:
    """What follows the sentence, label by label."""
    if plan.choice is None:
        return _miss_facts(plan)
    deployments = fleet_deployments(plan.choice.fleet) if plan.choice.fleet else (plan.choice.deployment,)
    found: Facts = [("deploy", _deploy(each)) for each in deployments]
    found += _fleet_facts(plan, plan.choice)
    found += _outlook_facts(plan, plan.choice)
    found += _precision_facts(plan, plan.choice)
    found += _cheaper_facts(plan, plan.choice)
    found += _price_facts(plan, plan.choice)
    marks = [each for each in plan.choice.marks if "answers may change" not in each]
    if marks:
        found.append(("note", "; ".join(marks)))
    return found


def _deploy(deployment: Deployment) -> str:
    plan, engine = deployment.parallelism, deployment.engine
    name = find_engine_sheet(engine.name).name + (f" {engine.version}" if engine.version else "")
    each = "1 GPU" if plan.gpus == 1 else f"{plan.gpus} GPUs"
    copies = f"{deployment.replicas} replica{'s' if deployment.replicas > 1 else ''} of {each}"
    kinds = (("tensor", plan.tensor), ("pipeline", plan.pipeline), ("expert", plan.expert))
    degrees = [f"{kind} parallel {n}" for kind, n in kinds if n > 1]
    settings = [
        f"max_num_seqs={engine.max_num_seqs}",
        f"max_num_batched_tokens={engine.max_num_batched_tokens}",
        f"KV cache {deployment.kv_dtype}",
    ]
    return f"{name}, {', '.join([copies, *degrees])}; {', '.join(settings)}"


def _fleet_facts(plan: Plan, choice: Candidate) -> Facts:
    """What became of the other kinds of fleet: the cheapest of each that was simulated."""
    tried = [each for each in plan.rejected if each.fleet is not None and each.usd_per_month is not None]
    words: list[str] = []
    for kind in (SplitPools, DisaggregatedPools, MixedPools):
        own = [each for each in tried if isinstance(each.fleet, kind)]
        held = [each for each in own if each.reason != "slo"]
        if own:
            best = min(held or own, key=lambda each: each.usd_per_month or 0.0)
            words.append(f"{best.detail} ({usd_words(best.usd_per_month or 0.0)} a month)")
    if not words:
        return []
    kept = "one pool" if choice.fleet is None else "this fleet"
    return [("fleet", f"{kept} is the cheapest that holds"), *(("", each) for each in words)]


def _outlook_facts(plan: Plan, choice: Candidate) -> Facts:
    outlook, asked = plan.outlook, plan.requirements
    if outlook is None:
        return [("method", "closed form alone, nothing simulated: tails under load are less sure")]
    ratio = _ratio(choice.capacity.load, asked.load)
    asked_for = f"the {load_words(asked.load, asked)} asked for"
    found: Facts = [("headroom", f"{_above(ratio)} {asked_for}; there {_values(outlook.at_peak)}")]
    low = (choice.capacity.band or (0.0, 0.0))[0] / load_value(asked.load)
    if low < 1:
        found.append(("certainty", _certainty(plan, choice)))
    if asked.spare_replicas:
        pool = "each pool's" if choice.fleet is not None else f"the {choice.deployment.replicas}"
        words = f"{asked.spare_replicas} of {pool} replicas may be down; the figures are without"
        found.append(("spare", words))
    found.append(("twice the peak", _doubled(plan, choice)))
    if outlook.at_break is not None:
        broken = _broken(outlook.at_break)
        found.append(("breaks first", f"{broken} at {load_words(outlook.at_break.load, asked)}"))
    if outlook.cold_start is not None:
        found.append(("cold start", _cold_start(outlook.cold_start)))
    if asked.users_in is not None:
        found.append(("network", _network(outlook, asked)))
    return found


def _cold_start(start: ColdStart) -> str:
    low, high = start.between_s
    parts = sorted(start.stages, key=lambda each: -each.time_s)[:3]
    words = ", ".join(f"{each.name} {format_seconds(each.time_s)}" for each in parts)
    return (
        f"one more replica answers after {format_seconds(start.time_s)} "
        f"({format_seconds(low)} to {format_seconds(high)}), most of it {words}"
    )


def _network(outlook: Outlook, asked: Requirements) -> str:
    name = asked.users_in.name if asked.users_in else ""
    if outlook.round_trip_s is None:
        return f"the offer's region is not stated, so the round trip to {name} is not known"
    low, usual, high = map(format_seconds, outlook.round_trip_s)
    return f"{usual} ({low} to {high}) of round trip to {name} come on top of every TTFT"


def _values(level: Level) -> str:
    """Every promise with its value and room."""
    return and_list([_kept(each) for each in level.verdict.slos]) if level.verdict else ""


def _kept(verdict: SloVerdict) -> str:
    value = value_label(verdict.slo.metric, verdict.value)
    return f"{metric_label(verdict.slo)} is {value} ({margin_label(verdict.slo.metric, verdict.margin)})"


def _doubled(plan: Plan, choice: Candidate) -> str:
    outlook = plan.outlook
    assert outlook is not None
    load = load_words(outlook.doubled.load, plan.requirements)
    if outlook.doubled.verdict is None or outlook.doubled.verdict.word == "holds":
        return f"{load} still hold: {_values(outlook.doubled)}"
    words = f"{load} break {_broken(outlook.doubled)}"
    count = outlook.doubled_holds_with
    if count is None:
        return words
    count += plan.requirements.spare_replicas
    gpus = count * choice.deployment.parallelism.gpus
    usd = outlook.doubled_usd_per_month
    price = f", {usd_words(usd)} a month" if usd is not None else ""
    spares = plan.requirements.spare_replicas
    spare = f" (the spare {'one' if spares == 1 else 'ones'} included)" if spares else ""
    many = f"{count} replicas{spare}" if count > 1 else "1 replica"
    return f"{words}; {many} would hold ({gpus} GPU{'s' if gpus > 1 else ''}{price})"


def _broken(level: Level) -> str:
    verdicts = [each for each in level.verdict.slos if each.verdict != "holds"] if level.verdict else []
    worst = min(verdicts, key=lambda each: each.margin if each.margin is not None else 0.0)
    value = value_label(worst.slo.metric, worst.value)
    return f"{metric_label(worst.slo)} ({value}, {margin_label(worst.slo.metric, worst.margin)})"


def _certainty(plan: Plan, choice: Candidate) -> str:
    """What holds even at the slow end of the band."""
    asked = plan.requirements
    low = band_words(choice, asked).split(" to ")[0]
    words = f"at the slow end of the band it carries {low}, less than asked for"
    own = short_words(choice.deployment)
    sure = [
        each
        for each in _buyable(plan)
        if short_words(each.deployment) != own
        and (each.capacity.band or (0.0,))[0] >= load_value(asked.load)
    ]
    if sure:
        best = min(sure, key=lambda each: each.usd_per_month or 0.0)
        words += f"; {short_words(best.deployment)} holds there too, {usd_words(best.usd_per_month or 0.0)} a month"
    elif choice.monthly_usd is not None and choice.slow_end_holds:
        words += (
            f"; more replicas for {usd_words(choice.monthly_usd.high_usd)} a month would hold there too"
        )
    return words


def _precision_facts(plan: Plan, choice: Candidate) -> Facts:
    if choice.keeps_precision:
        return []
    own = plan.requirements.model.dtype
    kept = [each for each in _buyable(plan) if each.keeps_precision]
    words = (
        f"{formats_words(choice.deployment)} instead of the checkpoint's {own}: answers may change a little"
    )
    if kept:
        best = min(kept, key=lambda each: each.usd_per_month or 0.0)
        more = (best.usd_per_month or 0.0) - (choice.usd_per_month or 0.0)
        price = f"{usd_words(best.usd_per_month or 0.0)} a month ({usd_words(more)} more)"
        words += f"; in {own}, {short_words(best.deployment)} at {price}"
    return [("precision", words)]


def _cheaper_facts(plan: Plan, choice: Candidate) -> Facts:
    """The next cheaper ones and why they lost."""
    usd = choice.usd_per_month
    if usd is None:
        return []
    found: Facts = []
    lost = [
        each
        for each in plan.rejected
        if each.reason == "slo" and each.fleet is None and _may_win(plan, each.deployment)
        and each.usd_per_month is not None and each.usd_per_month < usd
    ]  # fmt: skip
    if lost:
        best = max(lost, key=lambda each: (each.usd_per_month or 0.0, -(each.excess_ratio or 0.0)))
        found.append(("next cheaper", _lost(best)))
    cheaper = [each for each in plan.alternatives if (each.usd_per_month or usd) < usd]
    for each in cheaper[:1]:
        why = " and ".join(mark for mark in each.marks if "consumer" in mark or "undated" in mark)
        words = f"{short_words(each.deployment)}, {usd_words(each.usd_per_month or 0.0)} a month: {why}"
        found.append(("cheaper, but", words))
    return found


def _buyable(plan: Plan) -> list[Candidate]:
    """Alternatives that could have been the choice: a dated price, no consumer card that nobody asked for."""
    return [each for each in plan.alternatives if each.dated and _may_win(plan, each.deployment)]


def _may_win(plan: Plan, deployment: Deployment) -> bool:
    return plan.requirements.consumer or deployment.node.gpu.tier != "consumer"


def _lost(rejection: Rejection) -> str:
    usd = rejection.usd_per_month
    # over the budget, the detail begins with the price
    price = f", {usd_words(usd)} a month" if usd is not None and rejection.reason != "budget" else ""
    return f"{short_words(rejection.deployment)}{price}: {rejection.detail}"


def _price_facts(plan: Plan, choice: Candidate) -> Facts:
    found: Facts = []
    for bill in choice.pool_bills or ((choice.bill,) if choice.bill else ()):
        offer = bill.offer
        price = f"{bill.instances} x {offer.title} at {cents(offer.price_usd_per_hour)} an hour"
        found.append(("price", f"{price}, {_seen(offer, plan)}; source: {offer.source}"))
    if choice.elsewhere:
        others = [_elsewhere(each) for each in choice.elsewhere[:4]]
        found.append(("elsewhere", ", ".join(others)))
    return found


def _elsewhere(bill: Bill) -> str:
    offer = bill.offer
    return f"{offer.provider} {offer.instance} {usd_words(bill.usd_per_month)} a month ({offer.observed})"


def _seen(offer: Offer, plan: Plan) -> str:
    if not offer.dated:
        return f"price {offer.observed}"
    days = age_days(offer.observed, date.fromisoformat(plan.date))
    old = f", {days} days old: ask again" if days is not None and days > STALE_DAYS else ""
    return f"seen {offer.observed}{old}"


def _miss_facts(plan: Plan) -> Facts:
    if plan.miss is None:
        return []
    found: Facts = [("nearest", _lost(plan.miss.rejection))]
    for i, remedy in enumerate(plan.miss.remedies):
        found.append(("would hold with" if i == 0 else "or", remedy))
    return found


def _above(ratio: float) -> str:
    if ratio < 1.005:
        return "none above"
    return f"{percent(ratio - 1)} above"


def _ratio(load: Load | None, asked: Load) -> float:
    return load_value(load) / load_value(asked) if load is not None else 0.0
