"""What a twin does wrong on purpose: a fault plan, and which requests it strikes.

A plan is a TOML file, one table per fault:

    [[fault]]
    kind = "dropped_front"
    from_in_flight = 8
    rate = 0.5

A request carries at most one fault: the first of the list that strikes it and can be done to it.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal

import msgspec
import numpy as np

from servemark.domain.exchange import Check
from servemark.domain.record import Record
from servemark.errors import InputError, UnknownName

FaultKind = Literal[
    "dropped_front", "cut_stream", "early_length", "overrun", "crossed_answers", "echoed_context",
    "leaked_system", "other_language", "contradiction", "wrong_answer", "invalid_choice",
    "framework_text", "loop", "gibberish", "empty_answer", "refusal", "bad_format", "late_error", "stall",
    "rewording",
]  # fmt: skip
FAULT_KINDS: tuple[FaultKind, ...] = FaultKind.__args__  # pyright: ignore[reportAttributeAccessIssue]

REVEALED_BY: dict[FaultKind, tuple[Check, ...]] = {
    "dropped_front": ("lost_context",),
    "cut_stream": ("truncated_stream",),
    "early_length": ("truncated_window",),
    "overrun": ("truncated_cap",),
    "crossed_answers": ("cross_talk",),
    "echoed_context": ("context_echo",),
    "leaked_system": ("system_prompt_leak",),
    "other_language": ("wrong_language",),
    "contradiction": ("self_contradiction",),
    "wrong_answer": ("wrong_answer",),
    "invalid_choice": ("invalid_choice",),
    "framework_text": ("framework_text",),
    "loop": ("repetition",),
    "gibberish": ("gibberish", "repetition"),
    "empty_answer": ("empty_answer",),
    "refusal": ("refusal",),
    "bad_format": ("bad_format",),
    "late_error": (),
    "stall": (),
    "rewording": (),
}
"""The checks of which one must find each fault; a hundred exclamation marks are a repetition too. None: the
transport shows it, or (`rewording`) there is no harm in it."""


class Fault(Record, frozen=True, kw_only=True):
    """One thing that goes wrong."""

    kind: FaultKind
    from_in_flight: int = 0
    """It strikes requests that come in as at least so many are in flight, themselves included; 0 = always."""
    rate: float = 1.0
    """Share of these (0..1), drawn from the seed and the number of the request."""
    after_tokens: int | None = None
    """Of `cut_stream`, `early_length`, `stall`: tokens that leave before; None = about half of the answer."""
    ending: Literal["error", "closed", "done"] = "error"
    """Of `cut_stream`: an error event, a closed connection, or `[DONE]` without a finish reason."""
    kept_ratio: float = 0.5
    """Of `dropped_front`: share of the prompt that is left."""
    reported: bool = True
    """Of `dropped_front`: the server counts only the tokens that are left."""
    code: bool = True
    """Of `crossed_answers`: the other's answer brings the code of the other's prompt along."""
    delay_s: float = 30.0
    """Of `late_error` and `stall`, in simulated seconds."""
    status: Literal[429, 500, 503] = 503
    """Of `late_error`."""


_PARAMETERS: dict[FaultKind, tuple[str, ...]] = {
    "dropped_front": ("kept_ratio", "reported"),
    "cut_stream": ("after_tokens", "ending"),
    "early_length": ("after_tokens",),
    "crossed_answers": ("code",),
    "late_error": ("delay_s", "status"),
    "stall": ("after_tokens", "delay_s"),
}
_COMMON = ("kind", "from_in_flight", "rate")


class FaultPlan(Record, frozen=True, kw_only=True):
    """The faults of one twin, the first that strikes first."""

    fault: tuple[Fault, ...]

    @property
    def title(self) -> str:
        """`faults: dropped_front 50 % from 8 in flight, loop`; part of the twin's name."""
        return "faults: " + ", ".join(map(_words, self.fault))


def read_fault_plan(path: Path) -> FaultPlan:
    """A plan from a TOML file.

    Raises:
        InputError: no such file, no TOML, an unknown kind or parameter, or a number out of range.
    """
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError("faults", expected="a TOML file", found=f"{path} ({error.strerror})") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"faults: {path}", expected="valid TOML", found=error) from None
    return parse_fault_plan(table, path=f"faults: {path}")


def parse_fault_plan(table: Mapping[str, Any], *, path: str = "faults") -> FaultPlan:
    """A plan from its table.

    Raises:
        InputError: as `read_fault_plan`.
    """
    unknown = next((name for name in table if name != "fault"), None)
    if unknown is not None:
        raise UnknownName(path, kind="a table `[[fault]]`", name=unknown, known=("fault",))
    rows = table.get("fault")
    if not isinstance(rows, list) or not rows:
        raise InputError(path, expected="at least one table `[[fault]]`", found=repr(rows))
    return FaultPlan(fault=tuple(_fault(row, f"{path}: fault {i}") for i, row in enumerate(rows, 1)))


def struck(plan: FaultPlan, *, seed: int, number: int, in_flight: int) -> Iterable[tuple[int, Fault, int]]:
    """The faults that strike one request, in the plan's order: position, fault, and a draw for its details.

    A function of the arguments alone. The first that can be done to the request is the one it gets.
    """
    for position, fault in enumerate(plan.fault):
        if in_flight < fault.from_in_flight:
            continue
        rng = np.random.default_rng((seed, number, position))
        if rng.random() < fault.rate:
            yield position, fault, int(rng.integers(2**31))


def _fault(row: Any, path: str) -> Fault:
    if not isinstance(row, dict) or not isinstance(row.get("kind"), str):
        raise InputError(path, expected="a `kind`", found=repr(row))
    kind = row["kind"]
    if kind not in FAULT_KINDS:
        raise UnknownName(f"{path}: kind", kind="a kind of fault", name=kind, known=FAULT_KINDS)
    allowed = (*_COMMON, *_PARAMETERS.get(kind, ()))
    for name in row:
        if name not in allowed:
            raise UnknownName(f"{path}: {name}", kind=f"a parameter of {kind}", name=name, known=allowed)
    try:
        fault = msgspec.convert(row, Fault)
    except msgspec.ValidationError as error:
        raise InputError(path, expected="a fault", found=error) from None
    for name, low, high in (
        ("rate", 0, 1),
        ("from_in_flight", 0, None),
        ("after_tokens", 1, None),
        ("kept_ratio", 0, 1),
        ("delay_s", 0, 86400),
    ):
        value = getattr(fault, name)
        if value is not None and not (value >= low and (high is None or value <= high)):
            wanted = f"at least {low}" if high is None else f"{low} to {high}"
            raise InputError(f"{path}: {name}", expected=wanted, found=value)
    return fault


def _words(fault: Fault) -> str:
    words = fault.kind if fault.rate == 1 else f"{fault.kind} {100 * fault.rate:g} %"
    return f"{words} from {fault.from_in_flight} in flight" if fault.from_in_flight > 1 else words
