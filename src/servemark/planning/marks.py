"""What a reader should know of a deployment before signing for it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from servemark.domain.bill import Bill
from servemark.domain.deployment import Deployment
from servemark.planning.formats import Format, format_marks

BEYOND_WORDS: Final = "beyond the measured range"
"""How a mark of what is extrapolated begins."""


def marks_of(deployment: Deployment, bill: Bill | None, extrapolations: Sequence[str]) -> tuple[str, ...]:
    """Formats, price, card and what the prediction extrapolates, one phrase each."""
    gpu = deployment.node.gpu
    marks = list(format_marks(deployment.model, Format(deployment.dtype, deployment.kv_dtype), gpu))
    if bill is None:
        marks.append("no price")
    elif not bill.offer.dated:
        marks.append("price undated")
    elif bill.offer.confidence == "low":
        marks.append("price of low confidence")
    if gpu.tier == "consumer" and gpu.vendor == "nvidia":
        # NVIDIA's licence of the GeForce driver: no data-centre deployment
        marks.append("consumer card: its driver licence excludes data centres")
    marks += [f"{BEYOND_WORDS}: {each}" for each in extrapolations]
    return tuple(marks)
