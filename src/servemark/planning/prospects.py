"""Shapes with as many replicas as the demand needs, and what they cost: what is left after the sieve."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from servemark.cost.instances import bills_of
from servemark.domain.bill import Bill
from servemark.domain.deployment import Deployment
from servemark.domain.offer import Offer
from servemark.domain.plans import Reason, Rejection, Requirements
from servemark.domain.workload import Rate, Users, load_value
from servemark.physics.batching import Array
from servemark.planning.formats import Format, keeps_precision
from servemark.planning.frontier import NO_PRICE, Merits
from servemark.planning.phrases import budget_detail, gpus_detail, hopeless_detail, ratio_detail
from servemark.planning.shapes import Shape
from servemark.planning.sieve import BEYOND, LEAST_SHARE, Figured, Forms, figured, most_load

DOUBT_RATIO: Final = 1.1
"""Up to this share of a limit the closed form is not believed that a promise breaks: the simulator decides."""

GROWTHS: Final = 12
"""How often the replicas grow by a quarter where a share of the load breaks what more of it keeps."""

LATENCY_WEIGHT: Final = 0.1
"""Of latency against capacity, where deployments cost the same."""


class Prospect(NamedTuple):
    """A shape with replicas, as the closed form sees it."""

    row: int
    """Of the shape."""
    shape: Shape
    replicas: int
    spare: int
    """Replicas of these that the load does not need."""
    bills: tuple[Bill, ...]
    """Cheapest first, those of undated prices last."""
    worst: float
    """Worst ratio of a value to its limit, without the spare replicas."""
    detail: str
    """That value in words."""
    ttft_p95_s: float
    tpot_p95_s: float
    requests_per_s: float
    most: float
    """The most load that all replicas but the spare ones carry."""
    consumer: bool
    """A consumer card where none was asked for."""

    @property
    def deployment(self) -> Deployment:
        """With all replicas."""
        return replace(self.shape.deployment, replicas=self.replicas)

    @property
    def working(self) -> Deployment:
        """Without the spare replicas: what has to keep the promises."""
        return replace(self.shape.deployment, replicas=self.replicas - self.spare)

    @property
    def bill(self) -> Bill | None:
        """The cheapest dated one; else the cheapest."""
        return self.bills[0] if self.bills else None

    @property
    def usd_per_month(self) -> float | None:
        """Of that bill."""
        return self.bills[0].usd_per_month if self.bills else None

    @property
    def keeps_precision(self) -> bool:
        """Weights and cache as published."""
        deployment = self.shape.deployment
        return keeps_precision(deployment.model, Format(deployment.dtype, deployment.kv_dtype))

    @property
    def merits(self) -> Merits:
        """What it is compared by."""
        gpus = self.shape.deployment.parallelism.gpus * self.replicas
        bill = self.bill
        return Merits(
            tier=NO_PRICE if bill is None else 0 if bill.offer.dated else 1,
            usd_per_hour=float(gpus) if bill is None else bill.usd_per_hour,
            ttft_s=self.ttft_p95_s,
            tpot_s=0.0 if math.isnan(self.tpot_p95_s) else self.tpot_p95_s,
            load=-self.most,
            quantized=not self.keeps_precision,
            gpu=self.shape.deployment.node.gpu.key,
            consumer=self.consumer,
        )

    @property
    def rank(self) -> tuple[float, ...]:
        """Order in which they are tried: dated prices first, cheapest first; of equal prices the published
        precision, then the most capacity and speed.
        """
        merits = self.merits
        price = (merits.tier, merits.consumer, round(merits.usd_per_hour, 4))
        # ten times the latency weighs as much as a quarter more capacity
        latency = math.log(max(merits.ttft_s, 1e-9)) + math.log(max(merits.tpot_s, 1e-9))
        appeal = math.log(max(self.most, 1e-300)) - LATENCY_WEIGHT * latency
        return (*price, merits.quantized, -appeal, self.row, self.replicas)


class Prospects(NamedTuple):
    """What is left, and what is not."""

    holding: tuple[Prospect, ...]
    """Keeping every promise in the closed form, within budget."""
    doubtful: tuple[Prospect, ...]
    """Breaking one by so little that the simulator has to say."""
    dear: tuple[Prospect, ...]
    """Keeping every promise, beyond the budget or the GPUs allowed; rejected."""
    rejected: tuple[Rejection, ...]


class Stock(NamedTuple):
    """Offers by GPU, and the bills worked out so far."""

    offers: dict[str, list[Offer]]
    known: dict[tuple[str, int, int], tuple[Bill, ...]]

    def bills(self, gpu: str, gpus_per_replica: int, replicas: int) -> tuple[Bill, ...]:
        """What so many replicas cost on each offer of the GPU."""
        key = (gpu, gpus_per_replica, replicas)
        if key not in self.known:
            self.known[key] = bills_of(
                self.offers.get(gpu, ()), replicas=replicas, gpus_per_replica=gpus_per_replica
            )
        return self.known[key]


def stock_of(offers: Sequence[Offer]) -> Stock:
    """The offers by GPU."""
    by_gpu: dict[str, list[Offer]] = {}
    for each in offers:
        by_gpu.setdefault(each.gpu, []).append(each)
    return Stock(by_gpu, {})


def prospects_of(
    shapes: Sequence[Shape], forms: Forms, asked: Requirements, load: Users | Rate, stock: Stock
) -> Prospects:
    """The fewest replicas of each shape that keep the promises, and as many more as the instances paid for
    hold anyway; and one fewer than needed, which shows what breaks.

    Args:
        shapes: that fit.
        forms: the same as columns.
        asked: promises, budget, headroom, spares.
        load: the peak in the closed form.
        stock: offers.
    """
    demand = load_value(load) * (1 + asked.headroom_ratio)
    most = most_load(forms, asked.slos, load, BEYOND * demand, at=demand)
    least = 1.0 if isinstance(load, Users) else load.per_s * LEAST_SHARE
    needed = _needed(forms, asked, load, demand, most)
    filled = np.array([_filled(*pair, asked, stock) for pair in zip(shapes, needed, strict=True)])
    working = np.array(needed)
    more = np.flatnonzero(filled > working)
    if len(more):
        at_filled = figured(forms.of(more.tolist()), asked.slos, load, demand / filled[more])
        working[more] = np.where(at_filled.worst <= 1, filled[more], working[more])
    at_working = figured(forms, asked.slos, load, np.where(most > 0, demand / working, least))
    at_fewer = figured(forms, asked.slos, load, demand / np.maximum(np.array(needed) - 1, 1))
    holding: list[Prospect] = []
    doubtful: list[Prospect] = []
    dear: list[Prospect] = []
    rejected: list[Rejection] = []
    for row, shape in enumerate(shapes):
        if not most[row]:
            words = ratio_detail(asked.slos, at_working, row) + hopeless_detail(load)
            rejected.append(_hopeless(shape, words, float(at_working.worst[row]) - 1, stock))
            continue
        prospect = prospect_of(
            row, shape, int(working[row]), at_working, float(most[row]), demand, asked, stock
        )
        if prospect.worst > 1:
            rejected.append(slo_rejection(prospect))
            continue
        lost = over_limits(prospect, asked, stock)
        if lost is None:
            holding.append(prospect)
        else:
            rejected.append(lost)
            if lost.reason == "unsupported":
                continue
            dear.append(prospect)
        if needed[row] > 1:
            fewer = prospect_of(
                row, shape, needed[row] - 1, at_fewer, float(most[row]), demand, asked, stock
            )
            if fewer.merits.usd_per_hour >= prospect.merits.usd_per_hour:
                continue
            if fewer.worst <= DOUBT_RATIO and over_limits(fewer, asked, stock) is None:
                doubtful.append(fewer)
            else:
                rejected.append(slo_rejection(fewer))
    return Prospects(tuple(holding), tuple(doubtful), tuple(dear), tuple(rejected))


def _needed(forms: Forms, asked: Requirements, load: Users | Rate, demand: float, most: Array) -> list[int]:
    """The fewest replicas. The halving stops a percent short, so fewer are looked at as long as they hold; and a
    share below the most load may break a promise that the most keeps, so more are looked at until one holds.
    """
    needed = np.where(most > 0, np.ceil(demand / np.maximum(most, 1e-300) - 1e-9), 1)

    def holding(rows: NDArray[np.intp], count: Array) -> NDArray[np.bool_]:
        return figured(forms.of(rows.tolist()), asked.slos, load, demand / count).worst <= 1

    # a single replica was looked at already
    rows = np.flatnonzero(needed > 1)
    for _ in range(GROWTHS):
        if len(rows):
            rows = rows[~holding(rows, needed[rows])]
            needed[rows] = np.ceil(needed[rows] * 1.25)
    rows = np.flatnonzero(needed > 1)
    while len(rows):
        enough = holding(rows, needed[rows] - 1)
        needed[rows[enough]] -= 1
        rows = rows[enough & (needed[rows] > 1)]
    return [int(each) for each in needed.tolist()]


def _filled(shape: Shape, needed: int, asked: Requirements, stock: Stock) -> int:
    """Replicas that the load needs, or as many as the cheapest instances hold at the same price."""
    gpus, gpu = shape.deployment.parallelism.gpus, shape.deployment.node.gpu.key
    bills = stock.bills(gpu, gpus, needed + asked.spare_replicas)
    if not bills:
        return needed
    hold = bills[0].instances * (bills[0].offer.gpus // gpus)
    if asked.max_gpus is not None:
        hold = min(hold, asked.max_gpus // gpus)
    return max(needed, hold - asked.spare_replicas)


def prospect_of(
    row: int,
    shape: Shape,
    working: int,
    found: Figured,
    most: float,
    demand: float,
    asked: Requirements,
    stock: Stock,
    *,
    at: int | None = None,
) -> Prospect:
    """A shape with `working` replicas and the spare ones beside them.

    Args:
        row: of the shape.
        shape: one replica.
        working: replicas that carry the load.
        found: figures with so many replicas.
        most: the most load of one replica, a percent short.
        demand: what all have to carry.
        asked: promises, spares.
        stock: offers.
        at: row of `found`, where it is not `row`.
    """
    deployment = shape.deployment
    gpus = deployment.parallelism.gpus
    i = row if at is None else at
    replicas = working + asked.spare_replicas
    return Prospect(
        row=row,
        shape=shape,
        replicas=replicas,
        spare=asked.spare_replicas,
        bills=stock.bills(deployment.node.gpu.key, gpus, replicas),
        worst=float(found.worst[i]),
        detail=ratio_detail(asked.slos, found, i),
        ttft_p95_s=float(found.ttft_p95_s[i]),
        tpot_p95_s=float(found.tpot_p95_s[i]),
        requests_per_s=float(found.requests_per_s[i]) * working,
        most=max(most * working, demand) if found.worst[i] <= 1 else most * working,
        consumer=deployment.node.gpu.tier == "consumer" and not asked.consumer,
    )


def over_limits(prospect: Prospect, asked: Requirements, stock: Stock) -> Rejection | None:
    """The rejection of what nobody rents out in that size, or what costs more money or GPUs than allowed."""
    usd, gpus = prospect.usd_per_month, prospect.deployment.gpus
    shape = prospect.shape.deployment
    reason: Reason = "budget"
    excess = None
    if not prospect.bills and stock.offers.get(shape.node.gpu.key):
        reason, detail = (
            "unsupported",
            f"no offer has {shape.parallelism.gpus} x {shape.node.gpu.name} in one instance",
        )
    elif asked.max_gpus is not None and gpus > asked.max_gpus:
        detail, excess = gpus_detail(gpus, asked.max_gpus), gpus / asked.max_gpus - 1
    elif asked.budget_usd_per_month is not None and usd is not None and usd > asked.budget_usd_per_month:
        detail = budget_detail(usd, asked.budget_usd_per_month)
        excess = usd / asked.budget_usd_per_month - 1
    elif asked.budget_usd_per_month is not None and usd is None:
        detail = "no offer covers it, so nothing says that it is within the budget"
    else:
        return None
    return Rejection(
        deployment=prospect.deployment, reason=reason, detail=detail, excess_ratio=excess, usd_per_month=usd
    )


def slo_rejection(prospect: Prospect) -> Rejection:
    """The rejection of what breaks a promise in the closed form."""
    return Rejection(
        deployment=prospect.deployment,
        reason="slo",
        detail=prospect.detail,
        excess_ratio=prospect.worst - 1,
        usd_per_month=prospect.usd_per_month,
        method="closed form",
    )


def _hopeless(shape: Shape, detail: str, excess: float, stock: Stock) -> Rejection:
    deployment = shape.deployment
    bills = stock.bills(deployment.node.gpu.key, deployment.parallelism.gpus, 1)
    return Rejection(
        deployment=deployment,
        reason="slo",
        detail=detail,
        excess_ratio=excess,
        usd_per_month=bills[0].usd_per_month if bills else None,
        method="closed form",
    )
