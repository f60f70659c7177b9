"""Load tests that others published: `data/published/*.toml`, or a file of the same form -> `PublishedTest`."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import msgspec

from servemark.catalogue.tables import in_si, read_table, table_names
from servemark.domain.published_test import PublishedTest
from servemark.errors import InputError, UnknownName, fold_name

_FOLDER = "published"
_DIMENSIONS = {"memory_used": "bytes", "memory_total": "bytes", "timeout": "s"}
_LEVEL_DIMENSIONS = {"failures": "ratio", "latency": "s"}


def published_test_keys() -> tuple[str, ...]:
    """Keys of the tests that ship."""
    return tuple(name.replace("_", "-") for name in table_names(_FOLDER))


def find_published_test(name: str) -> PublishedTest:
    """The test of that key; case, `-` and `_` do not matter.

    Raises:
        UnknownName: none of that key ships.
    """
    for key in table_names(_FOLDER):
        if fold_name(key) == fold_name(name):
            return _test(read_table(_FOLDER, key), key=key.replace("_", "-"), path=f"{_FOLDER}/{key}.toml")
    raise UnknownName("test", kind="a published test", name=name, known=published_test_keys())


def read_published_test(path: Path) -> PublishedTest:
    """The test in a file.

    Raises:
        InputError: the file cannot be read, or holds no published test; says which field.
    """
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        found = error.strerror if isinstance(error, OSError) else error
        raise InputError(str(path), expected="a published test as TOML", found=found) from None
    return _test(table, key=path.stem.replace("_", "-"), path=str(path))


def _test(table: dict[str, Any], *, key: str, path: str) -> PublishedTest:
    levels = table.get("levels")
    if not isinstance(levels, list) or not levels or not all(isinstance(each, dict) for each in levels):
        raise InputError(f"{path}: levels", expected="at least one [[levels]] table", found=repr(levels))
    numbered = enumerate(levels)
    rows = [in_si(each, _LEVEL_DIMENSIONS, path=f"{path}: levels[{i}]") for i, each in numbered]
    whole = {"key": key, **in_si(table, _DIMENSIONS, path=path), "levels": rows}
    try:
        test = msgspec.convert(whole, PublishedTest)
    except msgspec.ValidationError as error:
        raise InputError(path, expected="a published test", found=error) from None
    for i, level in enumerate(test.levels):
        if level.users < 1:
            raise InputError(f"{path}: levels[{i}].users", expected="at least 1", found=level.users)
        if level.failures_ratio is not None and level.failures_ratio > 1:
            raise InputError(
                f"{path}: levels[{i}].failures", expected="at most 100 %", found=level.failures_ratio
            )
    return test
