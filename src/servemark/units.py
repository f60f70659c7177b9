"""SI base units inside, units for people at the edges.

Every quantity in Servemark is a plain float (or int) in SI base units, and the unit ends its name:
`_s _bytes _bytes_per_s _flop _flop_per_s _w _j _usd _usd_per_hour _tokens _tokens_per_s _ratio`.
This module is the one place where "80GB", "500ms" or "3.35TB/s" are read and written.
"""

from __future__ import annotations

import math
import re
from numbers import Real
from typing import Final

from servemark.errors import InputError

KIB: Final = 1024
MIB: Final = 1024**2
GIB: Final = 1024**3
KB: Final = 10**3
MB: Final = 10**6
GB: Final = 10**9
TB: Final = 10**12
TFLOP: Final = 10**12
MS: Final = 1e-3
US: Final = 1e-6
HOUR_S: Final = 3600.0
PS_PER_S: Final = 10**12
"""Picoseconds in a second: the simulator's clock counts integer picoseconds."""

_BYTES = {
    "b": 1, "kb": KB, "mb": MB, "gb": GB, "tb": TB, "kib": KIB, "mib": MIB, "gib": GIB,
    "tib": 1024**4,
}  # fmt: skip
_FLOP = {"flop": 1, "gflop": 10**9, "tflop": 10**12, "pflop": 10**15}
_TIME = {
    "ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "min": 60.0, "m": 60.0,
    "h": 3600.0, "d": 86400.0,
}  # fmt: skip
DIMENSIONS: Final[dict[str, dict[str, float]]] = {
    "s": _TIME,
    "bytes": {k: float(v) for k, v in _BYTES.items()},
    "bytes_per_s": {f"{k}/s": float(v) for k, v in _BYTES.items()},
    "flop_per_s": {
        **{f"{k}/s": float(v) for k, v in _FLOP.items()},
        **{f"{k}s": float(v) for k, v in _FLOP.items()},
    },
    "w": {"mw": 1e-3, "w": 1.0, "kw": 1e3},
    "ratio": {"%": 0.01, "": 1.0},
    "per_s": {"/s": 1.0, "rps": 1.0, "": 1.0, "/min": 1 / 60, "/h": 1 / 3600},
    "tokens": {"": 1.0, "k": 1e3, "m": 1e6, "b": 1e9, "t": 1e12},
    "usd": {"usd": 1.0, "$": 1.0, "": 1.0},
}
"""Unit suffixes (lower case) accepted per dimension, with their factor to SI."""

_EXAMPLES = {
    "s": "500ms or 2s", "bytes": "80GB or 46068MiB", "bytes_per_s": "3.35TB/s",
    "flop_per_s": "989TFLOPS", "w": "350W", "ratio": "1% or 0.01", "per_s": "3/s",
    "tokens": "1000 or 50M", "usd": "5000usd",
}  # fmt: skip
_NUMBER = re.compile(r"^\s*([-+]?(?:\d+(?:[ _]?\d{3})*\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)\s*(.*?)\s*$")


def parse(text: object, dimension: str, *, path: str, minimum: float = 0.0) -> float:
    """A quantity written for people, in SI base units.

    Args:
        text: e.g. `"500ms"`; a bare number is taken as SI base units.
        dimension: a key of `DIMENSIONS`, e.g. `"s"`.
        path: field named in the error.
        minimum: smallest value allowed.

    Raises:
        InputError: not a number, unknown unit, not finite, or below `minimum`.
    """
    units = DIMENSIONS[dimension]
    expected = f"a quantity such as {_EXAMPLES[dimension]}"
    if isinstance(text, Real):
        value = float(text)
    else:
        match = _NUMBER.match(text) if isinstance(text, str) else None
        unit = match.group(2).lower() if match else ""
        if match is None or (unit and unit not in units):
            raise InputError(path, expected=expected, found=repr(text))
        value = float(match.group(1).replace("_", "").replace(" ", "")) * units.get(unit, 1.0)
    if not math.isfinite(value) or value < minimum:
        least = f", at least {minimum:g}" if math.isfinite(minimum) else ""
        raise InputError(path, expected=expected + least, found=repr(text))
    return value


def format_seconds(value_s: float) -> str:
    """`0.0123` -> `12.3 ms`; three significant digits, from ns to days."""
    if not math.isfinite(value_s):
        return "-"
    size = abs(value_s)
    if size >= 2 * 86400:
        return f"{value_s / 86400:.1f} d"
    if size >= 2 * 3600:
        return f"{value_s / 3600:.1f} h"
    for factor, unit in ((1.0, "s"), (MS, "ms"), (US, "µs")):
        if size >= factor * 0.9995:
            return f"{_three(value_s / factor)} {unit}"
    return f"{_three(value_s / 1e-9)} ns" if size else "0 s"


def format_bytes(value_bytes: float) -> str:
    """Binary units, as the tools of the field print memory: `15317 MiB`, `27.1 GiB`."""
    size = abs(value_bytes)
    if size >= 64 * GIB:
        return f"{value_bytes / GIB:.1f} GiB"
    if size >= MIB:
        return f"{value_bytes / MIB:,.0f} MiB"
    return f"{value_bytes / KIB:,.0f} KiB" if size >= KIB else f"{value_bytes:.0f} B"


def format_rate(value: float, unit: str) -> str:
    """`1234.5, "tok/s"` -> `1,230 tok/s`."""
    return f"{_three(value)} {unit}"


def format_ratio(value_ratio: float) -> str:
    """`0.0123` -> `1.2 %`."""
    return f"{100 * value_ratio:.1f} %"


def format_count(value: float) -> str:
    """`19366` -> `19,366`."""
    return f"{value:,.0f}"


def format_bandwidth(value_bytes_per_s: float) -> str:
    """Decimal units, as data sheets print bandwidth: `864 GB/s`, `3.35 TB/s`."""
    if value_bytes_per_s >= TB:
        return f"{value_bytes_per_s / TB:.2f} TB/s"
    return f"{value_bytes_per_s / GB:.0f} GB/s"


def format_flops(value_flop_per_s: float) -> str:
    """`362.05e12` -> `362 TFLOPS`."""
    return f"{_three(value_flop_per_s / TFLOP)} TFLOPS"


def _three(value: float) -> str:
    """Three significant digits without an exponent, thousands grouped."""
    if value == 0 or not math.isfinite(value):
        return "0" if value == 0 else "-"
    rounded = round(value, 2 - _magnitude(value))
    return f"{rounded:,.{max(0, 2 - _magnitude(rounded))}f}"


def _magnitude(value: float) -> int:
    """Power of ten of the leading digit."""
    return math.floor(math.log10(abs(value)) + 1e-9)
