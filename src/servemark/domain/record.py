"""The one parent of every record: frozen, keyword-only, unknown fields refused."""

from __future__ import annotations

import msgspec


class Record(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A frozen record. Make a changed copy with `msgspec.structs.replace`.

    Each record says `frozen=True, kw_only=True` itself: msgspec does not inherit `kw_only`, and type
    checkers want both.
    """
