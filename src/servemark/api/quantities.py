"""Tokens, amounts, times and SLOs as people write them."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from numbers import Integral, Real
from pathlib import Path
from typing import Any, cast

from servemark.domain.metrics import METRICS, STATISTICS
from servemark.domain.workload import Slo
from servemark.errors import InputError, UnknownName
from servemark.units import parse

DEFAULT_INPUT_TOKENS = 512
DEFAULT_OUTPUT_TOKENS = 128


def parse_tokens(value: int | str | None, default: int, path: str) -> int:
    """A token count of at least 1."""
    if value is None:
        return default
    number = parse(value, "tokens", path=path, minimum=-math.inf)
    if number < 1 or number != int(number):
        raise InputError(path, expected="a whole number of tokens, at least 1", found=repr(value))
    return int(number)


_SLO = re.compile(r"^([a-z0-9_]+?)(?:_(mean|p50|p95|p99))?$")


def parse_slos(slo: str | Mapping[str, Any] | Iterable[str | Slo] | None) -> tuple[Slo, ...]:
    """`"ttft_p95=2s,failures=1%"` -> SLOs. A latency without a statistic means its p95.

    In Python also a mapping (`{"ttft_p95": "2s"}`) or a sequence of texts and `Slo` records.

    Raises:
        InputError: no metric of that name, no such statistic, or an impossible limit.
    """
    if slo is None:
        return ()
    if isinstance(slo, str):
        slo = [part for part in (p.strip() for p in slo.split(",")) if part]
    elif isinstance(slo, Mapping):
        slo = [f"{name}={limit}" for name, limit in slo.items()]
    return tuple(each if isinstance(each, Slo) else _parse_slo(str(each)) for each in slo)


def _parse_slo(text: str) -> Slo:
    name, equals, limit = (p.strip() for p in text.partition("="))
    by_slo = {m.slo: m for m in METRICS.values()}
    statistic, metric = "", by_slo.get(name.lower())
    if metric is None and (match := _SLO.match(name.lower())):
        metric, statistic = by_slo.get(match.group(1)), match.group(2) or ""
    if metric is None or (metric.scope == "level" and statistic):
        raise UnknownName(
            f"slo.{name}", kind="a metric (with _mean, _p50, _p95 or _p99)", name=name, known=_slo_names()
        )
    if not equals or not limit:
        raise InputError(f"slo.{name}", expected="NAME=LIMIT, e.g. ttft_p95=2s", found=repr(text))
    dimension = {"s": "s", "ratio": "ratio", "per_s": "per_s", "tokens_per_s": "tokens"}[metric.unit]
    value = parse(limit, dimension, path=f"slo.{name}")
    if metric.unit == "ratio" and not (value < 1 if metric.better == "lower" else 0 < value <= 1):
        raise InputError(f"slo.{name}", expected="a share below 100 %, e.g. 1%", found=repr(limit))
    if metric.unit == "s" and value == 0:
        raise InputError(f"slo.{name}", expected="a time above 0", found=repr(limit))
    word = "value" if metric.scope == "level" else statistic or "p95"
    return Slo(metric=metric.key, statistic=cast("Any", word), limit=value)


def _slo_names() -> list[str]:
    names = [m.slo for m in METRICS.values() if m.scope == "level"]
    return names + [f"{m.slo}_{s}" for m in METRICS.values() if m.scope != "level" for s in STATISTICS]


def parse_duration(value: float | str | None, path: str = "duration") -> float | None:
    """Seconds above 0, or None."""
    if value is None:
        return None
    seconds = parse(value, "s", path=path)
    if seconds <= 0:
        raise InputError(path, expected="a time above 0, e.g. 30s", found=repr(value))
    return seconds


def parse_amount(value: int | None, path: str, *, minimum: int) -> int | None:
    """A whole number of at least `minimum`, or None."""
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, Integral) or value < minimum:
        raise InputError(path, expected=f"a whole number, at least {minimum}", found=value)
    return int(value)


def parse_extent(requests: int | None, duration: float | str | None) -> tuple[int | None, float | None]:
    """How much of a level is played: a number of requests, or seconds; None where it is not given."""
    if requests is not None and duration is not None:
        raise InputError("duration", expected="either --requests or --duration", found="both")
    return parse_amount(requests, "requests", minimum=1), parse_duration(duration)


def parse_factor(value: float, path: str) -> float:
    """A finite factor above 0."""
    if isinstance(value, bool) or not isinstance(value, Real) or not 0 < value < math.inf:
        raise InputError(path, expected="a factor above 0", found=value)
    return float(value)


def existing_file(path: str | Path, field: str) -> Path:
    """A path that names a readable file."""
    file = Path(path)
    if not file.is_file():
        raise InputError(field, expected="an existing file", found=str(path))
    return file
