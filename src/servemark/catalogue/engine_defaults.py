"""The engines: `data/engines/*.toml` -> `EngineConfig` defaults under vLLM's names."""

from __future__ import annotations

from functools import cache
from typing import Any

import msgspec

from servemark.catalogue.tables import read_table, table_names
from servemark.domain.deployment import EngineConfig
from servemark.domain.gpu import Gpu
from servemark.domain.record import Record
from servemark.errors import InputError, UnknownName, fold_name
from servemark.units import parse


class MemoryRule(Record, frozen=True, kw_only=True):
    """Defaults that an engine takes on GPUs of at least so much usable memory."""

    at_least: str
    except_families: tuple[str, ...] = ()
    settings: dict[str, int]


class EngineSheet(Record, frozen=True, kw_only=True):
    """What is known of one engine: the content of its TOML file."""

    key: str
    name: str
    aliases: tuple[str, ...] = ()
    defaults: EngineConfig
    by_memory: tuple[MemoryRule, ...] = ()
    """In rising order; the last that applies wins."""
    metric_prefix: str
    """What the names of its Prometheus metrics begin with; empty = it has none."""
    flags: dict[str, str]
    """Setting, under vLLM's name -> command-line flag of this engine."""
    notes: tuple[str, ...] = ()
    source: str
    date: str


def engine_names() -> tuple[str, ...]:
    """Canonical names of the engines, sorted."""
    return tuple(sorted(table_names("engines")))


def find_engine(name: str, *, gpu: Gpu | None = None, path: str = "engine") -> EngineConfig:
    """Default settings of an engine; `vllm@0.15.1` sets the version.

    Args:
        name: key or alias, with the version behind `@`.
        gpu: some engines choose batch limits by the GPU's memory; without it their cautious choice.
        path: field named in the error.

    Raises:
        UnknownName: no such engine.
        InputError: nothing behind `@`.
    """
    bare, at, version = (part.strip() for part in name.partition("@"))
    if at and not version:
        raise InputError(path, expected="NAME or NAME@VERSION", found=repr(name))
    sheet = find_engine_sheet(bare, path=path)
    settings: dict[str, Any] = {"version": version or None}
    for rule in sheet.by_memory:
        if gpu is not None and _applies(rule, gpu):
            settings.update(rule.settings)
    return msgspec.structs.replace(sheet.defaults, **settings)


def find_engine_sheet(name: str, *, path: str = "engine") -> EngineSheet:
    """Everything known of an engine.

    Raises:
        UnknownName: no such engine.
    """
    folded = fold_name(name)
    for key in engine_names():
        if fold_name(key) == folded:
            return _sheet(key)
    sheets = [_sheet(key) for key in engine_names()]
    for sheet in sheets:
        if folded in {fold_name(each) for each in (sheet.name, *sheet.aliases)}:
            return sheet
    known = [each for sheet in sheets for each in (sheet.key, *sheet.aliases)]
    raise UnknownName(path, kind="an engine", name=name, known=known)


def _applies(rule: MemoryRule, gpu: Gpu) -> bool:
    least = parse(rule.at_least, "bytes", path="by_memory.at_least")
    return gpu.memory_usable_bytes >= least and gpu.family not in rule.except_families


@cache
def _sheet(key: str) -> EngineSheet:
    table = read_table("engines", key)
    table["defaults"]["name"] = key
    return msgspec.convert({"key": key, **table}, EngineSheet)
