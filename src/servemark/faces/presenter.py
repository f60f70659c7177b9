"""How the result of a verb is shown; each module of words ends with the presenters of its verbs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from rich.console import Console


class Presenter(NamedTuple):
    """One verb's result: as JSON, as text, as an exit code, and as a file where `-o` makes one."""

    document: Callable[[Any], dict[str, Any]]
    show: Callable[[Any, Console], None]
    exit_code: Callable[[Any, str | None], int] = lambda result, require: 0
    """Of a result and the load that `--require` names."""
    check_output: Callable[[Path], object] | None = None
    """Refuses a path that no file can be written to; None: the command makes no file."""
    write: Callable[[Any, Path], object] | None = None
    """None where the verb writes the file itself."""
