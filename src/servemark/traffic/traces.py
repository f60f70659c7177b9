"""Recorded traces: read and written.

Formats, recognised by their first line:

- `azure`: CSV `TIMESTAMP,ContextTokens,GeneratedTokens` (Azure LLM inference traces of 2023 and 2024)
- `burstgpt`: CSV with `Timestamp` (seconds), `Request tokens`, `Response tokens` and others
- `mooncake`: JSON lines with `timestamp` (milliseconds), `input_length`, `output_length` and, for each
  512 tokens of the prompt, one of `hash_ids`
- `servemark`: JSON lines under a header `{"schema": "servemark.trace/1"}` with `at_s`, `input_tokens`,
  `output_tokens` and optional `prefix_blocks`, `messages`; or CSV `at_s,input_tokens,output_tokens`

Any of them may be gzipped.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import msgspec

from servemark.domain.exchange import Message
from servemark.domain.record import Record
from servemark.domain.workload import PlannedRequest
from servemark.errors import InputError
from servemark.traffic.rows import TRACE_SCHEMA, RecordedRow, read_rows

_GZIP_MAGIC = b"\x1f\x8b"


class Trace(Record, frozen=True, kw_only=True):
    """A recorded trace. Times are seconds and rise; foreign formats are moved to start at 0."""

    name: str
    format: str
    requests: tuple[PlannedRequest, ...]
    skipped: int = 0
    """Rows left out because the recorded request had no output (BurstGPT marks failures so)."""


class _Row(msgspec.Struct, omit_defaults=True):
    at_s: float
    input_tokens: int
    output_tokens: int
    prefix_blocks: tuple[int, ...] = ()
    messages: tuple[Message, ...] = ()


def read_trace(path: str | Path) -> Trace:
    """The trace in a file of any known format; rows are put in order of time.

    Raises:
        InputError: no such file, no known format, no request, or a malformed row, named by line and
            column: `trace.csv:17: ContextTokens: expected a whole number ..., found '4x'`.
    """
    file = Path(path)
    try:
        with _opened(file) as lines:
            form, name, rows = read_rows(lines, file.name)
            recorded = list(rows)
    except (OSError, EOFError, zlib.error, UnicodeDecodeError) as error:
        raise InputError(str(file), expected="a readable trace", found=error) from None
    kept = sorted((row for row in recorded if row.output_tokens), key=lambda row: (row.whole_s, row.part_s))
    if not kept:
        raise InputError(
            str(file), expected="at least one request with output", found=f"{len(recorded)} rows"
        )
    own = form == "servemark"
    start = (0, 0.0) if own else (kept[0].whole_s, kept[0].part_s)
    requests = tuple(_planned(i, row, start) for i, row in enumerate(kept))
    return Trace(
        name=name or file.name.removesuffix(".gz").rpartition(".")[0] or file.name,
        format=form,
        requests=requests,
        skipped=len(recorded) - len(kept),
    )


def write_trace(trace: Trace, path: str | Path) -> Path:
    """Write the trace as our JSON lines, gzipped where the name ends in `.gz`; returns the path."""
    file = Path(path)
    block_tokens = max(each.prefix_block_tokens for each in trace.requests)
    header = {"schema": TRACE_SCHEMA, "name": trace.name, "prefix_block_tokens": block_tokens}
    rows = (
        _Row(
            at_s=each.scheduled_s or 0.0,
            input_tokens=each.input_tokens,
            output_tokens=each.output_tokens,
            prefix_blocks=each.prefix_blocks,
            messages=each.messages,
        )
        for each in trace.requests
    )
    content = msgspec.json.Encoder().encode_lines([header, *rows])
    file.write_bytes(gzip.compress(content, mtime=0) if file.suffix == ".gz" else content)
    return file


def left_out(trace: Trace) -> tuple[str, ...]:
    """A note on recorded requests that gave no output and are not played."""
    if not trace.skipped:
        return ()
    return (
        f"recorded requests without output, left out: {trace.skipped} of {trace.skipped + len(trace.requests)}",
    )


def _planned(index: int, row: RecordedRow, start: tuple[int, float]) -> PlannedRequest:
    return PlannedRequest(
        index=index,
        scheduled_s=(row.whole_s - start[0]) + (row.part_s - start[1]),
        input_tokens=row.input_tokens,
        output_tokens=row.output_tokens,
        prefix_blocks=row.prefix_blocks,
        prefix_block_tokens=row.prefix_block_tokens,
        messages=row.messages,
    )


@contextmanager
def _opened(file: Path) -> Iterator[IO[str]]:
    """The lines of a plain or gzipped text file."""
    with file.open("rb") as raw:
        zipped = raw.read(2) == _GZIP_MAGIC
    with (
        gzip.open(file, "rt", encoding="utf-8-sig", newline="")
        if zipped
        else file.open(encoding="utf-8-sig", newline="")
    ) as lines:
        yield lines
