"""Reading the data files: one TOML per thing, quantities written for people."""

from __future__ import annotations

import tomllib
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any

from servemark.units import parse

DATA = files("servemark.catalogue") / "data"


@cache
def table_names(folder: str) -> tuple[str, ...]:
    """Names of the TOML files of one folder of `data/`, without suffix, sorted."""
    names = (each.name for each in _folder(folder).iterdir())
    return tuple(sorted(name.removesuffix(".toml") for name in names if name.endswith(".toml")))


def read_table(folder: str, name: str) -> dict[str, Any]:
    """The raw content of `data/<folder>/<name>.toml`."""
    return tomllib.loads((_folder(folder) / f"{name}.toml").read_text(encoding="utf-8"))


def _folder(name: str) -> Traversable:
    return DATA / name


def in_si(table: dict[str, Any], dimensions: dict[str, str], *, path: str) -> dict[str, Any]:
    """A table with every key of `dimensions` (`bandwidth`) turned into the domain's field
    (`bandwidth_bytes_per_s`) in SI base units; tables inside it and everything else stay as they are.

    Raises:
        InputError: a quantity that cannot be read, named by `path`.
    """
    out: dict[str, Any] = {}
    for key, value in table.items():
        dimension = dimensions.get(key)
        if dimension is None:
            out[key] = value
        elif isinstance(value, dict):
            inner = {k: parse(v, dimension, path=f"{path}.{key}.{k}") for k, v in value.items()}
            out[f"{key}_{dimension}"] = inner
        else:
            out[f"{key}_{dimension}"] = parse(value, dimension, path=f"{path}.{key}")
    return out
