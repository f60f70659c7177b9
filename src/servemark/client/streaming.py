"""The client: streamed chat completions over aiohttp, every text chunk stamped on reading."""

from __future__ import annotations

import asyncio
import io
from types import SimpleNamespace, TracebackType
from typing import Any, Self

import aiohttp

from servemark.client.answer import Answer
from servemark.client.chat import error_words
from servemark.client.clock import Clock
from servemark.client.credentials import Credentials
from servemark.client.protocol import Prepared
from servemark.domain.run import Outcome, RequestRecord

_LARGEST_PLAIN_BODY = 2**20
"""aiohttp warns about raw bytes beyond this; a file object is sent in pieces."""
_ERROR_BYTES = 4096
_STAMP_DIGITS = 6
"""Stamps are kept to the microsecond."""
_STALE_LIMIT = 3
_STALE_SHARE = 0.1
"""So many connections found dead, and this share of those taken again: the server does not keep any."""


class _Attempt:
    """One try on one connection."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self.sent_s: float | None = None
        """When the body was handed to the connection; None where there was none."""
        self.reused = False
        """The connection had carried a request before."""
        self.status: int | None = None
        self.content_type = ""
        self.refusal = ""
        self.silent = False
        """The connection died before any byte of a response."""

    @property
    def stale(self) -> bool:
        """A kept-alive connection that the server had already closed: no fault of the server."""
        return self.reused and self.silent


class StreamingClient:
    """Sends to `{base_url}/chat/completions`. Use it as an async context manager.

    A request counts as sent when its body is handed to an open connection: opening one, and waiting
    for other requests to be encoded, lie between `scheduled_s` and `sent_s`. Connections are kept
    alive and unlimited in number (a limit would hide queueing in the client), until the server has
    shown that it closes them without announcing it; proxies and cookies are not used; compression is
    not asked for, since compressors buffer.

    Args:
        base_url: the API root, usually ending in `/v1`.
        clock: stamps; its factor also scales `timeout_s`.
        timeout_s: run seconds from sending until a request counts as timed out.
    """

    def __init__(
        self,
        base_url: str,
        clock: Clock,
        *,
        credentials: Credentials | None = None,
        timeout_s: float = 600.0,
    ) -> None:
        self._url = f"{base_url}/chat/completions"
        self._clock = clock
        self._credentials = credentials or Credentials()
        self._timeout_s = timeout_s
        self._reused = self._stale = 0

    @property
    def keeps_alive(self) -> bool:
        """Whether requests still take connections that have carried one before.

        llama.cpp announces keep-alive and closes after every streamed answer: every other request would
        be sent twice.
        """
        return self._stale < _STALE_LIMIT or self._stale < _STALE_SHARE * self._reused

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader of the figures should know of the connections."""
        if self.keeps_alive:
            return ()
        words = "the server closes kept-alive connections unannounced: after"
        return (f"{words} {self._stale} such, each request took a fresh one",)

    async def __aenter__(self) -> Self:
        self._kept = open_session(self._credentials, trace=_attempt_trace(self._clock))
        self._fresh = open_session(self._credentials, trace=_attempt_trace(self._clock), force_close=True)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._kept.close()
        await self._fresh.close()

    async def send(
        self, prepared: Prepared, scheduled_s: float, *, user: int | None = None, warmup: bool = False
    ) -> RequestRecord:
        """Send one request; once more on a fresh connection where a stale one died before any byte."""
        attempt = _Attempt(Answer(keep_text=prepared.item is not None))
        retried = False
        try:
            async with asyncio.timeout(self._clock.wall_s(self._timeout_s)):
                session = self._kept if self.keeps_alive else self._fresh
                outcome, reason = await self._try(session, prepared, attempt)
                self._reused += attempt.reused
                if attempt.stale:
                    retried = True
                    self._stale += 1
                    attempt = _Attempt(attempt.answer)
                    outcome, reason = await self._try(self._fresh, prepared, attempt)
        except TimeoutError:
            outcome, reason = "timed_out", f"no end within {self._timeout_s:g} s"
            if attempt.answer.done:
                outcome, reason = attempt.answer.outcome(prepared, attempt.content_type)
        return self._record(
            attempt,
            index=prepared.index,
            warmup=warmup,
            user=user,
            scheduled_s=round(scheduled_s, _STAMP_DIGITS),
            outcome=outcome,
            reason=self._credentials.redact(reason),
            retried=retried,
            item=prepared.item,
            nonce=prepared.nonce,
        )

    async def _try(
        self, session: aiohttp.ClientSession, prepared: Prepared, attempt: _Attempt
    ) -> tuple[Outcome, str]:
        """One exchange on one connection. Cancellation and our own timeout pass through."""
        answer = attempt.answer
        body = prepared.body if len(prepared.body) < _LARGEST_PLAIN_BODY else io.BytesIO(prepared.body)
        try:
            async with session.post(
                self._url, data=body, allow_redirects=False, trace_request_ctx=attempt
            ) as response:
                attempt.status = response.status
                attempt.content_type = response.content_type
                if response.status >= 300:
                    words = error_words(await response.content.read(_ERROR_BYTES))
                    return "refused", f"HTTP {response.status}: {words or response.reason}"
                async for data in response.content.iter_any():
                    answer.read(data, self._clock.now_s())
                answer.close(self._clock.now_s())
        except (aiohttp.ClientError, OSError) as error:
            if attempt.status is not None and attempt.status >= 300:
                return "refused", f"HTTP {attempt.status}"
            if not answer.problem and not answer.done:
                attempt.silent = attempt.status is None and _nothing_received(error)
                return "transport", _transport_words(error)
        return answer.outcome(prepared, attempt.content_type)

    def _record(self, attempt: _Attempt, **fields: Any) -> RequestRecord:
        answer = attempt.answer
        chunks = tuple(round(at_s, _STAMP_DIGITS) for at_s in answer.chunk_s)
        usage = answer.usage
        details = usage.prompt_tokens_details if usage else None
        return RequestRecord(
            sent_s=_rounded(attempt.sent_s),
            first_byte_s=_rounded(answer.first_byte_s),
            first_token_s=chunks[0] if chunks else None,
            last_token_s=chunks[-1] if chunks else None,
            end_s=round(self._clock.now_s(), _STAMP_DIGITS),
            input_tokens=usage.prompt_tokens if usage else None,
            output_tokens=answer.output_tokens,
            text_chunks=len(chunks),
            cached_tokens=details.cached_tokens if details else None,
            status=attempt.status,
            finish_reason=answer.finish_reason,
            chunk_s=chunks,
            text=self._credentials.redact(answer.text),
            reasoning=self._credentials.redact(answer.reasoning),
            **fields,
        )


