"""Fitted numbers of the step-time model, each with its uncertainty."""

from __future__ import annotations

from servemark.domain.record import Record


class Fitted(Record, frozen=True, kw_only=True):
    """A fitted value and its relative standard error (0.1 = 10 %)."""

    value: float
    relative_error: float


class Coefficients(Record, frozen=True, kw_only=True):
    """How far one (GPU, dtype, engine) stays below its data sheet, and its fixed costs.

    The formulas that use them stand in `physics/step.py`.
    """

    gpu: str
    dtype: str
    engine: str
    engine_version: str | None = None
    compute_efficiency: Fitted
    memory_efficiency: Fitted
    kv_efficiency: Fitted
    attention_efficiency: Fitted
    link_efficiency: Fitted
    collective_latency_s: Fitted
    layer_overhead_s: Fitted
    """Per layer and step."""
    token_overhead_s: Fitted
    """Per token of the step."""
    sequence_overhead_s: Fitted
    """Per sequence of the step (sampling, detokenizing)."""
    step_overhead_s: Fitted
    """Per step."""
    request_overhead_s: Fitted
    """Once per request, outside the steps (HTTP, tokenizing): adds to TTFT only."""
    rows: int = 0
    """Measured rows behind the fit; 0 = inherited."""
    inherited_from: str | None = None
    source: str = ""
    date: str = ""
