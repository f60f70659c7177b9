"""What the load driver needs of a client, and what it hands over."""

from __future__ import annotations

from typing import Protocol

from servemark.domain.record import Record
from servemark.domain.run import RequestRecord


class Prepared(Record, frozen=True, kw_only=True):
    """A request ready to be sent: all encoding is done before its time comes."""

    index: int
    body: bytes
    """JSON of the chat completion."""
    max_tokens: int
    natural_stop: bool = False
    """The answer ends by itself; reaching `max_tokens` is then a truncation."""
    item: str | None = None
    """Item of a suite; the text of its answer is kept."""
    nonce: str = ""
    """The code in its prompt that no other request has."""


class Client(Protocol):
    """Sends one request and tells how it went. A failed request is a record, never an exception."""

    async def send(
        self, prepared: Prepared, scheduled_s: float, *, user: int | None = None, warmup: bool = False
    ) -> RequestRecord:
        """Send now; `scheduled_s` is when it should have been sent, on the run's clock."""
        ...
