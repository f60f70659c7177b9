"""The engines: `data/engines/*.toml` -> `EngineConfig` defaults under vLLM's names."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

import msgspec

from servemark.catalogue.tables import read_table, table_names
from servemark.domain.deployment import EngineConfig
from servemark.domain.gpu import Gpu
from servemark.domain.record import Record
from servemark.errors import InputError, UnknownName, fold_name
from servemark.units import parse


class Rule(Record, frozen=True, kw_only=True):
    """Defaults that depend on the GPU's memory, the GPUs of a replica or the engine's version."""

    at_least: str = "0 GiB"
    """Usable memory of the GPU."""
    except_families: tuple[str, ...] = ()
    tiers: tuple[str, ...] = ()
    """Only GPUs of these tiers."""
    at_least_gpus: int = 1
    since: str | None = None
    """First version that the rule holds for; a deployment without a version has none of these rules."""
    before: str | None = None
    """First version that it no longer holds for; likewise."""
    settings: dict[str, Any] = {}
    memory: dict[str, Any] = {}
    """Fields of `EngineMemory`."""
    graph_sizes: str | None = None
    largest_graph: int | None = None


class Reserve(Record, frozen=True, kw_only=True):
    """What a default of SGLang's `mem_fraction_static` leaves outside weights and KV pool."""

    fixed: str
    token: str
    """Per token of `max_num_batched_tokens`, of which at least 2,048 are counted."""
    graph: str
    """Per sequence of the largest CUDA graph."""
    gpu: str
    """Per GPU of the replica."""
    least: str
    least_for: str
    """Memory of a GPU above which at least `least` is left."""


class EngineSheet(Record, frozen=True, kw_only=True):
    """What is known of one engine: the content of its TOML file."""

    key: str
    name: str
    aliases: tuple[str, ...] = ()
    defaults: EngineConfig
    rules: tuple[Rule, ...] = ()
    """In order; the last that applies wins."""
    graph_sizes: str = ""
    """Batch sizes of CUDA graphs: `1 2 4 8-248/8` = 1, 2, 4, 8, 16 ... 248."""
    largest_graph: int | None = None
    reserve: Reserve | None = None
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


def find_engine(name: str, *, gpu: Gpu | None = None, gpus: int = 1, path: str = "engine") -> EngineConfig:
    """Default settings of an engine; `vllm@0.15.1` sets the version.

    Args:
        name: key or alias, with the version behind `@`.
        gpu: some engines choose batch limits by the GPU's memory; without it their cautious choice.
        gpus: of one replica.
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
    memory: dict[str, Any] = {}
    sizes, largest = sheet.graph_sizes, sheet.largest_graph
    for rule in sheet.rules:
        if _applies(rule, gpu, gpus, version):
            settings.update(rule.settings)
            memory.update(rule.memory)
            sizes = sizes if rule.graph_sizes is None else rule.graph_sizes
            largest = rule.largest_graph or largest
    graphs = graph_sizes(sizes)
    settings["cuda_graph_sizes"] = tuple(s for s in graphs if largest is None or s <= largest)
    settings["memory"] = msgspec.structs.replace(sheet.defaults.memory, **memory)
    engine = msgspec.structs.replace(sheet.defaults, **settings)
    if sheet.reserve is None or gpu is None:
        return engine
    share = _static_ratio(sheet.reserve, engine, gpu, gpus)
    return msgspec.structs.replace(engine, gpu_memory_utilization=share)


def graph_sizes(text: str) -> tuple[int, ...]:
    """`1 2 4 8-248/8` as 1, 2, 4, 8, 16 ... 248."""
    sizes: list[int] = []
    for part in text.split():
        span, _, step = part.partition("/")
        first, _, last = span.partition("-")
        sizes += range(int(first), int(last or first) + 1, int(step or 1))
    return tuple(sizes)


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


def _applies(rule: Rule, gpu: Gpu | None, gpus: int, version: str) -> bool:
    if (rule.since or rule.before) and not version:
        return False
    if rule.since and _release(version) < _release(rule.since):
        return False
    if rule.before and _release(version) >= _release(rule.before):
        return False
    if gpus < rule.at_least_gpus or (rule.tiers and (gpu is None or gpu.tier not in rule.tiers)):
        return False
    least = parse(rule.at_least, "bytes", path="rules.at_least")
    if gpu is None:
        return least == 0
    return gpu.memory_usable_bytes >= least and gpu.family not in rule.except_families


def _release(version: str) -> tuple[int, ...]:
    """The numbers of a version: `v0.6.3.post1` is 0, 6, 3."""
    numbers = re.match(r"v?(\d+(?:\.\d+)*)", version)
    return tuple(int(part) for part in numbers[1].split(".")) if numbers else ()


def _static_ratio(reserve: Reserve, engine: EngineConfig, gpu: Gpu, gpus: int) -> float:
    """SGLang's default share for weights and KV pool, from the memory that nvidia-smi reports."""
    size = {
        key: parse(value, "bytes", path=f"reserve.{key}")
        for key, value in msgspec.to_builtins(reserve).items()
    }
    left = size["fixed"] + size["token"] * max(engine.max_num_batched_tokens, 2048) + size["gpu"] * gpus
    left += size["graph"] * max(engine.cuda_graph_sizes, default=0)
    total = gpu.memory_reported_bytes
    if total > size["least_for"]:
        left = max(left, size["least"])
    return round(1 - left / total, 3)


@cache
def _sheet(key: str) -> EngineSheet:
    table = read_table("engines", key)
    table["defaults"]["name"] = key
    return msgspec.convert({"key": key, **table}, EngineSheet)
