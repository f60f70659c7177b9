"""How much of each GPU type some money pays, at its cheapest dated offer."""

from __future__ import annotations

from collections.abc import Sequence

from servemark.domain.bill import MONTH_HOURS
from servemark.domain.guidance import GuideQuestion, GuideSection, Heading, Share, Value
from servemark.domain.offer import Offer
from servemark.units import GB

TIERS = ("data-centre", "professional", "consumer")


def shares_of(question: GuideQuestion) -> tuple[Share, ...]:
    """One share per GPU type with a dated offer: the most GPUs always on, or one for a part of the month.

    Without a budget: one of each. By tier, cheapest first.
    """
    found: list[Share] = []
    for gpu in question.gpus:
        dated = [each for each in question.offers if each.gpu == gpu.key and each.dated]
        if dated:
            offer, gpus, hours = _most(dated, question.budget_usd_per_month)
            found.append(Share(gpu=gpu, offer=offer, gpus=gpus, hours_ratio=hours))
    return tuple(sorted(found, key=lambda each: (TIERS.index(each.gpu.tier), each.usd_per_gpu_hour)))


def _most(dated: list[Offer], budget_usd_per_month: float | None) -> tuple[Offer, int, float]:
    """The offer, how many GPUs it gives, and for what share of the month."""
    if budget_usd_per_month is None:
        least = min(each.gpus for each in dated)
        offer = min((o for o in dated if o.gpus == least), key=lambda o: o.price_usd_per_hour)
        return offer, offer.gpus, 1.0
    hourly = budget_usd_per_month / MONTH_HOURS
    affordable = [each for each in dated if each.price_usd_per_hour <= hourly]
    if affordable:
        offer = max(affordable, key=lambda each: (each.gpus, -each.price_usd_per_hour))
        return offer, offer.gpus, 1.0
    offer = min(dated, key=lambda each: each.price_usd_per_hour)
    return offer, offer.gpus, hourly / offer.price_usd_per_hour


PART = "*"
"""Behind a type that the money pays for a part of the month only."""


def share_words(share: Share) -> str:
    """`2 x rtx-4090`; `1 x l40s*` for a part of the month."""
    return f"{share.gpus} x {share.gpu.key}{PART if share.hours_ratio < 1 else ''}"


def all_month(shares: Sequence[Share], rows: Sequence[tuple[Value, ...]]) -> list[tuple[Value, ...]]:
    """The rows of what runs all month, or of everything where nothing does. Each row begins with its share."""
    words = {share_words(each) for each in shares if each.hours_ratio >= 1}
    return [row for row in rows if row[0] in words] if words else list(rows)


def share_section(question: GuideQuestion, shares: tuple[Share, ...]) -> GuideSection:
    """What the money buys."""
    budget = question.budget_usd_per_month
    headings = (
        Heading(key="gpu", label="GPU", style="text"),
        Heading(key="tier", label="tier", style="text"),
        Heading(key="memory_gb", label="memory", unit="GB"),
        Heading(key="usd_per_gpu_hour", label="each", unit="$/h", style="usd"),
        Heading(key="gpus", label="GPUs", style="count"),
        Heading(key="month_ratio", label="of month", style="percent"),
        Heading(key="provider", label="offer", style="text"),
        Heading(key="observed", label="", style="text", appended=True),
        Heading(key="confidence", label="price", style="text"),
    )
    rows = tuple(
        (
            each.gpu.key,
            each.gpu.tier,
            each.gpu.memory_nominal_bytes / GB,
            each.usd_per_gpu_hour,
            each.gpus,
            each.hours_ratio,
            each.offer.provider,
            each.offer.observed,
            each.offer.confidence,
        )
        for each in shares
    )
    return GuideSection(
        key="money",
        title="what the money buys",
        finding=_finding(budget, shares),
        headings=headings,
        rows=rows,
        formula=(
            f"GPUs that run all {MONTH_HOURS:.0f} hours of a month at the cheapest dated offer; price: how sure it is"
        ),
        sources=tuple(sorted({each.offer.source for each in shares})),
        not_modelled="storage, network, tax, minimum terms; undated and spot prices",
    )


def _finding(budget: float | None, shares: tuple[Share, ...]) -> str:
    if budget is None:
        return f"{len(shares)} GPU type{'s have' if len(shares) != 1 else ' has'} a dated offer."
    always = [each for each in shares if each.hours_ratio >= 1]
    part = len(shares) - len(always)
    hourly = budget / MONTH_HOURS
    words = ", ".join(share_words(each) for each in always) or "nothing"
    return (
        f"${budget:,.{0 if budget >= 10 else 2}f} a month is ${hourly:.{2 if hourly >= 0.01 else 5}f} an hour. "
        f"All month it pays {words}"
        f"{f'; {part} dearer types for a part of the month only (*)' if part else ''}."
    )
