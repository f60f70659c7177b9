"""Measured rows -> predictions beside them: speeds in closed form, TTFT under load from the simulator."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import msgspec
from msgspec.structs import replace

from servemark.calibration.observations import Observation, predicted
from servemark.calibration.replays import replayed
from servemark.calibration.saturation import utilization_ratio
from servemark.calibration.settings import observation
from servemark.domain.coefficients import Coefficients
from servemark.domain.model import ModelArch
from servemark.domain.score import MeasuredRow, ScoredRow, Unpredicted
from servemark.physics.bands import MetricFamily, band, log_error
from servemark.physics.memory import memory_budget
from servemark.units import MS

Progress = Callable[[str], None]
FAMILIES: dict[str, MetricFamily] = {
    "throughput": "throughput", "tpot": "tpot", "itl": "tpot", "e2e": "tpot", "ttft": "ttft",
}  # fmt: skip
"""Whose residual error a metric shares."""
UNITS = {"ms": MS, "s": 1.0, "tok/s": 1.0, "tok/s/gpu": 1.0}
"""Units of values, in SI."""


class Case(NamedTuple):
    """A row that can be predicted, and what it means."""

    row: MeasuredRow
    observation: Observation


def cases_of(
    rows: Iterable[MeasuredRow], find_model: Callable[[str], ModelArch] | None = None
) -> tuple[list[Case], list[Unpredicted]]:
    """Rows that can be predicted, and those that cannot, each with the reason."""
    cases: list[Case] = []
    refused: list[Unpredicted] = []
    for row in rows:
        found = _meaning(row, find_model)
        if isinstance(found, str):
            refused.append(Unpredicted(row=row, reason=found))
        else:
            cases.append(Case(row, found))
    return cases, refused


def _meaning(row: MeasuredRow, find_model: Callable[[str], ModelArch] | None) -> Observation | str:
    """The row as an observation that can be served, or why not."""
    if row["unit"].strip().lower() not in UNITS:
        return f"unit {row['unit']!r} is none of {', '.join(UNITS)}"
    found = observation(row.cells, find_model=find_model)
    return found if isinstance(found, str) else _shortage(found) or found


def _shortage(found: Observation) -> str | None:
    """Why not even one sequence can be served; None = it can.

    Short of the card by a hair is no reason: the rows were measured.
    """
    tokens = math.ceil(found.input_tokens + found.output_tokens)
    budget = memory_budget(found.deployment, sequence_tokens=tokens)
    return None if budget.kv_tokens >= tokens else f"does not fit: {budget.sum}"


def scored_rows(
    cases: Sequence[Case], coefficients: Sequence[Coefficients]
) -> list[ScoredRow | Unpredicted]:
    """Each row beside its prediction with its own coefficients, in order."""
    values = [float(v) for v in predicted([case.observation for case in cases], coefficients)]
    played: dict[tuple[bytes, int], float] = {}
    for i, (case, each) in enumerate(zip(cases, coefficients, strict=True)):
        if is_played(case.observation):
            # several rows may tell of one run: mean and percentiles, or the same value twice
            key = (_procedure(case.observation), id(each))
            if key not in played:
                played[key] = replayed(case.observation, each)
            values[i] = played[key]
    return [_scored(*each) for each in zip(cases, coefficients, values, strict=True)]


def is_played(found: Observation) -> bool:
    """Whether the simulator predicts it: a run at a rate, and what includes queueing in a closed loop."""
    return found.kind == "open" or (found.kind == "closed" and found.metric in ("ttft", "e2e"))


def _procedure(found: Observation) -> bytes:
    """All of an observation that its replay depends on, as text."""
    return msgspec.json.encode(
        replace(found, value=0.0, relative_error=0.0, source="", source_version="", labels={})
    )


def _scored(case: Case, coefficients: Coefficients, value: float) -> ScoredRow | Unpredicted:
    row, found = case
    if not 0 < value < math.inf:
        return Unpredicted(row=row, reason="no steady state: the KV pool holds less than one sequence")
    low, high = band(value, prediction_log_error(found, coefficients))
    unit = value_unit(row)
    return ScoredRow(
        row=row,
        value=value / unit,
        band=(low / unit, high / unit),
        utilization_ratio=utilization_ratio(found, coefficients) if found.metric == "ttft" else None,
    )


def prediction_log_error(found: Observation, coefficients: Coefficients) -> float:
    """Standard error of the logarithm of the predicted value."""
    running = found.sequences
    if found.kind in ("max", "open"):
        tokens = found.input_tokens + found.output_tokens
        held = memory_budget(found.deployment, sequence_tokens=math.ceil(tokens)).kv_tokens / tokens
        running = max(1.0, min(held, found.deployment.engine.max_num_seqs, found.requests or math.inf))
    prompt = found.metric == "ttft" or found.counted == "input"
    return log_error(
        found.deployment,
        coefficients,
        metric=FAMILIES[found.metric],
        decodes=running,
        context_tokens=running * (found.input_tokens + found.output_tokens / 2),
        prefill_tokens=found.input_tokens if prompt else 0.0,
    )


def value_unit(row: MeasuredRow) -> float:
    """SI units in one unit of the row's value."""
    return UNITS[row["unit"].strip().lower()]
