"""The checks before the first request: is there an endpoint, does it have the model, does it stream?

`GET /models`, `GET /health` at the server's root, and one tiny streamed completion. Everything that is
wrong is an `EndpointError` in words.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping, Sequence
from typing import Any

import aiohttp
import msgspec

from servemark.client.chat import error_words, prepare_chat
from servemark.client.clock import Clock
from servemark.client.credentials import API_KEY_VARIABLE, Credentials
from servemark.client.endpoint import base_url, server_root
from servemark.client.streaming import StreamingClient, open_session
from servemark.domain.exchange import Message
from servemark.domain.record import Record
from servemark.domain.run import RequestRecord
from servemark.domain.workload import PlannedRequest
from servemark.errors import EndpointError, nearest_names

_ANSWER_S = 5.0
_COMPLETION_S = 60.0
_COMPLETION_TOKENS = 4
_BODY_BYTES = 2**22


class Health(msgspec.Struct, frozen=True, kw_only=True):
    """What a twin announces of itself; a real engine announces nothing."""

    twin: bool = False
    deployment: str = ""
    """What the twin stands for."""
    time_factor: float = 1.0
    lag_p99_s: float | None = None
    """Wall seconds by which the twin itself is late."""


class Preflight(Record, frozen=True, kw_only=True):
    """What the checks found."""

    url: str
    """API root that answers."""
    model: str
    server: str = ""
    """What the server says it is."""
    health: Health = Health()
    prompt_tokens: int | None = None
    """Tokens the server counted for the calibration prompt, chat template included."""
    notes: tuple[str, ...] = ()


class _Model(msgspec.Struct):
    id: str
    owned_by: str | None = None


class _Models(msgspec.Struct):
    data: list[_Model]


class _Reply(Record, frozen=True, kw_only=True):
    status: int
    content_type: str
    server: str
    body: bytes
    words: str
    """What the body says, without secrets that it echoes."""


async def check_endpoint(
    url: str,
    *,
    model: str | None = None,
    credentials: Credentials | None = None,
    extra_body: Mapping[str, Any] | None = None,
    messages: Sequence[Message],
) -> Preflight:
    """Check an endpoint.

    Args:
        url: API root; where it only answers with `/v1` behind it, that is used and noted.
        model: must be one that the endpoint lists; None takes the first listed.
        credentials: sent with every request.
        extra_body: fields of the later requests, so that the completion is refused where they would be.
        messages: prompt of the completion; its token count is returned.

    Raises:
        EndpointError: endpoint down, unknown host, TLS error, unauthorized, no LLM endpoint, no such
            model, or no streaming.
    """
    credentials = credentials or Credentials()
    base, notes = base_url(url), []
    async with open_session(credentials, force_close=True) as session:
        reply = await _get(session, f"{base}/models", credentials)
        served = _served(reply)
        if served is None and not base.endswith("/v1") and reply.status not in (401, 403):
            longer = await _get(session, f"{base}/v1/models", credentials)
            if (found := _served(longer)) is not None:
                notes.append(f"{base} answers under /v1: using {base}/v1")
                base, reply, served = f"{base}/v1", longer, found
        _require_models(base, reply, served, model)
        health = await read_health(base, session)
    chosen = model or (served or [_Model("")])[0].id
    if served and len(served) > 1 and model is None:
        notes.append(f"the endpoint serves {len(served)} models; the first is measured: {chosen}")
    record = await _complete(base, chosen, credentials, extra_body, messages)
    _require_stream(base, record)
    if record.input_tokens is None:
        notes.append("the server sends no usage: output tokens are counted as text chunks")
    owner = served[0].owned_by if served else None
    server = " ".join(dict.fromkeys(word for word in (owner, reply.server) if word))
    if health.twin:
        server = f"twin of {health.deployment}"
    return Preflight(
        url=base,
        model=chosen,
        server=server,
        health=health,
        prompt_tokens=record.input_tokens,
        notes=tuple(notes),
    )


async def read_health(base: str, session: aiohttp.ClientSession | None = None) -> Health:
    """What `/health` announces; a server without it, or with other words there, announces nothing."""
    if session is None:
        async with open_session(Credentials(), force_close=True) as own:
            return await read_health(base, own)
    try:
        async with asyncio.timeout(_ANSWER_S), session.get(f"{server_root(base)}/health") as response:
            said = msgspec.json.decode(await response.content.read(_BODY_BYTES), type=Health)
    except (aiohttp.ClientError, OSError, msgspec.DecodeError, UnicodeDecodeError):
        return Health()
    return said if said.twin and said.time_factor > 0 else Health()


async def _get(session: aiohttp.ClientSession, url: str, credentials: Credentials) -> _Reply:
    """One GET; what keeps it from being answered, in words."""
    try:
        async with asyncio.timeout(_ANSWER_S), session.get(url) as response:
            body = await response.content.read(_BODY_BYTES)
            return _Reply(
                status=response.status,
                content_type=response.content_type,
                server=response.headers.get("Server", ""),
                body=body,
                words=credentials.redact(error_words(body)),
            )
    except (aiohttp.ClientError, OSError) as error:
        raise _unanswered(url.removesuffix("/models"), error, credentials) from None


def _unanswered(url: str, error: Exception, credentials: Credentials) -> EndpointError:
    scheme, _, rest = url.partition("://")
    other = f"{'http' if scheme == 'https' else 'https'}://{rest}"
    nearest: tuple[str, ...] = ()
    expected, words = f"an endpoint that answers at {url}", credentials.redact(str(error))
    match error:
        case TimeoutError():
            words = f"no answer within {_ANSWER_S:g} s"
        case aiohttp.ClientConnectorCertificateError():
            expected = f"a certificate of {error.host} that can be verified"
            words = str(error.certificate_error)
        case aiohttp.ClientSSLError():
            expected, words, nearest = "TLS, as https:// says", "a server that does not speak it", (other,)
        case aiohttp.ClientConnectorDNSError():
            expected, words = "a host name that resolves", f"{error.host!r}, which does not"
        case aiohttp.ClientConnectorError():
            reason = os.strerror(error.os_error.errno) if error.os_error.errno else error.os_error.strerror
            words = f"nothing that listens on {error.host}:{error.port} ({reason})"
        case aiohttp.ServerDisconnectedError() | aiohttp.ClientResponseError() | ConnectionError():
            expected, nearest = "HTTP, as http:// says", (other,)
            words = "a connection closed without an HTTP answer (is it a TLS port?)"
        case _:
            pass
    return EndpointError("url", expected=expected, found=words, nearest=nearest)


def _served(reply: _Reply) -> list[_Model] | None:
    """The models that a reply lists; None where it is no list of models."""
    if reply.status != 200:
        return None
    try:
        return msgspec.json.decode(reply.body, type=_Models).data
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def _require_models(base: str, reply: _Reply, served: list[_Model] | None, model: str | None) -> None:
    if reply.status in (401, 403):
        raise _unauthorized(reply.status)
    if reply.status >= 500 or reply.status == 429:
        raise EndpointError("url", expected="an endpoint that is ready", found=_refusal(reply))
    if served is None:
        if model is not None and reply.status in (404, 405):
            return
        found = _refusal(reply) if reply.status != 200 else f"{reply.content_type} that lists no models"
        expected = f"an LLM endpoint, with a list of models at {base}/models"
        raise EndpointError("url", expected=expected, found=found)
    names = [each.id for each in served]
    if model is None and not names:
        raise EndpointError("url", expected=f"a model in {base}/models", found="an empty list")
    if model is not None and names and model not in names:
        raise EndpointError(
            "model",
            expected=f"a model that {base} serves",
            found=repr(model),
            nearest=nearest_names(model, names) or names[:3],
        )


async def _complete(
    base: str,
    model: str,
    credentials: Credentials,
    extra_body: Mapping[str, Any] | None,
    messages: Sequence[Message],
) -> RequestRecord:
    """The one tiny completion, sent as the measured ones will be."""
    planned = PlannedRequest(index=0, input_tokens=0, output_tokens=_COMPLETION_TOKENS)
    prepared = prepare_chat(planned, messages, model=model, seed=0, extra_body=extra_body)
    async with StreamingClient(base, Clock(), credentials=credentials, timeout_s=_COMPLETION_S) as client:
        return await client.send(prepared, 0.0)


def _require_stream(base: str, record: RequestRecord) -> None:
    """The completion must have brought text, as events."""
    url = f"{base}/chat/completions"
    if record.status in (401, 403):
        raise _unauthorized(record.status)
    expected = f"a completed answer from {url}"
    if record.status in (404, 405):
        expected = f"an LLM endpoint, with chat completions at {url}"
    elif record.status in (400, 422):
        # strict servers take no field beyond their own: ignore_eos is vLLM's and llama.cpp's
        expected += """ (fields it does not take can be left out: --body '{"ignore_eos": null}')"""
    elif record.outcome == "broken" and record.text_chunks == 0:
        expected = f"an answer streamed as events (SSE) from {url}"
    if record.outcome in ("refused", "broken", "timed_out", "transport"):
        raise EndpointError("url", expected=expected, found=record.reason)


def _unauthorized(status: int) -> EndpointError:
    return EndpointError(
        "api_key",
        expected=f"a valid API key (set {API_KEY_VARIABLE})",
        found=f"HTTP {status}, unauthorized",
    )


def _refusal(reply: _Reply) -> str:
    words = reply.words if "html" not in reply.content_type else "an HTML page"
    return f"HTTP {reply.status}: {words}"
