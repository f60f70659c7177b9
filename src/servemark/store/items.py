"""The questions of a run: `items.jsonl`, one item a line, written before the first is asked."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec

from servemark.domain.exchange import Item
from servemark.errors import StoreError

ITEMS = "items.jsonl"


def write_items(folder: Path, items: Sequence[Item]) -> None:
    """Write all of them at once.

    Raises:
        OSError: the file cannot be written.
    """
    partial = folder / f".{ITEMS}"
    partial.write_bytes(msgspec.json.Encoder().encode_lines(items))
    partial.replace(folder / ITEMS)


def read_items(folder: Path) -> tuple[Item, ...]:
    """The questions; none where the run came from no suite.

    Raises:
        StoreError: the file cannot be read.
    """
    path = folder / ITEMS
    if not path.exists():
        return ()
    try:
        return tuple(msgspec.json.Decoder(Item).decode_lines(path.read_bytes()))
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise StoreError(str(path), expected="one item a line", found=error) from None
    except OSError as error:
        raise StoreError(str(path), expected="a readable file", found=error.strerror) from None
