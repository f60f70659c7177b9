"""One answer as it comes in: stamps, text, counts, and at the end what became of it."""

from __future__ import annotations

import msgspec

from servemark.client.chat import Usage, decode_event, error_words
from servemark.client.protocol import Prepared
from servemark.client.sse import DONE, EventParser
from servemark.domain.run import Outcome

_FAILED_FINISHES = ("error", "abort", "content_filter")


class Answer:
    """Reads a response body chunk by chunk. Stamps are given by the caller, in run seconds."""

    def __init__(self, *, keep_text: bool = False) -> None:
        self.first_byte_s: float | None = None
        self.chunk_s: list[float] = []
        """Arrival of every chunk with text; the empty role chunk has none."""
        self.finish_reason: str | None = None
        self.usage: Usage | None = None
        self.done = False
        """`[DONE]` was seen: nothing that happens to the connection afterwards matters."""
        self.problem = ""
        """First error event or unreadable event."""
        self.called = ""
        """First tool that the answer calls."""
        self._text: list[str] | None = [] if keep_text else None
        self._reasoning: list[str] = []
        self._events = 0
        self._parser = EventParser()

    def read(self, data: bytes, at_s: float) -> None:
        """Take in what one read of the connection returned."""
        if self.first_byte_s is None:
            self.first_byte_s = at_s
        for name, content in self._parser.feed(data):
            self._take(name, content, at_s)

    def close(self, at_s: float) -> None:
        """The body has ended as it should."""
        for name, content in self._parser.close():
            self._take(name, content, at_s)

    @property
    def text(self) -> str:
        """The text of the answer, as far as it came, where it was to be kept."""
        return "".join(self._text or ())

    @property
    def reasoning(self) -> str:
        """What the model thought aloud, where the engine sends it apart and it was to be kept."""
        return "".join(self._reasoning)

    @property
    def output_tokens(self) -> int:
        """As the server counts; the number of text chunks where it does not say."""
        claimed = self.usage.completion_tokens if self.usage else None
        return len(self.chunk_s) if claimed is None else claimed

    def outcome(self, prepared: Prepared, content_type: str) -> tuple[Outcome, str]:
        """What became of a 200 whose body was read to its end, and why it is not complete."""
        if self.problem:
            return "broken", self.problem
        if not self._events:
            found = f"a body of {content_type or 'no type'}" if self.first_byte_s is not None else "nothing"
            return "broken", f"200 without an event stream: {found}"
        if not self.chunk_s:
            called = f", and the tool {self.called!r} called" if self.called else ""
            return "broken", f"200 without text (the server counts {self.output_tokens} tokens{called})"
        if self.finish_reason is None:
            return "broken", f"stream ended without finish reason after {len(self.chunk_s)} chunks"
        if self.finish_reason in _FAILED_FINISHES:
            return "broken", f"finish reason {self.finish_reason}"
        if self.finish_reason == "length":
            return self._length_outcome(prepared)
        return "complete", ""

    def _length_outcome(self, prepared: Prepared) -> tuple[Outcome, str]:
        """`length` is right only at the cap, and only where no natural end was due."""
        claimed = self.usage.completion_tokens if self.usage else None
        if claimed is not None and claimed < prepared.max_tokens:
            return "truncated", f"finish reason length after {claimed} of {prepared.max_tokens} tokens"
        if prepared.natural_stop:
            return "truncated", f"no end within {prepared.max_tokens} tokens"
        return "complete", ""

    def _take(self, name: bytes, content: bytes, at_s: float) -> None:
        self._events += 1
        if content == DONE:
            self.done = True
            return
        if name == b"error":
            self.problem = self.problem or f"error event: {error_words(content)}"
            return
        try:
            event = decode_event(content)
        except (msgspec.DecodeError, UnicodeDecodeError):
            self.problem = self.problem or f"unreadable event: {content[:80]!r}"
            return
        if event.error is not None or event.object == "error":
            self.problem = self.problem or f"error event: {error_words(content)}"
            return
        if event.usage is not None:
            self.usage = event.usage
        for choice in event.choices or ():
            self.finish_reason = choice.finish_reason or self.finish_reason
            self.called = self.called or choice.called
            text, reasoning = choice.content, choice.reasoning
            if text or reasoning:
                self.chunk_s.append(at_s)
                if self._text is not None:
                    self._text.append(text)
                    self._reasoning.append(reasoning)
