"""The suite that a name stands for: what `quality` ships or reads, and the bank that the tiny model knows by heart."""

from __future__ import annotations

from pathlib import Path

from servemark.domain.exchange import Suite
from servemark.engines import tiny
from servemark.errors import UnknownName, fold_name
from servemark.quality.suites import KEYS, find_suite, suite_of

TINY = "tiny"


def named_suite(reference: str | Path, *, seed: int = 0) -> Suite:
    """The suite of that key, `tiny` included, or the one in a JSONL file or folder.

    Raises:
        UnknownName: neither a key nor a path that exists.
        InputError: a line of the file is wrong.
    """
    if fold_name(str(reference)) == TINY:
        # the model has its prompts by heart: a code in them would be a prompt that it has never seen
        return suite_of(
            tiny.bank(), key=TINY, title="The bank that the tiny model knows by heart", nonce=False,
            canary=False, max_tokens=tiny.LONGEST_ANSWER_TOKENS, source="shipped with Servemark",
        )  # fmt: skip
    try:
        return find_suite(reference, seed=seed)
    except UnknownName:
        keys = (*KEYS, TINY)
        raise UnknownName(
            "suite", kind="a suite or a JSONL file", name=str(reference), known=keys
        ) from None
