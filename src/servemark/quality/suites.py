"""Sets of questions: what ships, and a user's own JSONL file or folder of such files."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from importlib import resources
from pathlib import Path
from typing import NamedTuple

from msgspec.structs import replace

from servemark.domain.exchange import Item, Suite
from servemark.errors import InputError, UnknownName, fold_name
from servemark.quality.conversations import memory_items
from servemark.quality.item_lines import line_text
from servemark.quality.needles import needle_items
from servemark.quality.suite_files import SuiteHead, read_suite_file
from servemark.quality.tasks import task_items

OPTION_LINE = re.compile(r"(?m)^([A-Z])\) (\S.*)$")


EXAM = "exam"


class Generated(NamedTuple):
    """One suite that is made from a seed."""

    key: str
    title: str
    max_tokens: int
    items: Callable[[int], list[Item]]
    """Of a seed."""


GENERATED = (
    Generated("needles", "A code at five depths of four lengths of prose", 64, needle_items),
    Generated("memory", "Code words of earlier turns, in overlapping conversations", 64, memory_items),
    Generated("tasks", "Exact tasks: copy, arithmetic, extraction, JSON", 200, task_items),
)
KEYS = (EXAM, *(each.key for each in GENERATED))


def find_suite(reference: str | Path, *, seed: int = 0) -> Suite:
    """The suite of that key (case, `-`, `_` ignored), or the one in a JSONL file or folder of JSONL files.

    Args:
        reference: `exam`, `needles`, `memory`, `tasks`, or a path. `tiny` and `tiny-short` are joined
            by `api`, which knows the engine that has them by heart.
        seed: of the generated ones; the same seed gives the same items.

    Raises:
        UnknownName: neither a key nor a path that exists.
        InputError: the first line that is wrong; `servemark suite check` shows them all.
    """
    name = fold_name(str(reference))
    if name == EXAM:
        path = resources.files("servemark.quality") / "data" / "suites" / "exam.jsonl"
        return replace(_suite_in(Path(str(path))), source="shipped with Servemark")
    for each in GENERATED:
        if name == each.key:
            return Suite(
                key=each.key,
                title=each.title,
                items=tuple(each.items(seed)),
                max_tokens=each.max_tokens,
                source=f"generated, seed {seed}",
            )
    path = Path(reference)
    if not path.exists():
        raise UnknownName(
            "suite", kind=f"one of {', '.join(KEYS)} or a JSONL file", name=str(reference), known=KEYS
        )
    return _suite_in(path)


def _suite_in(path: Path) -> Suite:
    read = read_suite_file(path)
    if read.problems:
        first, more = read.problems[0], len(read.problems) - 1
        rest = f" (and {more} more: servemark suite check {path})" if more else ""
        raise InputError(
            first.path, expected=first.expected, found=first.found + rest, nearest=first.nearest
        )
    head = read.head or SuiteHead()
    return Suite(
        key=path.stem,
        title=(head.title if path.is_file() else "") or path.stem,
        items=tuple(line.item for line in read.lines),
        max_tokens=head.max_tokens,
        nonce=head.nonce,
        canary=head.canary,
        source=str(path),
    )


def suite_of(
    items: Iterable[Item],
    *,
    key: str,
    title: str,
    nonce: bool = True,
    canary: bool = True,
    max_tokens: int = 256,
    source: str = "",
) -> Suite:
    """Items from elsewhere as a suite; choices that stand only in the messages (`A) text`) become options."""
    return Suite(
        key=key,
        title=title,
        items=tuple(_with_options(item) for item in items),
        max_tokens=max_tokens,
        nonce=nonce,
        canary=canary,
        source=source,
    )


def _with_options(item: Item) -> Item:
    if item.options or item.key is None or item.format != "text":
        return item
    options = dict(OPTION_LINE.findall(item.messages[-1].content))
    return replace(item, options=options, format="choice") if item.key in options else item


def suite_text(suite: Suite) -> str:
    """A suite as JSONL: its head, then an item a line."""
    head = SuiteHead(title=suite.title, max_tokens=suite.max_tokens, nonce=suite.nonce, canary=suite.canary)
    return "\n".join([head.text(), *(line_text(item) for item in suite.items)]) + "\n"
