"""A plan: what to buy for a demand, the alternatives, and why every other deployment lost."""

from __future__ import annotations

from typing import Literal

from servemark.domain.bill import Bill, Spread
from servemark.domain.capacity import Capacity, SloVerdict
from servemark.domain.deployment import Deployment
from servemark.domain.fleet import Fleet
from servemark.domain.model import ModelArch
from servemark.domain.offer import Purchase
from servemark.domain.place import Place
from servemark.domain.record import Record
from servemark.domain.run import Level
from servemark.domain.startup import ColdStart, WeightsFrom
from servemark.domain.workload import Load, Slo, Workload

PLAN_SCHEMA = "servemark.plan/1"

Reason = Literal["does_not_fit", "slo", "budget", "unsupported", "dominated"]
REASONS: tuple[Reason, ...] = ("unsupported", "does_not_fit", "slo", "budget", "dominated")
"""Why a deployment lost, in the order in which it is found out:

unsupported: the GPU or the engine cannot run it; does_not_fit: memory; slo: a promise breaks; budget: it
holds, but needs more money or GPUs than allowed; dominated: it holds, but another one is at least as good
in price, latency, speed and headroom, and better in one of them.
"""


class Requirements(Record, frozen=True, kw_only=True):
    """What was asked: the demand, its promises, and what may be spent."""

    model: ModelArch
    workload: Workload
    load: Load
    """The peak: users, a rate, or the replay of a trace or profile at the speed that gives the rate."""
    replay_per_s: float | None = None
    """Of a replay, requests per second at the peak, on average."""
    slos: tuple[Slo, ...]
    slos_assumed: bool = False
    """Nobody gave any: the defaults stand."""
    budget_usd_per_month: float | None = None
    max_gpus: int | None = None
    headroom_ratio: float = 0.0
    """How far above `load` the deployment has to hold: 0.2 = at 1.2 times the peak."""
    spare_replicas: int = 0
    """Replicas beyond what the load needs (N+1 = 1)."""
    consumer: bool = False
    """Consumer cards may be the choice: they were asked for by name. Otherwise they are alternatives."""
    providers: tuple[str, ...] = ()
    """Empty = all."""
    regions: tuple[str, ...] = ()
    purchases: tuple[Purchase, ...] = ("on-demand",)
    gpus: tuple[str, ...] = ()
    """Keys of the GPUs that were searched."""
    users_in: Place | None = None
    """Where the users are: the round trip to the offer's region is stated."""
    weights_from: WeightsFrom = "object-storage"
    """Where a replica that starts reads its weights."""
    seed: int = 0


class Candidate(Record, frozen=True, kw_only=True):
    """A deployment that keeps every promise at the load, within the budget."""

    deployment: Deployment
    """Of a fleet of several pools: the largest pool."""
    fleet: Fleet | None = None
    """Only where there are several pools."""
    bill: Bill | None = None
    """The cheapest dated offer, or an undated one where none is dated; None = no offer covers it."""
    pool_bills: tuple[Bill, ...] = ()
    """Of a fleet, one for each pool; `bill` is then that of the largest."""
    elsewhere: tuple[Bill, ...] = ()
    """The cheapest bill of each other provider, cheapest first."""
    method: Literal["closed form", "simulation"]
    """How its promises were judged."""
    verdicts: tuple[SloVerdict, ...]
    ttft_p95_s: float | None
    tpot_p95_s: float | None
    output_tokens_per_s: float
    """Of all replicas, at the load."""
    capacity: Capacity
    """The most load that keeps the promises, with its 80 % band."""
    monthly_usd: Spread | None = None
    """Dollars per month; range: with the fewest replicas that hold were every time at the fast and at the slow
    end of its 80 % band."""
    output_token_usd: Spread | None = None
    """Dollars per output token, at the load all the time; range: as above."""
    slow_end_holds: bool = True
    """Whether some number of replicas holds at the slow end; otherwise the range ends at what is bought."""
    keeps_precision: bool = True
    """Weights and KV cache as published; otherwise answers may change a little."""
    marks: tuple[str, ...] = ()
    """What a reader should know: undated price, extrapolation, weight-only format."""

    @property
    def usd_per_month(self) -> float | None:
        """Of all pools; None = no price."""
        bills = self.pool_bills or ((self.bill,) if self.bill else ())
        return sum(bill.usd_per_month for bill in bills) if bills else None

    @property
    def gpus(self) -> int:
        """GPUs that work, of all pools."""
        return sum(bill.gpus_used for bill in self.pool_bills) or self.deployment.gpus

    @property
    def dated(self) -> bool:
        """Whether every price has a date."""
        bills = self.pool_bills or ((self.bill,) if self.bill else ())
        return bool(bills) and all(bill.offer.dated for bill in bills)


class Rejection(Record, frozen=True, kw_only=True):
    """A deployment that lost, and why."""

    deployment: Deployment
    reason: Reason
    detail: str
    """One phrase with its number: what is missing, which promise breaks and by how much, how much dearer."""
    excess_ratio: float | None = None
    """By how much, as a share: memory over what there is, the worst value over its limit, dollars over the
    budget or over the choice. For ranking the nearest miss."""
    usd_per_month: float | None = None
    verdicts: tuple[SloVerdict, ...] = ()
    """Where promises were judged."""
    method: Literal["closed form", "simulation", ""] = ""
    fleet: Fleet | None = None


class Outlook(Record, frozen=True, kw_only=True):
    """The choice under more load than was asked for. Levels are simulated and hold no raw rows."""

    at_peak: Level
    doubled: Level
    """At twice the peak."""
    doubled_holds_with: int | None = None
    """Replicas that carry twice the peak; None = not found."""
    doubled_usd_per_month: float | None = None
    """What so many replicas (and the spare ones) cost on the same offer."""
    at_break: Level | None = None
    """At the lowest load found that breaks a promise."""
    cold_start: ColdStart | None = None
    """Of one more replica, on an instance that has to boot."""
    round_trip_s: tuple[float, float, float] | None = None
    """Least, usual and most, from `Requirements.users_in` to the region of the offer: adds to every TTFT. None
    where one of them is not known."""


class Miss(Record, frozen=True, kw_only=True):
    """Where nothing holds: the deployment that came nearest, and what would make it hold."""

    rejection: Rejection
    remedies: tuple[str, ...]


class Plan(Record, frozen=True, kw_only=True):
    """The answer. Every deployment that was looked at is the choice, an alternative or rejected:

    `candidates_evaluated == (choice is not None) + len(alternatives) + len(rejected)`.
    """

    schema: str = PLAN_SCHEMA
    requirements: Requirements
    candidates_evaluated: int
    elapsed_s: float
    choice: Candidate | None
    """The cheapest that keeps every promise; dated prices come before undated ones and those before none,
    data-centre and professional cards before consumer ones."""
    alternatives: tuple[Candidate, ...] = ()
    """Not dominated: dearer than the choice, but better in latency, speed, headroom or precision; or cheaper,
    but on consumer cards or without a dated price, and marked so. In order of rank."""
    rejected: tuple[Rejection, ...] = ()
    outlook: Outlook | None = None
    miss: Miss | None = None
    """Where there is no choice."""
    notes: tuple[str, ...] = ()
    date: str = ""
    """Day on which it was made."""
    servemark: str = ""
    """Version that made it."""
