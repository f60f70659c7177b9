"""A suite as a JSONL file or a folder of them: its lines, and what is wrong with each."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
from msgspec.structs import replace

from servemark.domain.exchange import Item
from servemark.domain.record import Record
from servemark.errors import InputError
from servemark.quality.item_faults import SuiteProblem, item_problems
from servemark.quality.item_lines import item_of, line_of


class SuiteHead(Record, frozen=True, kw_only=True):
    """What holds for a whole file: its optional first line, `{"suite": {...}}`. In a folder each file may have one."""

    title: str = ""
    max_tokens: int = 256
    """Cap of every answer that sets none."""
    nonce: bool = True
    canary: bool = True

    def text(self) -> str:
        """The line."""
        return msgspec.json.encode({"suite": self}).decode()


class SuiteLine(Record, frozen=True, kw_only=True):
    """One item and where it stands."""

    where: str
    """`exam.jsonl:12`."""
    item: Item


class SuiteFile(Record, frozen=True, kw_only=True):
    """All that a path holds."""

    lines: tuple[SuiteLine, ...]
    head: SuiteHead | None
    problems: tuple[SuiteProblem, ...]
    """In the order of the lines. An item with a problem is in `lines` where it could be read at all."""


def read_suite_file(path: Path) -> SuiteFile:
    """Read a JSONL file, or every `.jsonl` file of a folder in the order of their names.

    Raises:
        InputError: no such file, none in the folder, or it cannot be read.
    """
    lines: list[SuiteLine] = []
    problems: list[SuiteProblem] = []
    first_of: dict[str, str] = {}
    heads: dict[str, SuiteHead] = {}
    begun: set[str] = set()
    for file, number, text in _raw_lines(path):
        where = f"{file}:{number}"
        try:
            document = _decoded(text, where)
            if isinstance(document, dict) and set(document) == {"suite"}:
                heads[file] = _head(document["suite"], where, late=file in begun)
                continue
            item = item_of(line_of(document, where=where), where=where)
        except InputError as error:
            problems.append(SuiteProblem.of(error, where))
            continue
        finally:
            begun.add(file)
        if item.id in first_of:
            found = f"{item.id!r} again, first at {first_of[item.id]}"
            problems.append(SuiteProblem(where=where, field="id", expected="an id of its own", found=found))
        first_of.setdefault(item.id, where)
        problems += item_problems(item, where)
        lines.append(SuiteLine(where=where, item=item))
    if not lines and not problems:
        problems.append(SuiteProblem(where=str(path), expected="at least one item", found="none"))
    head = _joined(heads)
    return SuiteFile(lines=_capped(lines, heads, head), head=head, problems=tuple(problems))


def _joined(heads: dict[str, SuiteHead]) -> SuiteHead | None:
    """What holds for a whole folder: codes only where every file allows them."""
    if not heads:
        return None
    first = next(iter(heads.values()))
    allowed = {name: all(getattr(each, name) for each in heads.values()) for name in ("nonce", "canary")}
    return replace(first, **allowed)


def _capped(
    lines: list[SuiteLine], heads: dict[str, SuiteHead], head: SuiteHead | None
) -> tuple[SuiteLine, ...]:
    """The lines; items of a file whose cap is another one than that of the whole carry it themselves."""
    out: list[SuiteLine] = []
    for line in lines:
        own = heads.get(line.where.rpartition(":")[0], SuiteHead())
        if head is not None and line.item.max_tokens is None and own.max_tokens != head.max_tokens:
            line = replace(line, item=replace(line.item, max_tokens=own.max_tokens))
        out.append(line)
    return tuple(out)


def _raw_lines(path: Path) -> Iterator[tuple[str, int, str]]:
    """File name, number and text of each line that is not blank."""
    if not path.exists():
        raise InputError("suite", expected="a JSONL file or a folder of them", found=str(path))
    files = sorted(path.glob("*.jsonl")) if path.is_dir() else [path]
    if not files:
        raise InputError("suite", expected="a folder with .jsonl files", found=f"none in {path}")
    for file in files:
        try:
            texts = file.read_text(encoding="utf-8-sig").split("\n")
        except (OSError, UnicodeDecodeError) as error:
            reason = "no UTF-8 text" if isinstance(error, UnicodeDecodeError) else error.strerror
            raise InputError(
                "suite", expected="a file that can be read", found=f"{file}: {reason}"
            ) from None
        for number, text in enumerate(texts, 1):
            if text.strip():
                yield file.name, number, text


def _decoded(text: str, where: str) -> Any:
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError) as error:
        raise InputError(where, expected="JSON", found=str(error)) from None


def _head(document: Any, where: str, *, late: bool) -> SuiteHead:
    if late:
        raise InputError(f"{where} suite", expected="the head on the first line", found="it further down")
    try:
        return msgspec.convert(document, SuiteHead)
    except msgspec.ValidationError as error:
        known = ", ".join(SuiteHead.__struct_fields__)
        raise InputError(f"{where} suite", expected=f"an object of {known}", found=str(error)) from None
