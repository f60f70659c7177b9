"""Server-sent events, parsed from bytes as they come."""

from __future__ import annotations

DONE = b"[DONE]"


class EventParser:
    """Incremental parser; any split of the bytes into reads gives the same events.

    Follows the WHATWG event-stream grammar for lines ended by LF or CRLF (no engine ends a line with
    a lone CR). An event is `(name, data)`; `name` is empty for the ordinary `message` event. A field
    `error:`, which older llama.cpp servers send instead of `data:`, is an event of name `error`.
    """

    __slots__ = ("_data", "_name", "_rest")

    def __init__(self) -> None:
        self._rest = b""
        self._name = b""
        self._data: list[bytes] = []

    def feed(self, data: bytes) -> list[tuple[bytes, bytes]]:
        """The events that these bytes complete."""
        lines = (self._rest + data if self._rest else data).split(b"\n")
        self._rest = lines.pop()
        events: list[tuple[bytes, bytes]] = []
        for line in lines:
            if line.endswith(b"\r"):
                line = line[:-1]
            if not line:
                if self._data:
                    events.append(self._event())
                self._name = b""
            else:
                self._line(line)
        return events

    def close(self) -> list[tuple[bytes, bytes]]:
        """An event whose lines came whole but whose closing blank line never did."""
        return [self._event()] if self._data else []

    def _line(self, line: bytes) -> None:
        field, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if field == b"data":
            self._data.append(value)
        elif field == b"event":
            self._name = value
        elif field == b"error":
            self._name = b"error"
            self._data.append(value)

    def _event(self) -> tuple[bytes, bytes]:
        event = (self._name, b"\n".join(self._data))
        self._name = b""
        self._data.clear()
        return event
