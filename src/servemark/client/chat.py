"""The wire format of a streamed chat completion: the request body and the events that answer it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from servemark.client.protocol import Prepared
from servemark.domain.exchange import Message
from servemark.domain.workload import PlannedRequest

_REASON_LENGTH = 300


class _PromptDetails(msgspec.Struct):
    cached_tokens: int | None = None


class Usage(msgspec.Struct):
    """Token counts of the server."""

    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    prompt_tokens_details: _PromptDetails | None = None


class _Function(msgspec.Struct):
    name: str | None = None
    arguments: str | None = None


class _ToolCall(msgspec.Struct):
    function: _Function | None = None


class _Delta(msgspec.Struct):
    content: str | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    tool_calls: list[_ToolCall] | None = None


class _Choice(msgspec.Struct):
    delta: _Delta | None = None
    finish_reason: str | None = None

    @property
    def content(self) -> str:
        """New text of the answer."""
        return (self.delta.content if self.delta else None) or ""

    @property
    def reasoning(self) -> str:
        """New text of what the model thinks aloud, where the engine sends it apart."""
        delta = self.delta
        return (delta.reasoning_content or delta.reasoning or "") if delta else ""

    @property
    def called(self) -> str:
        """Name of a tool that the answer calls instead of saying something."""
        calls = (self.delta.tool_calls if self.delta else None) or ()
        return next((call.function.name for call in calls if call.function and call.function.name), "")


class ChatEvent(msgspec.Struct):
    """One event of the stream, fields without use here left out."""

    choices: list[_Choice] | None = None
    usage: Usage | None = None
    error: Any = None
    object: str | None = None


decode_event = msgspec.json.Decoder(ChatEvent).decode
"""About 1 µs for a token event; raises `msgspec.DecodeError`."""


def prepare_chat(
    request: PlannedRequest,
    messages: Sequence[Message],
    *,
    model: str,
    seed: int,
    extra_body: Mapping[str, Any] | None = None,
) -> Prepared:
    """Encode one streamed chat completion.

    Greedy, with the server's token counts asked for, and `ignore_eos` unless the answer may end by
    itself. `extra_body` adds fields, replaces them, or (with None) leaves them out.
    """
    fields: dict[str, Any] = {
        "model": model,
        "messages": messages,
        "stream": True,
        "stream_options": {"include_usage": True},
        "max_tokens": request.output_tokens,
        "temperature": 0,
        "seed": seed,
    }
    if not request.natural_stop:
        fields["ignore_eos"] = True
    extra = dict(extra_body or {})
    fields = {k: v for k, v in (fields | extra).items() if not (k in extra and v is None)}
    return Prepared(
        index=request.index,
        body=msgspec.json.encode(fields),
        max_tokens=request.output_tokens,
        natural_stop=request.natural_stop,
        item=request.item,
    )


def error_words(body: bytes | str) -> str:
    """What an error body says, in one line: the message of the JSON forms in use, else its beginning."""
    try:
        content = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        content = body if isinstance(body, str) else body.decode(errors="replace")
    return " ".join(_message(content).split())[:_REASON_LENGTH]


def _message(content: Any) -> str:
    """VLLM and OpenAI: `error.message`; vLLM before 0.10: `message`; FastAPI: `detail`."""
    if isinstance(content, dict):
        for key in ("error", "message", "detail"):
            if content.get(key):
                return _message(content[key])
    return content if isinstance(content, str) else msgspec.json.encode(content).decode()
