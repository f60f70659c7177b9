"""The suite that a name stands for: what `quality` ships or reads, and the banks that the tiny model knows by heart."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from servemark.domain.exchange import Item, Suite
from servemark.engines import tiny
from servemark.errors import UnknownName, fold_name
from servemark.quality.suites import KEYS, find_suite, suite_of


class Bank(NamedTuple):
    """Items that the tiny model answers right, word for word."""

    key: str
    title: str
    items: Callable[[], list[Item]]


BANKS = (
    Bank("tiny", "The bank that the tiny model knows by heart", tiny.bank),
    Bank("tiny-short", "Its short bank, of items alike in length, to count a KV pool in", tiny.short_bank),
)
SHIPPED = (*KEYS, *(bank.key for bank in BANKS))
"""Keys of all suites that ship, in the order of lists."""


def is_shipped(reference: str) -> bool:
    """Whether a name is the key of a suite that ships (case, `-`, `_` ignored)."""
    return fold_name(reference) in map(fold_name, SHIPPED)


def named_suite(reference: str | Path, *, seed: int = 0) -> Suite:
    """The suite of that key, those of the tiny model included, or the one in a JSONL file or folder.

    Raises:
        UnknownName: neither a key nor a path that exists.
        InputError: a line of the file is wrong.
    """
    for bank in BANKS:
        if fold_name(str(reference)) == fold_name(bank.key):
            # the model has its prompts by heart: a code in them would be a prompt that it has never seen
            return suite_of(
                bank.items(), key=bank.key, title=bank.title, nonce=False, canary=False,
                max_tokens=tiny.LONGEST_ANSWER_TOKENS, source="shipped with Servemark",
            )  # fmt: skip
    try:
        return find_suite(reference, seed=seed)
    except UnknownName:
        raise UnknownName(
            "suite", kind="a suite or a JSONL file", name=str(reference), known=SHIPPED
        ) from None
