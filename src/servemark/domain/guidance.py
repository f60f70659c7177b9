"""The guide: what can be done with some money, section by section, every figure computed."""

from __future__ import annotations

from typing import Literal, get_args

from servemark.domain.gpu import Gpu
from servemark.domain.model import ModelArch
from servemark.domain.offer import Offer
from servemark.domain.record import Record
from servemark.domain.training import Estimate

Topic = Literal["serving", "training", "images", "speech", "graphics", "genome", "rules"]
TOPICS: tuple[Topic, ...] = get_args(Topic)
Value = str | int | float | Estimate | None
"""What a cell holds; None where there is no figure."""
Style = Literal["text", "number", "usd", "percent", "count"]


class Heading(Record, frozen=True, kw_only=True):
    """One column of a section."""

    key: str
    """Its name in JSON; ends with the unit."""
    label: str
    unit: str = ""
    style: Style = "number"
    appended: bool = False
    """Shown behind the column before, where both have a figure."""


class GuideSection(Record, frozen=True, kw_only=True):
    """One table with the sentence that its numbers say."""

    key: str
    title: str
    finding: str
    """Written from the rows, never by hand."""
    headings: tuple[Heading, ...]
    rows: tuple[tuple[Value, ...], ...]
    formula: str = ""
    sources: tuple[str, ...] = ()
    not_modelled: str = ""
    brief: bool = False
    """The terminal shows the finding alone."""


class GuideQuestion(Record, frozen=True, kw_only=True):
    """What may be spent, on what."""

    budget_usd_per_month: float | None = None
    model: ModelArch | None = None
    """Only this one; None = the usual sizes."""
    topics: tuple[Topic, ...] = TOPICS
    brief: tuple[Topic, ...] = ()
    """Topics of which the terminal shows the finding alone."""
    gpus: tuple[Gpu, ...]
    offers: tuple[Offer, ...]


class Share(Record, frozen=True, kw_only=True):
    """One GPU type at its cheapest dated offer, and how much of it the money pays."""

    gpu: Gpu
    offer: Offer
    gpus: int
    """That run all month; 1 where the money pays for a part of the month only."""
    hours_ratio: float
    """Share of the month that this many are paid for; 1 = always on."""

    @property
    def usd_per_gpu_hour(self) -> float:
        """Of the offer."""
        return self.offer.price_usd_per_hour / self.offer.gpus


class Guide(Record, frozen=True, kw_only=True):
    """The answer."""

    question: GuideQuestion
    sentence: str
    shares: tuple[Share, ...]
    sections: tuple[GuideSection, ...]
    notes: tuple[str, ...] = ()
