"""What hardware costs: the price of an instance, which one can rent, and the price of a GPU, which one cannot.

Two records, so that neither passes for the other: what is rented is an `Offer`, a whole instance; a
`GpuPrice` only compares. Every price says when it was observed and where.
"""

from __future__ import annotations

from datetime import date
from typing import Literal, get_args

from servemark.domain.record import Record

Purchase = Literal["on-demand", "spot", "1-year", "3-year", "reserved", "capacity-block", "owned"]
"""How it is paid for. `reserved`: for a term that the source does not state."""
PURCHASES: tuple[Purchase, ...] = get_args(Purchase)
Confidence = Literal["low", "medium", "high"]
CONFIDENCES: tuple[Confidence, ...] = get_args(Confidence)

UNDATED = "undated"
STALE_DAYS = 30
"""A price observed longer ago is marked."""


class Offer(Record, frozen=True, kw_only=True):
    """An instance with GPUs at its price per hour."""

    provider: str
    instance: str
    """The provider's name of the instance."""
    region: str = "unstated"
    gpu: str
    """Key of the GPU in the catalogue."""
    gpus: int = 1
    vcpu: int | None = None
    ram_bytes: float | None = None
    price_usd_per_hour: float
    """Of the whole instance."""
    currency: str = "USD"
    """The currency that the source quotes in."""
    purchase: Purchase = "on-demand"
    observed: str
    """A day (`2026-11-09`), a month (`2024-12`), or `undated`, with bounds where known (`undated >=2025-07`)."""
    source: str
    confidence: Confidence = "low"
    """high: the provider's own price list read on that day; medium: somebody's dated copy of it; low: the rest."""
    gpu_share_ratio: float = 1.0
    """Share of the GPU that the instance gets."""
    variant_stated: bool = True
    """False where the source names the GPU's family only, and `gpu` is the member it was taken for."""
    withdrawn: str = ""
    """Since when it can no longer be rented; empty = it can."""
    note: str = ""

    @property
    def dated(self) -> bool:
        """Whether the day or the month of the price is known. An undated price never wins a ranking alone."""
        return not self.observed.startswith(UNDATED)

    @property
    def per_gpu(self) -> GpuPrice:
        """What one of its GPUs costs: for comparison, nobody rents it apart."""
        return GpuPrice(
            provider=self.provider,
            gpu=self.gpu,
            usd_per_gpu_hour=self.price_usd_per_hour / (self.gpus * self.gpu_share_ratio),
            observed=self.observed,
            source=self.source,
            confidence=self.confidence,
            variant_stated=self.variant_stated,
            note=f"1 of {self.gpus} GPUs of {self.instance}" if self.gpus > 1 else self.instance,
        )

    @property
    def title(self) -> str:
        """`aws p5.48xlarge (8 x h100-sxm, on-demand)`."""
        return f"{self.provider} {self.instance} ({self.gpus} x {self.gpu}, {self.purchase})"


class GpuPrice(Record, frozen=True, kw_only=True):
    """What one GPU costs per hour, as an average or as a share of an instance: nothing that can be rented."""

    provider: str
    gpu: str
    usd_per_gpu_hour: float
    purchase: Purchase = "on-demand"
    observed: str
    source: str
    confidence: Confidence = "low"
    variant_stated: bool = True
    note: str = ""


def age_days(observed: str, today: date) -> int | None:
    """Days since a price was observed (a month: since its last day); None where it is undated."""
    if observed.startswith(UNDATED):
        return None
    parts = [int(part) for part in observed.split("-")]
    if len(parts) == 3:
        return (today - date(*parts)).days
    year, month = parts
    last = date(year + month // 12, month % 12 + 1, 1).toordinal() - 1
    return max(0, today.toordinal() - last)
