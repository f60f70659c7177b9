"""The GPUs: `data/gpus/*.toml` -> `Gpu`."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import Any

import msgspec

from servemark.catalogue.tables import in_si, read_table, table_names
from servemark.domain.gpu import Gpu
from servemark.errors import UnknownName, fold_name

_DIMENSIONS = {
    "memory_nominal": "bytes",
    "memory_reported": "bytes",
    "memory_usable": "bytes",
    "bandwidth": "bytes_per_s",
    "dense": "flop_per_s",
    "tdp": "w",
    "l2": "bytes",
}


def gpu_catalogue() -> dict[str, Gpu]:
    """Every GPU by key, in order of the keys."""
    return {key: _gpu(key) for key in table_names("gpus")}


def find_gpu(name: str, *, path: str = "gpu") -> Gpu:
    """The GPU of that key or alias; case, spaces, `-` and `_` do not matter.

    A family name (`a100`) gives its most usual part, the SXM one with the most memory;
    `is_family` tells so that the caller can say which was taken.

    Raises:
        UnknownName: no such GPU; carries the nearest names.
    """
    folded = _fold(name)
    for key in table_names("gpus"):
        if _fold(key) == folded:
            return _gpu(key)
    by_alias = _by_alias()
    if folded in by_alias:
        return _gpu(by_alias[folded])
    members = _families().get(folded)
    if members is None:
        raise UnknownName(path, kind="a GPU", name=name, known=_all_names())
    return max(members, key=lambda gpu: ("SXM" in gpu.form_factor, gpu.memory_nominal_bytes))


def find_gpu_types(names: Iterable[str], *, path: str = "gpus") -> tuple[Gpu, ...]:
    """Several GPU types; a family name gives all its members. Each type once, in order.

    Raises:
        UnknownName: no such GPU.
    """
    found: dict[str, Gpu] = {}
    for name in names:
        members = _families()[_fold(name)] if is_family(name) else (find_gpu(name, path=path),)
        found.update({gpu.key: gpu for gpu in members})
    return tuple(found.values())


def is_family(name: str) -> bool:
    """Whether the name means several GPUs (`a100`, `h100`), being no key or alias of one."""
    folded = _fold(name)
    return folded not in map(_fold, table_names("gpus")) and folded in _families()


@cache
def _families() -> dict[str, tuple[Gpu, ...]]:
    """Members by folded family name, of the families with several members."""
    members: dict[str, list[Gpu]] = {}
    for gpu in gpu_catalogue().values():
        members.setdefault(_fold(gpu.family), []).append(gpu)
    taken = _by_alias()
    return {f: tuple(g) for f, g in members.items() if len(g) > 1 and f not in taken}


@cache
def _by_alias() -> dict[str, str]:
    """Key by folded key, name or alias."""
    return {
        _fold(each): gpu.key
        for gpu in gpu_catalogue().values()
        for each in (gpu.key, gpu.name, *gpu.aliases)
    }


def _fold(name: str) -> str:
    """What matching compares: also without the maker's name, as nvidia-smi prints it in front."""
    folded = fold_name(name)
    for prefix in ("nvidia", "amd", "geforce", "tesla", "instinct"):
        folded = folded.removeprefix(prefix)
    return folded


def _all_names() -> list[str]:
    gpus = gpu_catalogue().values()
    return [gpu.key for gpu in gpus] + [gpu.family for gpu in gpus]


@cache
def _gpu(key: str) -> Gpu:
    path = f"gpus/{key}.toml"
    table = in_si(read_table("gpus", key), _DIMENSIONS, path=path)
    for link in ("link", "pcie"):
        if link in table:
            table[link] = in_si(table[link], _DIMENSIONS, path=f"{path}: {link}")
    table["sources"] = _sources(table["sources"])
    return msgspec.convert({"key": key, **table}, Gpu)


def _sources(entries: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Each entry names the fields it `covers`; the one that names none covers the rest."""
    by_field: dict[str, dict[str, Any]] = {}
    for entry in entries:
        source = {k: v for k, v in entry.items() if k != "covers"}
        for field in entry.get("covers", ["*"]):
            by_field[f"{field}_{_DIMENSIONS[field]}" if field in _DIMENSIONS else field] = source
    return by_field
