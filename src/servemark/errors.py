"""Everything Servemark raises on purpose. Each leaf is something a user can act on.

ServemarkError                      the root; catch this one
├── InputError                      what was asked cannot be done as written (exit 2)
│   ├── UnknownName                 no such GPU, model, engine, metric, run ...
│   ├── MissingExtra                an optional package is not installed
│   └── EndpointError               the endpoint is down, is no LLM endpoint, or does not stream
├── DoesNotFit                      the model does not fit; carries the sum that failed (exit 3)
├── EngineError                     a local engine did not start or died (exit 1)
└── StoreError                      a run folder cannot be read or written (exit 2)
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from typing import Any

FEW_NAMES = 12
"""So many valid names are all named where none is near."""


class ServemarkError(Exception):
    """Root of the tree. `exit_code` is what the command line returns for it."""

    exit_code = 1


class InputError(ServemarkError):
    """One field of the input is wrong: where, what was expected, what was found, nearest valid."""

    exit_code = 2

    def __init__(self, path: str, *, expected: str, found: object, nearest: Iterable[str] = ()) -> None:
        self.path = path
        self.expected = expected
        self.found = str(found)
        self.nearest = tuple(nearest)
        line = f"{path}: expected {expected}, found {self.found}"
        if self.nearest:
            line += f"; nearest: {', '.join(self.nearest)}"
        super().__init__(" ".join(line.split()))


class UnknownName(InputError):
    """A name that is in no catalogue; carries the nearest valid ones.

    Args:
        path: field the name was given in, e.g. `gpu`.
        kind: what it should have named, e.g. `a GPU`.
        name: what was found.
        known: every valid name, to pick the nearest from.
    """

    def __init__(self, path: str, *, kind: str, name: str, known: Iterable[str]) -> None:
        names = tuple(known)
        nearest = nearest_names(name, names) or (names if len(names) <= FEW_NAMES else ())
        super().__init__(path, expected=kind, found=repr(name), nearest=nearest)


class MissingExtra(InputError):
    """An optional package is needed: says which extra brings it."""

    def __init__(self, package: str, extra: str) -> None:
        self.package, self.extra = package, extra
        super().__init__(
            package,
            expected=f"the optional package (pip install 'servemark[{extra}]')",
            found="not installed",
        )


class EndpointError(InputError):
    """The endpoint cannot be measured, in words: what was expected of it and what came back."""


class DoesNotFit(ServemarkError):
    """The deployment does not fit in memory; `budget`, a `domain.memory.MemoryBudget`, holds the sum."""

    exit_code = 3

    def __init__(self, message: str, budget: Any) -> None:
        self.budget = budget
        super().__init__(message)


class EngineError(ServemarkError):
    """A local engine did not start, or died; the message quotes the end of its log."""


class StoreError(InputError):
    """A run folder is missing, unreadable, or of an unknown schema version."""


def nearest_names(name: str, known: Iterable[str], limit: int = 3) -> tuple[str, ...]:
    """The `limit` known names most alike to `name` (case, spaces, `-`, `_` and `.` ignored)."""
    by_fold: dict[str, str] = {}
    for each in known:
        by_fold.setdefault(fold_name(each), each)
    close = get_close_matches(fold_name(name), by_fold, n=limit, cutoff=0.5)
    return tuple(by_fold[each] for each in close)


def fold_name(name: str) -> str:
    """A name reduced to what matching compares: lower case without spaces, `-`, `_`."""
    return "".join(c for c in name.lower() if c not in " -_")
