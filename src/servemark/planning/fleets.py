"""Fleets of several pools, sized in closed form: split by prompt length, prefill and decode apart, mixed GPUs.

Sizes come from the sieve, pool by pool: each pool gets its part of the requests as a rate, and the fewest
replicas of the cheapest shape that keep the promises it answers for. What users make of it together is for
the simulator to say (`planning.fleet_trials`).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import islice, permutations
from typing import Final, Literal, NamedTuple

from msgspec.structs import replace

from servemark.domain.bill import Bill
from servemark.domain.deployment import Deployment
from servemark.domain.fleet import DisaggregatedPools, Fleet, MixedPools, SplitPools
from servemark.domain.lengths import quantile_tokens
from servemark.domain.plans import Requirements
from servemark.domain.workload import FixedLength, Length, QuantileLength, Rate, Workload
from servemark.planning.prospects import Prospect, Stock, prospects_of
from servemark.planning.shapes import Shape
from servemark.planning.sieve import columns

FleetKind = Literal["one", "split", "disaggregated", "mixed"]
THRESHOLDS: Final = (0.5, 0.75, 0.9)
"""Quantiles of the prompt length at which traffic is split."""
SPREAD_RATIO: Final = 2.0
"""Prompts whose p95 is so many times their median are worth splitting."""
SHAPES: Final = 256
"""Shapes looked at for a pool: those that are cheapest alone."""
TRANSFER_BYTES_PER_S: Final = {"nvlink": 50e9, "infinity-fabric": 50e9}
"""Between servers, by the GPU's own link: one 400 Gb/s adapter per GPU, as in NVIDIA's DGX H100 (data sheet,
2023). Others: `ETHERNET_BYTES_PER_S`."""
ETHERNET_BYTES_PER_S: Final = 12.5e9
"""100 Gb/s."""
FIRST_TOKEN_METRICS: Final = ("ttft_s", "ttft_scheduled_s")
GPUS: Final = 4
PAIRS: Final = 6
"""Best GPUs of which pairs are mixed."""


class FleetPlan(NamedTuple):
    """A fleet with its pools, each a prospect with its bills."""

    kind: FleetKind
    pools: tuple[Prospect, ...]
    threshold_tokens: int = 0

    @property
    def fleet(self) -> Fleet:
        """What is bought."""
        return self._fleet([each.deployment for each in self.pools])

    @property
    def working(self) -> Fleet:
        """Without the spare replicas: what has to keep the promises."""
        return self._fleet([each.working for each in self.pools])

    def _fleet(self, bought: Sequence[Deployment]) -> Fleet:
        deployments = tuple(replace(each, router="least-loaded") for each in bought)
        match self.kind:
            case "split":
                short, long = deployments
                return SplitPools(short=short, long=long, threshold_tokens=self.threshold_tokens)
            case "disaggregated":
                prefill, decode = deployments
                link = decode.node.gpu.link
                speed = TRANSFER_BYTES_PER_S.get(link.kind if link else "", ETHERNET_BYTES_PER_S)
                return DisaggregatedPools(prefill=prefill, decode=decode, transfer_bytes_per_s=speed)
            case _:
                weights = tuple(each.most / each.working.replicas for each in self.pools)
                return MixedPools(deployments=deployments, weights=weights)

    @property
    def bills(self) -> tuple[Bill, ...]:
        """The cheapest of each pool."""
        return tuple(each.bill for each in self.pools if each.bill is not None)

    @property
    def usd_per_month(self) -> float:
        """Of all pools."""
        return sum(bill.usd_per_month for bill in self.bills)

    @property
    def largest(self) -> Prospect:
        """The pool with the most GPUs."""
        return max(self.pools, key=lambda each: each.deployment.gpus)

    def grown(self, index: int, stock: Stock) -> FleetPlan:
        """With one replica more in one pool."""
        pool = self.pools[index]
        count = pool.replicas + 1
        deployment = pool.shape.deployment
        bills = stock.bills(deployment.node.gpu.key, deployment.parallelism.gpus, count)
        working = pool.working.replicas
        larger = pool._replace(replicas=count, bills=bills, most=pool.most / working * (working + 1))
        pools = (*self.pools[:index], larger, *self.pools[index + 1 :])
        return self._replace(pools=pools)


def worth_splitting(workload: Workload) -> bool:
    """Whether prompts spread so far that pools of their own may pay."""
    if isinstance(workload.input, FixedLength):
        return False
    median = quantile_tokens(workload.input, 0.5)
    return quantile_tokens(workload.input, 0.95) >= SPREAD_RATIO * median


def cheapest_shapes(holding: Sequence[Prospect]) -> tuple[Shape, ...]:
    """Shapes with a dated price, those that are cheapest alone first."""
    dated = sorted((each for each in holding if _buyable(each)), key=lambda each: each.rank)
    return tuple(each.shape for each in dated[:SHAPES])


def split_fleets(
    shapes: Sequence[Shape], asked: Requirements, load: Rate, workload: Workload, stock: Stock
) -> Iterator[FleetPlan]:
    """One fleet per threshold: short prompts and long ones."""
    for share in THRESHOLDS:
        threshold = quantile_tokens(workload.input, share)
        pools: list[Prospect] = []
        for part, (low, high) in ((share, (0.0, share)), (1 - share, (share, 1.0))):
            own = replace(workload, input=length_between(workload.input, low, high))
            pool = _pool(shapes, asked, replace(load, per_s=load.per_s * part), own, stock)
            if pool is not None:
                pools.append(pool)
        if len(pools) == 2:
            yield FleetPlan("split", tuple(pools), math.floor(threshold))


def disaggregated_fleets(
    shapes: Sequence[Shape], asked: Requirements, load: Rate, workload: Workload, stock: Stock
) -> Iterator[FleetPlan]:
    """One fleet for each of the first `GPUS` types: prefill answers for the first token, decode for the others."""
    first = tuple(each for each in asked.slos if each.metric in FIRST_TOKEN_METRICS)
    others = tuple(each for each in asked.slos if each.metric not in FIRST_TOKEN_METRICS)
    prompts = replace(workload, output=FixedLength(tokens=1))
    for gpu in islice(dict.fromkeys(each.deployment.node.gpu.key for each in shapes), GPUS):
        own = [each for each in shapes if each.deployment.node.gpu.key == gpu]
        prefill = _pool(own, replace(asked, slos=first), load, prompts, stock)
        decode = _pool(own, replace(asked, slos=others), load, workload, stock, prefilled=True)
        if prefill is not None and decode is not None:
            yield FleetPlan("disaggregated", (prefill, decode))


def mixed_fleets(
    holding: Sequence[Prospect], demand: float, below_usd: float, stock: Stock
) -> list[FleetPlan]:
    """Two kinds of GPU behind one router, cheaper than `below_usd` a month; cheapest first."""
    best: dict[str, Prospect] = {}
    for each in filter(_buyable, holding):
        key = each.shape.deployment.node.gpu.key
        if key not in best or _usd_per_load(each) < _usd_per_load(best[key]):
            best[key] = each
    few = sorted(best.values(), key=_usd_per_load)[:PAIRS]
    found: dict[tuple[object, ...], FleetPlan] = {}
    for one, other in permutations(few, 2):
        each_one, each_other = one.most / one.working.replicas, other.most / other.working.replicas
        for count in range(1, math.ceil(demand / each_one)):
            rest = math.ceil((demand - count * each_one) / each_other - 1e-9)
            pools = (_sized(one, count, stock), _sized(other, rest, stock))
            plan = FleetPlan("mixed", pools)
            if len(plan.bills) == 2 and plan.usd_per_month < below_usd:
                found.setdefault(tuple(sorted((each.row, each.replicas) for each in pools)), plan)
    return sorted(found.values(), key=lambda each: each.usd_per_month)


def length_between(length: Length, low: float, high: float) -> Length:
    """The part of a length distribution between two of its quantiles."""
    probabilities = (0.0, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 1.0)
    tokens = [max(1.0, quantile_tokens(length, low + p * (high - low))) for p in probabilities]
    return QuantileLength(knots=tuple(zip(probabilities, tokens, strict=True)))


def _pool(
    shapes: Sequence[Shape],
    asked: Requirements,
    load: Rate,
    workload: Workload,
    stock: Stock,
    *,
    prefilled: bool = False,
) -> Prospect | None:
    """The cheapest shape with as many replicas as a part of the requests needs; None where none holds."""
    if not shapes:
        return None
    forms = columns(shapes, load, workload)
    if prefilled:
        demand = forms.requests.demand
        cached = demand.input_tokens - 1
        forms = forms._replace(
            requests=forms.requests._replace(demand=demand._replace(cached_tokens=cached))
        )
    own = replace(asked, budget_usd_per_month=None, max_gpus=None)
    found = prospects_of(shapes, forms, own, load, stock)
    return min(filter(_buyable, found.holding), key=lambda each: each.rank, default=None)


def _sized(prospect: Prospect, count: int, stock: Stock) -> Prospect:
    """The same shape with so many working replicas, and the spare ones."""
    deployment, replicas = prospect.shape.deployment, count + prospect.spare
    bills = stock.bills(deployment.node.gpu.key, deployment.parallelism.gpus, replicas)
    each = prospect.most / prospect.working.replicas
    return prospect._replace(replicas=replicas, bills=bills, most=each * count)


def _usd_per_load(prospect: Prospect) -> float:
    return (prospect.usd_per_month or math.inf) / prospect.most


def _buyable(prospect: Prospect) -> bool:
    """With a dated price, and no consumer card where none was asked for."""
    return prospect.merits.tier == 0 and not prospect.consumer
