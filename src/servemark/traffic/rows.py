"""The rows of a trace file in each known format."""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from itertools import chain
from typing import Any, NamedTuple

import msgspec

from servemark.domain.exchange import Message
from servemark.errors import InputError

TRACE_SCHEMA = "servemark.trace/1"
_MOONCAKE_BLOCK_TOKENS = 512
_IMPOSSIBLE_TOKENS = 10**9
_KNOWN = "the header of an Azure, BurstGPT, Mooncake or servemark.trace/1 file"


class RecordedRow(NamedTuple):
    """One recorded request. Its time is `whole_s + part_s` in seconds, apart to lose no digits."""

    whole_s: int
    part_s: float
    input_tokens: int
    output_tokens: int
    prefix_blocks: tuple[int, ...] = ()
    prefix_block_tokens: int = 0
    messages: tuple[Message, ...] = ()


class CsvFormat(NamedTuple):
    """Which column holds what."""

    name: str
    time: str
    input: str
    output: str
    read_time: Callable[[str, str], tuple[int, float]]


def read_rows(lines: Iterable[str], file: str) -> tuple[str, str, Iterator[RecordedRow]]:
    """Format, name stated inside (or empty), and the rows, read as they are asked for.

    Args:
        lines: the text of the file.
        file: its name, for messages.

    Raises:
        InputError: the first line is no known header; from the rows, the line and column that is wrong.
    """
    rest = iter(lines)
    first = next(rest, "")
    if not first.lstrip().startswith("{"):
        header = [column.strip() for column in next(csv.reader([first]), [])]
        for form in _CSV_FORMATS:
            if {form.time, form.input, form.output} <= set(header):
                return form.name, "", _csv_rows(form, header, rest, file)
        raise InputError(f"{file}:1", expected=_KNOWN, found=repr(first.strip()[:80]))
    head = _json_object(first, f"{file}:1")
    if "schema" in head:
        if head["schema"] != TRACE_SCHEMA:
            raise InputError(f"{file}:1: schema", expected=TRACE_SCHEMA, found=repr(head["schema"]))
        return "servemark", str(head.get("name", "")), _own_rows(head, rest, file)
    if {"timestamp", "input_length", "output_length"} <= head.keys():
        return "mooncake", "", _mooncake_rows(chain([first], rest), file)
    raise InputError(f"{file}:1", expected=_KNOWN, found=repr(first.strip()[:80]))


def _csv_rows(form: CsvFormat, header: list[str], lines: Iterable[str], file: str) -> Iterator[RecordedRow]:
    time, input_, output = (header.index(each) for each in (form.time, form.input, form.output))
    reader = csv.reader(lines)
    for row in reader:
        if not row:
            continue
        at = f"{file}:{reader.line_num + 1}"
        if len(row) != len(header):
            raise InputError(
                at, expected=f"{len(header)} columns", found=f"{len(row)}: {','.join(row)[:80]!r}"
            )
        whole_s, part_s = form.read_time(row[time], f"{at}: {form.time}")
        yield RecordedRow(
            whole_s,
            part_s,
            _tokens(row[input_], f"{at}: {form.input}", minimum=1),
            _tokens(row[output], f"{at}: {form.output}", minimum=0),
        )


def _mooncake_rows(lines: Iterable[str], file: str) -> Iterator[RecordedRow]:
    for number, row in _json_rows(lines, file, first=1):
        at = f"{file}:{number}"
        stamp_ms = _number(row.get("timestamp"), f"{at}: timestamp", "milliseconds")
        input_tokens = _tokens(row.get("input_length"), f"{at}: input_length", minimum=1)
        blocks = _blocks(row.get("hash_ids", []), f"{at}: hash_ids")
        full = input_tokens // _MOONCAKE_BLOCK_TOKENS
        if blocks and not full <= len(blocks) <= full + 1:
            expected = f"one for each 512 of {input_tokens} tokens"
            raise InputError(f"{at}: hash_ids", expected=expected, found=f"{len(blocks)} blocks")
        yield RecordedRow(
            0,
            stamp_ms / 1e3,
            input_tokens,
            _tokens(row.get("output_length"), f"{at}: output_length", minimum=0),
            blocks,
            _MOONCAKE_BLOCK_TOKENS if blocks else 0,
        )


