"""Capacity: the highest load at which every promise still holds."""

from __future__ import annotations

from typing import Literal

from servemark.domain.record import Record
from servemark.domain.workload import Load, Slo

VerdictWord = Literal["holds", "breaks", "undecided"]


class SloVerdict(Record, frozen=True, kw_only=True):
    """One SLO at one load."""

    slo: Slo
    value: float | None
    interval: tuple[float, float] | None = None
    """95 % interval of the value: sampling error."""
    band: tuple[float, float] | None = None
    """80 % band of the value: prediction error. The verdict is that of the value itself."""
    verdict: VerdictWord
    margin: float | None = None
    """Room to the limit as a share of it: (limit - value) / limit; negative when broken."""
    reason: str = ""
    """Why undecided: too few requests (and how many are needed), or the instrument's own lag."""
    requests_needed: int | None = None

    @property
    def is_within_error(self) -> bool:
        """The limit lies inside the band: a prediction cannot tell on which side the truth is."""
        return self.band is not None and self.band[0] < self.slo.limit < self.band[1]


class Verdict(Record, frozen=True, kw_only=True):
    """All SLOs at one load: breaks if one breaks, else undecided if one is, else holds."""

    word: VerdictWord
    slos: tuple[SloVerdict, ...]


class Capacity(Record, frozen=True, kw_only=True):
    """The answer. `load` is None when no tested load holds."""

    load: Load | None
    binding: Slo | None = None
    """The SLO with the least margin at that load (with `load` None: at the lowest load)."""
    margin: float | None = None
    """Its margin, as a share of its limit."""
    first_broken: Load | None = None
    """The lowest tested load that breaks a promise; None = the search stopped short of the limit."""
    broken_by: Slo | None = None
    """The SLO that breaks there by the most."""
    band: tuple[float, float] | None = None
    """Of a prediction: the loads that would still hold were every time at the slow, and at the fast end of its
    80 % band; `load` lies between. 0 where not even the lowest tested load holds; what holds at the highest
    tested load ends there."""
