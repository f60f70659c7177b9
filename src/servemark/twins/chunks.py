"""Bodies of the OpenAI API: whole answers, and the server-sent events of a stream.

The frame of a text chunk is encoded once per request; per token only the word goes in between.
"""

from __future__ import annotations

import time
from typing import Any, Literal, NamedTuple

import msgspec

FinishReason = Literal["stop", "length"]
Form = Literal["chat", "completion"]

_ID = {"chat": "chatcmpl", "completion": "cmpl"}
_WHOLE = {"chat": "chat.completion", "completion": "text_completion"}
_CHUNK = {"chat": "chat.completion.chunk", "completion": "text_completion"}
# stands for the word while the frame is encoded; JSON writes it as six plain characters
_MARK = "\x00"
_MARK_JSON = rb"\u0000"
DONE = b"data: [DONE]\n\n"


class Usage(NamedTuple):
    """Tokens of one request."""

    input_tokens: int
    output_tokens: int
    cached_tokens: int

    def body(self) -> dict[str, Any]:
        """As the API writes it."""
        return {
            "prompt_tokens": self.input_tokens,
            "completion_tokens": self.output_tokens,
            "total_tokens": self.input_tokens + self.output_tokens,
            "prompt_tokens_details": {"cached_tokens": self.cached_tokens},
        }


class Frame(NamedTuple):
    """The events of one stream, ready to be filled."""

    opening: bytes
    """The role chunk of a chat; nothing for a completion."""
    head: bytes
    tail: bytes
    envelope: dict[str, Any]
    form: Form

    def text(self, word: str) -> bytes:
        """One token."""
        return self.head + msgspec.json.encode(word)[1:-1] + self.tail

    def closing(self, reason: FinishReason, usage: Usage | None) -> bytes:
        """The finish reason, the usage where asked for, and `[DONE]`."""
        events = _event(self.envelope | {"choices": [_choice(self.form, "", reason)]})
        if usage is not None:
            events += _event(self.envelope | {"choices": [], "usage": usage.body()})
        return events + DONE


def request_id(form: Form, number: int) -> str:
    """Id of the number-th request."""
    return f"{_ID[form]}-{number:012x}"


def stream_frame(form: Form, number: int, model: str) -> Frame:
    """The frame of one stream."""
    envelope = _envelope(_CHUNK[form], form, number, model)
    opening = b""
    if form == "chat":
        role = {"index": 0, "delta": {"role": "assistant", "content": ""}}
        opening = _event(envelope | {"choices": [role | _OPEN]})
    text = _event(envelope | {"choices": [_choice(form, _MARK, None)]})
    head, _, tail = text.partition(_MARK_JSON)
    return Frame(opening=opening, head=head, tail=tail, envelope=envelope, form=form)


def whole_answer(
    form: Form, number: int, model: str, text: str, reason: FinishReason | None, usage: Usage
) -> bytes:
    """The body of an answer that is not streamed."""
    choice: dict[str, Any] = {"index": 0, "logprobs": None, "finish_reason": reason, "stop_reason": None}
    if form == "chat":
        choice["message"] = {"role": "assistant", "content": text, "tool_calls": []}
    else:
        choice["text"] = text
    envelope = _envelope(_WHOLE[form], form, number, model)
    return msgspec.json.encode(envelope | {"choices": [choice], "usage": usage.body()})


_OPEN: dict[str, Any] = {"logprobs": None, "finish_reason": None}


def _choice(form: Form, text: str, reason: FinishReason | None) -> dict[str, Any]:
    end: dict[str, Any] = {"logprobs": None, "finish_reason": reason}
    if form == "chat":
        return {"index": 0, "delta": {"content": text}} | end
    return {"index": 0, "text": text} | end


def _envelope(kind: str, form: Form, number: int, model: str) -> dict[str, Any]:
    return {
        "id": request_id(form, number),
        "object": kind,
        "created": int(time.time()),
        "model": model,
    }


def _event(body: dict[str, Any]) -> bytes:
    return b"data: " + msgspec.json.encode(body) + b"\n\n"
