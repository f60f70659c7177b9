"""Which request got which fault: what recall is counted against."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import msgspec

from servemark.domain.record import Record
from servemark.twins.faults import FaultKind


class StruckRequest(Record, frozen=True, kw_only=True):
    """One line of the log."""

    request: int
    """Number of the request, from 0 in the order of their coming."""
    id: str
    """As in its answer."""
    kind: FaultKind
    position: int
    """Of the fault in its plan."""
    item: str | None = None
    """Of the suite."""
    nonce: str = ""
    """The code at the end of its prompt."""
    in_flight: int
    """Requests in flight as it came, itself included."""
    at_s: float
    """When it came, in simulated seconds."""
    other: str = ""
    """Of `crossed_answers`: id of the request whose answer it got."""


class FaultLog:
    """Counts what struck, and writes it down where a file is given.

    Args:
        path: JSON lines; a file that exists is replaced.

    Raises:
        OSError: it cannot be written.
    """

    def __init__(self, path: Path | None) -> None:
        self.counts: Counter[str] = Counter()
        self._file = None if path is None else path.open("wb")

    def add(self, row: StruckRequest) -> None:
        """Write one line; a reader has it at once."""
        self.counts[row.kind] += 1
        if self._file is not None:
            self._file.write(msgspec.json.encode(row) + b"\n")
            self._file.flush()

    def close(self) -> None:
        """Nothing comes any more."""
        if self._file is not None:
            self._file.close()


def read_fault_log(path: Path) -> list[StruckRequest]:
    """The lines of a log."""
    decode = msgspec.json.Decoder(StruckRequest).decode
    return [decode(line) for line in path.read_bytes().splitlines()]
