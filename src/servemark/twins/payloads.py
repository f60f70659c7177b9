"""What clients post, read into one record; what the twin cannot honour is refused in words.

Sampling parameters (temperature and the like) change which words a model picks, not how long it takes:
they are accepted and have no effect.
"""

from __future__ import annotations

from typing import Any, Literal, TypeVar

import msgspec

from servemark.domain.record import Record
from servemark.twins.refusals import refusal
from servemark.twins.tokens import chat_tokens


class Asked(Record, frozen=True, kw_only=True):
    """One request for an answer, chat or not."""

    tokens: list[str]
    """The prompt."""
    messages: tuple[tuple[str, str], ...]
    """(role, content) of a chat; a completion has none."""
    model: str | None
    max_tokens: int | None
    min_tokens: int
    ignore_eos: bool
    stream: bool
    include_usage: bool
    stops: tuple[str, ...]


class _Part(msgspec.Struct):
    type: str
    text: str = ""


class _Message(msgspec.Struct):
    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: str | list[_Part] | None = None


class _StreamOptions(msgspec.Struct):
    include_usage: bool | None = False


class _Payload(msgspec.Struct, kw_only=True):
    """Fields that both endpoints share; unknown ones are ignored, as vLLM does."""

    model: str | None = None
    max_tokens: int | None = None
    min_tokens: int | None = 0
    ignore_eos: bool | None = False
    stream: bool | None = False
    stream_options: _StreamOptions | None = None
    stop: str | list[str] | None = None
    n: int | None = 1
    best_of: int | None = 1
    echo: bool | None = False
    suffix: str | None = None
    logprobs: bool | int | None = None
    tools: list[Any] | None = None
    response_format: dict[str, Any] | None = None


class _ChatPayload(_Payload, kw_only=True):
    messages: list[_Message]
    max_completion_tokens: int | None = None


class _CompletionPayload(_Payload, kw_only=True):
    prompt: str | list[str | int | list[int]]


_chat_decoder = msgspec.json.Decoder(_ChatPayload)
_completion_decoder = msgspec.json.Decoder(_CompletionPayload)


def read_chat(body: bytes) -> Asked:
    """A body of `/v1/chat/completions`; raises a 400."""
    payload = _decoded(_chat_decoder, body)
    if not payload.messages:
        raise refusal(400, "`messages` must hold at least one message.", "messages")
    messages = tuple((each.role, _text(each)) for each in payload.messages)
    tokens = chat_tokens(messages)
    limit = payload.max_completion_tokens
    name = "max_tokens" if limit is None else "max_completion_tokens"
    return _asked(payload, tokens, payload.max_tokens if limit is None else limit, name, messages)


def read_completion(body: bytes) -> Asked:
    """A body of `/v1/completions`; raises a 400."""
    payload = _decoded(_completion_decoder, body)
    return _asked(payload, _prompt_tokens(payload.prompt), payload.max_tokens, "max_tokens")


P = TypeVar("P", bound=_Payload)


def _decoded(decoder: msgspec.json.Decoder[P], body: bytes) -> P:
    try:
        return decoder.decode(body)
    except msgspec.ValidationError as error:
        where = str(error).partition(" - at `$")[2]
        raise refusal(400, str(error), where.strip(".`") or None) from None
    except msgspec.DecodeError as error:
        raise refusal(400, f"The body is not valid JSON: {error}") from None


def _text(message: _Message) -> str:
    """The content of a message, given as text or in parts."""
    content = message.content or ""
    if isinstance(content, str):
        return content
    for part in content:
        if part.type != "text":
            raise refusal(400, f"The twin reads text only, not `{part.type}`.", "messages")
    return " ".join(part.text for part in content)


def _prompt_tokens(prompt: str | list[str | int | list[int]]) -> list[str]:
    """One prompt, as text or as token ids; a batch of one is a prompt too."""
    if isinstance(prompt, list) and len(prompt) == 1 and not isinstance(prompt[0], int):
        prompt = prompt[0]  # pyright: ignore[reportAssignmentType]
    if isinstance(prompt, str):
        tokens = prompt.split()
    elif all(isinstance(each, int) for each in prompt):
        tokens = [str(each) for each in prompt]
    else:
        raise refusal(400, "The twin answers one prompt per request.", "prompt")
    if not tokens:
        raise refusal(400, "The prompt is empty.", "prompt")
    return tokens


def _asked(
    payload: _Payload,
    tokens: list[str],
    max_tokens: int | None,
    name: str,
    messages: tuple[tuple[str, str], ...] = (),
) -> Asked:
    if max_tokens is not None and max_tokens < 1:
        raise refusal(400, f"`{name}` must be at least 1, got {max_tokens}.", name)
    min_tokens = payload.min_tokens or 0
    if min_tokens < 0 or (max_tokens is not None and min_tokens > max_tokens):
        raise refusal(400, f"`min_tokens` must be between 0 and `{name}`.", "min_tokens")
    if payload.stream_options is not None and not payload.stream:
        raise refusal(400, "`stream_options` needs `stream` to be true.", "stream_options")
    _refuse_unsupported(payload)
    stop = payload.stop or []
    return Asked(
        tokens=tokens,
        messages=messages,
        model=payload.model,
        max_tokens=max_tokens,
        min_tokens=min_tokens,
        ignore_eos=bool(payload.ignore_eos),
        stream=bool(payload.stream),
        include_usage=bool(payload.stream_options and payload.stream_options.include_usage),
        stops=(stop,) if isinstance(stop, str) else tuple(stop),
    )


def _refuse_unsupported(payload: _Payload) -> None:
    wanted = payload.response_format
    unsupported = {
        "n": payload.n not in (None, 1),
        "best_of": payload.best_of not in (None, 1),
        "echo": bool(payload.echo),
        "suffix": bool(payload.suffix),
        # 0 and true both ask for the log probability of the chosen token
        "logprobs": payload.logprobs is not None and payload.logprobs is not False,
        "tools": bool(payload.tools),
        "response_format": wanted is not None and wanted.get("type", "text") != "text",
    }
    for name, asked in unsupported.items():
        if asked:
            raise refusal(400, f"The twin does not simulate `{name}`.", name)