def open_session(
    credentials: Credentials,
    *,
    force_close: bool = False,
    trace: aiohttp.TraceConfig | None = None,
) -> aiohttp.ClientSession:
    """A session as an instrument needs it: nothing limited, nothing remembered, no time limit."""
    headers = {"Accept-Encoding": "identity", "Content-Type": "application/json"} | credentials.headers()
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0, ttl_dns_cache=None, force_close=force_close),
        headers=headers,
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=None),
        trace_configs=[trace] if trace else None,
    )


def _attempt_trace(clock: Clock) -> aiohttp.TraceConfig:
    """Notes on each attempt what aiohttp does with it: a kept connection taken, the body handed over."""

    async def reused(session: aiohttp.ClientSession, context: SimpleNamespace, params: object) -> None:
        context.trace_request_ctx.reused = True

    async def leaving(session: aiohttp.ClientSession, context: SimpleNamespace, params: object) -> None:
        attempt: _Attempt = context.trace_request_ctx
        if attempt.sent_s is None:
            attempt.sent_s = clock.now_s()

    trace = aiohttp.TraceConfig()
    trace.on_connection_reuseconn.append(reused)
    trace.on_request_chunk_sent.append(leaving)
    return trace


def _nothing_received(error: Exception) -> bool:
    """False where a part of a status line or of headers had come."""
    if isinstance(error, aiohttp.ServerDisconnectedError):
        return isinstance(error.message, str)
    return isinstance(error, (aiohttp.ClientConnectionError, OSError))


def _rounded(at_s: float | None) -> float | None:
    return None if at_s is None else round(at_s, _STAMP_DIGITS)


def _transport_words(error: Exception) -> str:
    name = type(error).__name__
    return " ".join(f"{name}: {error}".split()) if str(error) else name
