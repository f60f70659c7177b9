"""The raw rows of a run: one JSON object per line, each with the index of its level."""

from __future__ import annotations

import errno
import os
from collections import defaultdict
from pathlib import Path
from typing import Generic, TypeVar

import msgspec

from servemark.domain.engine_sample import EngineSample
from servemark.domain.exchange import Judgement
from servemark.domain.record import Record
from servemark.domain.run import GpuSample, RequestRecord, StepRecord
from servemark.errors import StoreError


class JudgedRequest(Record, frozen=True, kw_only=True):
    """What the checks said of one request, once all of the run were known."""

    index: int
    """Of the request, inside its level."""
    judgement: Judgement


R = TypeVar("R", RequestRecord, StepRecord, GpuSample, EngineSample, JudgedRequest)


class Row(Record, Generic[R], frozen=True, kw_only=True):
    """One line of a rows file."""

    level: int
    row: R


REQUESTS = ("requests.jsonl", RequestRecord)
STEPS = ("steps.jsonl", StepRecord)
SAMPLES = ("gpu.jsonl", GpuSample)
ENGINE = ("engine.jsonl", EngineSample)
JUDGEMENTS = ("judgements.jsonl", JudgedRequest)


class RowsFile:
    """An append-only file; each row reaches the kernel with one write, so a killed process loses none."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = None
        self._encoder = msgspec.json.Encoder()
        self._buffer = bytearray()

    def append(self, level: int, row: R) -> None:
        """Write one row; the file appears with the first.

        Raises:
            OSError: it was not written, or (a full disk) in part: nothing may follow it then.
        """
        if self._file is None:
            self._file = self._path.open("ab", buffering=0)
        self._encoder.encode_into(Row(level=level, row=row), self._buffer)
        self._buffer += b"\n"
        if self._file.write(self._buffer) != len(self._buffer):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def close(self) -> None:
        """Close the file, if there is one."""
        if self._file is not None:
            self._file.close()
            self._file = None


def read_rows(path: Path, kind: type[R]) -> tuple[dict[int, list[R]], bool]:
    """Rows by level, and whether a torn last line was left out. No file means no rows.

    Raises:
        StoreError: the file, or a line other than a torn last one, cannot be read.
    """
    rows: dict[int, list[R]] = defaultdict(list)
    if not path.exists():
        return rows, False
    decode = msgspec.json.Decoder(Row[kind]).decode
    try:
        *lines, rest = path.read_bytes().split(b"\n")
    except OSError as error:
        raise StoreError(str(path), expected="a readable file", found=error.strerror) from None
    for number, line in enumerate(lines, 1):
        try:
            row = decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise StoreError(f"{path}:{number}", expected=f"a {kind.__name__}", found=error) from None
        rows[row.level].append(row.row)
    return rows, bool(rest)
