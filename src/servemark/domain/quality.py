"""The experiment on answers under load: what each level came to, the controls, and the verdict by family.

H0: more concurrent requests have no harmful effect on failure rate, latency or answer quality. H1: they have.
"""

from __future__ import annotations

from typing import Literal

from servemark.domain.exchange import Check
from servemark.domain.record import Record
from servemark.domain.workload import Load

Family = Literal["failures", "latency", "quality"]
FAMILIES: tuple[Family, ...] = ("failures", "latency", "quality")
FamilyWord = Literal["harmed", "slower", "not harmed", "inconclusive"]
"""harmed: beyond the promise (or the margin) and beyond chance; slower: of latency only, it rises within the
promise; not harmed: harm above the margin is ruled out; inconclusive: neither can be said from this many items."""
Interval = tuple[float, float]


class CheckRate(Record, frozen=True, kw_only=True):
    """One check at one load, and against the same items alone. `useful` counts any defect above minor."""

    check: Check | Literal["useful"]
    n: int
    """Complete answers that it applied to."""
    failed: int
    ratio: float | None = None
    """failed / n."""
    interval: Interval | None = None
    """95 % interval of `ratio`."""
    pairs: int = 0
    """Items that it applied to at both loads."""
    broke: int = 0
    """Right alone, wrong here."""
    healed: int = 0
    """Wrong alone, right here."""
    difference: float | None = None
    """(broke - healed) / pairs: the paired loss; above 0 is worse than alone."""
    difference_interval: Interval | None = None
    """95 % interval of `difference`."""
    p_value: float | None = None
    """Exact McNemar, one-sided for harm, adjusted by Holm over checks and loads."""
    floor_ratio: float | None = None
    """Net share of items by which two runs of one load differ, `|broke - healed| / pairs`: the A/A noise floor."""


class LevelQuality(Record, frozen=True, kw_only=True):
    """The answers of one load."""

    asked: int
    """Requests sent, without warm-up."""
    complete: int
    useful: int
    """Complete, and without a defect above minor."""
    accuracy_ratio: float | None = None
    """useful / complete: quality apart from transport."""
    accuracy_interval: Interval | None = None
    useful_ratio: float | None = None
    """useful / asked: what the users got."""
    useful_interval: Interval | None = None
    changed_ratio: float | None = None
    """Share of complete answers whose text differs from that of the same item alone."""
    loss_ratio: float | None = None
    """Paired loss of `useful` against the same items alone; above 0 is worse."""
    loss_interval: Interval | None = None
    loss_bound_ratio: float | None = None
    """A loss above it is ruled out at this load: one-sided 95 % bound, below the upper end of the interval."""
    rates: tuple[CheckRate, ...] = ()


class Control(Record, frozen=True, kw_only=True):
    """A load measured twice: what differs without any difference in load."""

    kind: Literal["drift", "noise"]
    """drift: the lowest load in the first and the last block; noise: the highest load twice."""
    load: Load
    pairs: int
    """Items with a complete answer in both."""
    changed_text: int
    broke: int
    """Useful the first time, not the second."""
    healed: int
    difference: float | None = None
    difference_interval: Interval | None = None
    p_value: float | None = None
    """Exact McNemar, two-sided."""
    failures: tuple[float, float] | None = None
    """Share of failed requests the first and the second time."""
    e2e_p50_s: tuple[float, float] | None = None


class FamilyVerdict(Record, frozen=True, kw_only=True):
    """The verdict on one family of H0."""

    family: Family
    word: FamilyWord
    sentence: str
    """The verdict in one sentence, with its figures."""
    test: str
    """Name of the test behind it."""
    statistic: float | None = None
    p_value: float | None = None
    effect: float | None = None
    effect_unit: str = ""
    """`points` (hundredths), `factor per doubling`."""
    effect_interval: Interval | None = None
    worst_load: Load | None = None
    """Where it is worst."""
    margin: float | None = None
    """The harm that had to be ruled out, in the unit of the effect at `worst_load`."""
    items_needed: int | None = None
    """Of an inconclusive verdict: items that would decide it."""
    would_change: str = ""
    """What would change this verdict."""


class QualityVerdict(Record, frozen=True, kw_only=True):
    """The whole experiment."""

    suite: str
    items: int
    blocks: int
    alpha: float = 0.05
    margin_ratio: float = 0.03
    families: tuple[FamilyVerdict, ...]
    controls: tuple[Control, ...] = ()
    homogeneity_p: float | None = None
    """Cochran's Q over all loads, on the items complete at every one."""
    notes: tuple[str, ...] = ()