def _own_rows(head: Mapping[str, Any], lines: Iterable[str], file: str) -> Iterator[RecordedRow]:
    block_tokens = _tokens(head.get("prefix_block_tokens", 0), f"{file}:1: prefix_block_tokens", minimum=0)
    for number, row in _json_rows(lines, file, first=2):
        at = f"{file}:{number}"
        input_tokens = _tokens(row.get("input_tokens"), f"{at}: input_tokens", minimum=1)
        blocks = _blocks(row.get("prefix_blocks", []), f"{at}: prefix_blocks")
        if blocks and not (block_tokens and block_tokens * (len(blocks) - 1) < input_tokens):
            expected = f"blocks of {block_tokens} tokens (see the header) within {input_tokens} tokens"
            raise InputError(f"{at}: prefix_blocks", expected=expected, found=f"{len(blocks)} blocks")
        try:
            messages = msgspec.convert(row.get("messages", []), tuple[Message, ...])
        except msgspec.ValidationError as error:
            raise InputError(f"{at}: messages", expected="chat messages", found=error) from None
        yield RecordedRow(
            *_own_time(row.get("at_s"), f"{at}: at_s"),
            input_tokens,
            _tokens(row.get("output_tokens"), f"{at}: output_tokens", minimum=0),
            blocks,
            block_tokens if blocks else 0,
            messages,
        )


def _json_rows(lines: Iterable[str], file: str, *, first: int) -> Iterator[tuple[int, dict[str, Any]]]:
    for number, line in enumerate(lines, first):
        if line.strip():
            yield number, _json_object(line, f"{file}:{number}")


def _json_object(line: str, at: str) -> dict[str, Any]:
    try:
        return msgspec.json.decode(line, type=dict[str, Any])
    except msgspec.DecodeError:
        raise InputError(at, expected="one JSON object", found=repr(line.strip()[:80])) from None


def _tokens(raw: object, at: str, *, minimum: int) -> int:
    """A whole number of tokens, as a number or as text (`12` or `12.0`)."""
    try:
        number = (
            float(raw) if isinstance(raw, (str, int, float)) and not isinstance(raw, bool) else math.nan
        )
    except ValueError:
        number = math.nan
    if not (minimum <= number < _IMPOSSIBLE_TOKENS and number.is_integer()):
        raise InputError(at, expected=f"a whole number of tokens, at least {minimum}", found=_shown(raw))
    return int(number)


def _number(raw: object, at: str, unit: str) -> float:
    try:
        number = (
            float(raw) if isinstance(raw, (str, int, float)) and not isinstance(raw, bool) else math.nan
        )
    except ValueError:
        number = math.nan
    if not 0 <= number < math.inf:
        raise InputError(at, expected=f"a time in {unit}, at least 0", found=_shown(raw))
    return number


def _blocks(raw: object, at: str) -> tuple[int, ...]:
    try:
        return msgspec.convert(raw, tuple[int, ...])
    except msgspec.ValidationError:
        raise InputError(at, expected="a list of whole numbers", found=_shown(raw)) from None


def _shown(raw: object) -> str:
    return "nothing" if raw is None or raw == "" else repr(raw)[:80]


def _own_time(raw: object, at: str) -> tuple[int, float]:
    return 0, _number(raw, at, "seconds")


_STAMP = re.compile(r"(\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d)(\.\d+)?(Z|[+-]\d\d:\d\d)?")


def _stamp_time(raw: str, at: str) -> tuple[int, float]:
    """`2023-11-16 18:17:03.9799600`, with or without a zone (then UTC)."""
    match = _STAMP.fullmatch(raw.strip())
    try:
        if match is None:
            raise ValueError
        whole = datetime.fromisoformat(match[1] + (match[3] or "Z"))
    except ValueError:
        expected = "a time such as 2023-11-16 18:17:03.97996"
        raise InputError(at, expected=expected, found=_shown(raw)) from None
    return int(whole.timestamp()), float(match[2] or 0.0)


_CSV_FORMATS = (
    CsvFormat("azure", "TIMESTAMP", "ContextTokens", "GeneratedTokens", _stamp_time),
    CsvFormat("burstgpt", "Timestamp", "Request tokens", "Response tokens", _own_time),
    CsvFormat("servemark", "at_s", "input_tokens", "output_tokens", _own_time),
)
