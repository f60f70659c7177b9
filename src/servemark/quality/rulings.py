"""The form of every check: a function `(Exchange) -> Ruling`.

    def empty_answer(exchange: Exchange) -> Ruling:
        if exchange.answer is None:
            return NOT_APPLICABLE
        if exchange.answer.strip():
            return PASSED
        return defect("empty_answer", "major", detail="200 without text")

Paired statistics count only items to which a check applied, so `NOT_APPLICABLE` and `PASSED` are told apart with
care: a check applies where the exchange holds all that is needed to find the defect.
"""

from __future__ import annotations

from servemark.domain.exchange import Check, CheckResult, Severity
from servemark.domain.record import Record

EXCERPT_CHARACTERS = 240
"""A longer excerpt is cut in its middle."""


class Ruling(Record, frozen=True, kw_only=True):
    """What one check says of one exchange."""

    defect: CheckResult | None = None
    applied: bool = True
    notes: tuple[str, ...] = ()
    """Remarks that are no defect."""


PASSED = Ruling()
NOT_APPLICABLE = Ruling(applied=False)


def defect(
    check: Check, severity: Severity, *, excerpt: str = "", detail: str = "", notes: tuple[str, ...] = ()
) -> Ruling:
    """The check applied and failed; line breaks of the excerpt become spaces."""
    found = CheckResult(check=check, severity=severity, excerpt=shortened(excerpt), detail=detail)
    return Ruling(defect=found, notes=notes)


def passed(*notes: str) -> Ruling:
    """The check applied and passed, with remarks."""
    return Ruling(notes=notes)


def not_applicable(*notes: str) -> Ruling:
    """The check did not apply, with remarks."""
    return Ruling(applied=False, notes=notes)


def shortened(text: str, characters: int = EXCERPT_CHARACTERS) -> str:
    """On one line, and cut in its middle where it is longer than `characters`."""
    line = " ".join(text.split())
    if len(line) <= characters:
        return line
    head = (characters - 5) * 2 // 3
    return f"{line[:head]} ... {line[len(line) - (characters - 5 - head) :]}"
