"""Tables of measured values: a CSV in, rows out.

Columns, in any order, others ignored: see `COLUMNS`. What a row means is told by `metric` and `unit`;
`calibration/settings.py` turns one into an observation.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable, Iterator
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Final

from servemark.domain.score import MeasuredRow
from servemark.errors import InputError, nearest_names

COLUMNS: Final = (
    "source", "source_version", "gpu", "num_gpus", "tp", "pp", "model", "weight_dtype", "kv_dtype", "engine",
    "isl", "osl", "concurrency_or_batch", "metric", "unit", "value",
)  # fmt: skip
_WHOLE = ("num_gpus", "tp", "pp")
_NEEDED = ("gpu", "model", "engine", "metric")
SHIPPED: Final = "data/measured/rows.csv"


def read_rows(path: Path) -> tuple[MeasuredRow, ...]:
    """All rows of a measured table.

    Raises:
        InputError: a file that cannot be read, a column that is missing, or a cell that makes no sense,
            as `rows.csv:17: value: expected a number above 0, found 'n/a'`.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise InputError(str(path), expected="a readable CSV file", found=error.strerror) from None
    except UnicodeDecodeError as error:
        raise InputError(str(path), expected="a CSV file in UTF-8", found=error.reason) from None
    return parse_rows(text.splitlines(keepends=True), str(path))


@cache
def shipped_rows() -> tuple[MeasuredRow, ...]:
    """The rows in the package, each with `licence` and `date` beside the columns."""
    file = files("servemark.catalogue") / SHIPPED
    return parse_rows(file.read_text(encoding="utf-8").splitlines(keepends=True), "shipped rows")


def parse_rows(lines: Iterable[str], file: str) -> tuple[MeasuredRow, ...]:
    """The rows of a table's text; `file` is its name in messages.

    Raises:
        InputError: see `read_rows`.
    """
    reader = csv.reader(lines, strict=True)
    records = _records(reader, file)
    header = [name.strip() for name in next(records, (1, []))[1]]
    for name in COLUMNS:
        if header.count(name) != 1:
            found = (
                "two of that name" if name in header else f"{', '.join(header)[:120] or 'an empty file'}"
            )
            raise InputError(
                f"{file}:1: {name}",
                expected="this column",
                found=found,
                nearest=nearest_names(name, header),
            )
    return tuple(_row(header, cells, line, file) for line, cells in records if cells)


def _records(reader: Iterator[list[str]], file: str) -> Iterator[tuple[int, list[str]]]:
    """Each record with the line that it begins on."""
    line = 1
    while True:
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise InputError(f"{file}:{line}", expected="a CSV record", found=error) from None
        yield line, cells
        line = reader.line_num + 1  # type: ignore[attr-defined]


def _row(header: list[str], cells: list[str], line: int, file: str) -> MeasuredRow:
    if len(cells) != len(header):
        found = f"{len(cells)}: {','.join(cells)[:80]!r}"
        raise InputError(f"{file}:{line}", expected=f"{len(header)} columns", found=found)
    by_name = {name: cell.strip() for name, cell in zip(header, cells, strict=True)}
    for name in _NEEDED:
        if not by_name[name]:
            raise InputError(f"{file}:{line}: {name}", expected="a name", found="nothing")
    for name in _WHOLE:
        # a table without pipelines may leave `pp` empty
        cell = by_name[name] or ("1" if name == "pp" else "")
        if not (cell.isascii() and cell.isdigit() and int(cell) > 0):
            expected = "a whole number, at least 1"
            raise InputError(f"{file}:{line}: {name}", expected=expected, found=_shown(cell))
        by_name[name] = cell
    return MeasuredRow(line=line, cells=by_name, value=_value(by_name["value"], f"{file}:{line}: value"))


def _value(cell: str, path: str) -> float:
    try:
        value = float(cell)
    except ValueError:
        value = math.nan
    if not 0 < value < math.inf:
        raise InputError(path, expected="a number above 0", found=_shown(cell))
    return value


def _shown(cell: str) -> str:
    return repr(cell[:80]) if cell else "nothing"
