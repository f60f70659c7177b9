"""An exposition -> what it says of the engine."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from servemark.client.engine_names import ENGINES, EngineNames, MetricName
from servemark.client.expositions import Rows, has_prefix, read_exposition
from servemark.domain.engine_sample import EngineFacts, EngineSample

_SPLIT = "priority"
"""SGLang repeats its totals split by priority; the totals stand where this label is empty."""
_REAL = ("kv_used_ratio", "process_start_s", "gpu_memory_utilization")
_FLAGS = ("enable_prefix_caching",)
"""The other fields hold whole numbers."""
_OF_ALL = ("kv_blocks", "kv_pool_tokens")
"""Labels to add up over replicas."""
_KV_BLOCKS = "kv_used_blocks"
"""No field of a sample: the numerator of the share, for servers that tell blocks only."""


def engine_behind(text: str) -> EngineNames | None:
    """Whose exposition it is, by the prefix of its metrics; None where no engine of the table is in it."""
    return next((each for each in ENGINES if has_prefix(text, each.prefix)), None)


def engine_named(words: str) -> EngineNames | None:
    """The engine that a server names in its header or in its list of models."""
    spoken = words.lower().split()
    return next((e for e in ENGINES if any(w.startswith(o) for w in spoken for o in e.owners)), None)


def sample_of(text: str, engine: EngineNames, at_s: float) -> EngineSample:
    """One sample; what the exposition does not hold is None."""
    blocks_of = tuple(row for row in engine.facts if row.field == "kv_blocks")
    figures = _figures(text, engine, engine.metrics + blocks_of)
    used, blocks = figures.pop(_KV_BLOCKS, None), figures.pop("kv_blocks", None)
    if "kv_used_ratio" not in figures and used is not None and blocks:
        figures["kv_used_ratio"] = used / blocks
    return EngineSample(at_s=at_s, **figures)


def facts_of(text: str, engine: EngineNames) -> EngineFacts:
    """The shape, as far as the exposition tells it. Pool and blocks of several replicas are added up."""
    figures = _figures(text, engine, engine.facts)
    size, blocks = figures.get("block_size"), figures.get("kv_blocks")
    if "kv_pool_tokens" not in figures and size and blocks:
        figures["kv_pool_tokens"] = size * blocks
    return EngineFacts(engine=engine.engine, shared_pool=engine.shared_pool, **figures)


def _figures(text: str, engine: EngineNames, rows: Iterable[MetricName]) -> dict[str, Any]:
    """What the rows read, by field; of several rows of one field the first that finds something, but counts add."""
    found = read_exposition(text, {name for row in rows for name in _spellings(row)})
    figures: dict[str, Any] = {}
    for row in rows:
        if row.reads != "counts" and row.field in figures:
            continue
        value = next((v for name in row.names if (v := _read(row, name, found, engine)) is not None), None)
        if value is not None:
            figures[row.field] = figures.get(row.field, {}) | value if row.reads == "counts" else value
    return figures


def _spellings(row: MetricName) -> list[str]:
    ends = ("_sum", "_count") if row.reads == "histogram" else ("", "_total")
    names = (*row.names, row.plus) if row.plus else row.names
    return [name + end for name in names for end in ends]


def _read(row: MetricName, name: str, found: Mapping[str, Rows], engine: EngineNames) -> Any:
    """One figure under one of its names; None where it is not there."""
    if row.reads == "histogram":
        sums, counts = found.get(name + "_sum"), found.get(name + "_count")
        return (_total(sums, engine), _total(counts, engine)) if sums and counts else None
    lines = [line for line in _lines(found, name) if row.where.items() <= line[0].items()]
    added = _lines(found, row.plus)
    if not lines or (row.plus and not added):
        return None
    match row.reads:
        case "label":
            return _said(row, lines, engine)
        case "counts":
            return _counts(row, lines, engine)
        case "max":
            value = max(value for _, value in lines)
        case _:
            value = _total(lines, engine) + _total(added, engine)
    return value if row.field in _REAL else round(value)


def _lines(found: Mapping[str, Rows], name: str) -> Rows:
    return found.get(name) or found.get(name + "_total") or []


def _group(labels: Mapping[str, str], engine: EngineNames) -> tuple[tuple[str, str], ...]:
    """Lines of one group repeat each other."""
    return tuple(sorted((k, v) for k, v in labels.items() if k not in engine.repeats))


def _total(lines: Rows, engine: EngineNames) -> float:
    """Over the groups, of the largest of each."""
    largest: dict[tuple[tuple[str, str], ...], float] = {}
    for labels, value in lines:
        if not labels.get(_SPLIT):
            group = _group(labels, engine)
            largest[group] = max(value, largest.get(group, value))
    return sum(largest.values())


def _counts(row: MetricName, lines: Rows, engine: EngineNames) -> dict[str, int]:
    if not row.by:
        return {row.word: round(_total(lines, engine))}
    words = sorted({labels.get(row.by, "") for labels, _ in lines})
    return {
        word: round(_total([line for line in lines if line[0].get(row.by, "") == word], engine))
        for word in words
    }


def _said(row: MetricName, lines: Rows, engine: EngineNames) -> Any:
    """What a label says: pool and blocks of all replicas together, the rest as the first says it."""
    groups = {_group(labels, engine): labels.get(row.by, "") for labels, _ in lines}
    if row.field in _FLAGS:
        word = next(iter(groups.values())).lower()
        return word == "true" if word in ("true", "false") else None
    try:
        values = [msgspec.json.decode(word, type=float) for word in groups.values()]
    except msgspec.DecodeError:
        return None
    value = sum(values) if row.field in _OF_ALL else values[0]
    return value if row.field in _REAL else round(value)
