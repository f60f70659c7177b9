"""Fitted numbers of the step-time model, each with its uncertainty."""

from __future__ import annotations

from servemark.domain.record import Record


class Fitted(Record, frozen=True, kw_only=True):
    """A fitted value and its relative standard error (0.1 = 10 %)."""

    value: float
    relative_error: float


class FittedRange(Record, frozen=True, kw_only=True):
    """What the rows behind a fit span; beyond it a prediction extrapolates."""

    sequences: int
    """Most sequences in one step."""
    context_tokens: float
    """Longest sequence, prompt and answer."""
    params: tuple[float, float]
    """Smallest and largest model, in parameters that are loaded."""
    gpus: int
    """Most GPUs of one replica."""


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
    expert_efficiency: Fitted = Fitted(value=1.0, relative_error=0.0)
    """Routed experts against the dense layers, in reading and in computing (grouped GEMMs)."""
    expert_overhead_s: Fitted = Fitted(value=0.0, relative_error=0.0)
    """Per layer of routed experts and step: routing, sorting and adding up."""
    decode_attention_efficiency: Fitted = Fitted(value=0.5, relative_error=0.4)
    """Of the FLOP/s, in the attention of decoding sequences."""
    prompt_overhead_s: Fitted = Fitted(value=0.0, relative_error=0.0)
    """Per prompt of a step, on the host."""
    power_drop: Fitted = Fitted(value=0.0, relative_error=0.0)
    """How much longer computing takes when nothing else holds it up: clocks fall at the power limit."""
    time_ratio: Fitted = Fitted(value=1.0, relative_error=0.0)
    """Step time of one model's kernels over what the other coefficients give: 1 where the model is unknown."""
    correlations: tuple[tuple[float, ...], ...] = ()
    """Of the errors above, in the order of the fields, shape (fields, fields); empty = independent."""
    residual_log_errors: dict[str, float] = {}
    """Standard error of a predicted value that remains when the coefficients are exact, in log units, by
    metric family: `throughput`, `tpot`, `ttft`."""
    fitted_range: FittedRange | None = None
    """None where nothing of the kind was measured."""
    rows: int = 0
    """Measured rows behind the fit; 0 = inherited."""
    inherited_from: str | None = None
    source: str = ""
    date: str = ""
