"""The diagnosis of a published test: what its own figures allow, and what they do not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from servemark.diagnosis.published_answers import (
    contradictions_by_design,
    language_not_supported,
    zero_events,
)
from servemark.diagnosis.published_case import Case, deciding_command
from servemark.diagnosis.published_failures import rates_indistinguishable, tool_schema_suspected
from servemark.diagnosis.published_levels import latency_sub_linear, subject_and_load_confounded
from servemark.diagnosis.published_memory import pool_not_model
from servemark.domain.coefficients import Coefficients
from servemark.domain.deployment import Deployment
from servemark.domain.finding import Finding
from servemark.domain.published_test import PublishedTest

RULES: Final[tuple[Callable[[Case], Finding | None], ...]] = (
    pool_not_model,
    rates_indistinguishable,
    latency_sub_linear,
    tool_schema_suspected,
    subject_and_load_confounded,
    zero_events,
    contradictions_by_design,
    language_not_supported,
)
UNDISCLOSED: Final = {
    "engine": "engine", "max_num_seqs": "sequences at once", "retries": "retries", "tools": "tools or schemas",
    "sampling": "sampling", "timeout_s": "time limits", "controls": "controls", "order": "order of the loads",
}  # fmt: skip


def diagnose_published(
    test: PublishedTest, deployment: Deployment, coefficients: Coefficients
) -> tuple[Finding, ...]:
    """What the figures of a published test say, the heaviest first.

    Args:
        test: what was published.
        deployment: its model and GPU, with the settings that are assumed where it names none.
        coefficients: of that GPU, for the closed form.
    """
    case = Case(test, deployment, coefficients)
    found = [each for rule in RULES if (each := rule(case)) is not None]
    return tuple(sorted(found, key=lambda each: -each.weight))


def published_notes(test: PublishedTest) -> tuple[str, ...]:
    """What the report leaves open, and the measurement that decides."""
    missing = [words for field, words in UNDISCLOSED.items() if getattr(test, field) is None]
    if any(each.failures_ratio is not None and each.requests is None for each in test.levels):
        missing.append("requests behind the failure rates")
    notes = [f"not disclosed: {', '.join(missing)}"] if missing else []
    return (*notes, f"what would decide: {deciding_command(test)}")
