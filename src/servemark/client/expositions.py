"""Prometheus' text format, read line by line for the few names that are wanted.

A scrape is read in the process that stamps the tokens: the parser of prometheus_client holds it up for 9 ms with
vLLM's 604 lines, this reader for 0.2 ms (benchmarks/expositions.py).
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection

Rows = list[tuple[dict[str, str], float]]
"""Labels and value of each line of one name."""

_LABEL = re.compile(r'[,\s]*([a-zA-Z_][a-zA-Z0-9_]*)\s*=\s*"((?:[^"\\]|\\.)*)"')
_ESCAPE = re.compile(r"\\(.)")
_ESCAPED = {"n": "\n", '"': '"', "\\": "\\"}


def read_exposition(text: str, wanted: Collection[str]) -> dict[str, Rows]:
    """The lines of the wanted names. A value that is not finite is left out, as is a line cut short.

    Args:
        text: format 0.0.4 or 1.0.0; time stamps and exemplars are passed over.
        wanted: names of samples as they stand there: `..._sum`, `..._total`.
    """
    found: dict[str, Rows] = {}
    # only a line feed ends a line: str.splitlines knows more signs, which labels may hold
    for line in text.split("\n"):
        brace = line.find("{")
        name = line[:brace] if brace > 0 else line.partition(" ")[0]
        if name not in wanted:
            continue
        row = _row(line, brace if brace > 0 else -1)
        if row is not None:
            found.setdefault(name, []).append(row)
    return found


def has_prefix(text: str, prefix: str) -> bool:
    """Whether some line, a comment or not, names a metric that begins so."""
    return text.startswith(prefix) or f"\n{prefix}" in text or f"# TYPE {prefix}" in text


def _row(line: str, brace: int) -> tuple[dict[str, str], float] | None:
    labels: dict[str, str] = {}
    if brace >= 0:
        at = brace + 1
        while match := _LABEL.match(line, at):
            labels[match[1]] = _ESCAPE.sub(_unescaped, match[2]) if "\\" in match[2] else match[2]
            at = match.end()
        closing = line.find("}", at)
        if closing < 0 or line[at:closing].strip(", \t"):
            return None
        rest = line[closing + 1 :]
    else:
        rest = line.partition(" ")[2]
    try:
        value = float(rest.split(maxsplit=1)[0])
    except (ValueError, IndexError):
        return None
    return (labels, value) if math.isfinite(value) else None


def _unescaped(match: re.Match[str]) -> str:
    return _ESCAPED.get(match[1], match[0])
