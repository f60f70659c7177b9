"""What an engine says of itself over HTTP: its shape once, its state at every scrape."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import msgspec
from msgspec.structs import replace

from servemark.client.credentials import Credentials
from servemark.client.endpoint import server_root
from servemark.client.engine_answers import PATHS, facts_from, listed, merged
from servemark.client.engine_names import ENGINES, EngineNames
from servemark.client.engine_samples import engine_behind, engine_named, facts_of, sample_of
from servemark.client.slots import decode_slots, with_slots
from servemark.client.streaming import open_session
from servemark.domain.engine_sample import EngineFacts, EngineSample
from servemark.domain.record import Record
from servemark.errors import EndpointError

_ANSWER_S = 5.0
_BODY_BYTES = 2**24
_PATHS = ("/metrics", "/prometheus/metrics")
"""Under the server's root; the second is trtllm-serve's."""
_EXPECTED = "the URL of an engine's Prometheus metrics"


class EngineSource(Record, frozen=True, kw_only=True):
    """Where an engine tells of itself. Without URLs it does not."""

    facts: EngineFacts = EngineFacts()
    server: str = ""
    """Key of the table of names: whose exposition it is."""
    metrics_url: str = ""
    """Its Prometheus exposition."""
    slots_url: str = ""
    """llama.cpp: what each slot holds."""
    with_key: bool = False
    """The metrics stand beside the API, so its key is sent to them too."""
    notes: tuple[str, ...] = ()
    """What a reader of the run should know: why there are no metrics."""

    @property
    def tells(self) -> bool:
        """Whether there is something to scrape."""
        return bool(self.metrics_url or self.slots_url)


def check_metrics_url(url: str | None) -> None:
    """Refuse what is no URL, or one with a secret in it: the record of a run would hold it.

    Raises:
        EndpointError: no HTTP URL, or one with credentials or a query.
    """
    if url is None:
        return
    parts = urlsplit(url)
    try:
        usable = bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        usable = False
    if parts.scheme not in ("http", "https") or not usable:
        raise EndpointError(
            "metrics", expected=f"{_EXPECTED}, such as http://127.0.0.1:8000/metrics", found=repr(url)
        )
    if parts.username is not None or parts.query:
        raise EndpointError(
            "metrics", expected=f"{_EXPECTED}, without credentials or query", found="one with"
        )


async def find_engine(
    base: str,
    *,
    credentials: Credentials | None = None,
    metrics_url: str | None = None,
    server: str = "",
    settings: Mapping[str, Any] | None = None,
) -> EngineSource:
    """Recognise the engine behind an API root and read its shape. What it does not tell stays unknown.

    Args:
        base: API root, as the preflight found it.
        credentials: sent to the origin of `base` only.
        metrics_url: of the exposition, where it stands elsewhere (`--metrics`); else the places where engines
            have it are tried.
        server: what the server says it is (`Preflight.server`).
        settings: of the engine as whoever started it knows them: `shared_pool`, `context_tokens`,
            `max_num_seqs`; text is understood.

    Raises:
        EndpointError: `metrics_url` was given and is no URL, holds credentials (the record of a run would too), or
            brings no exposition of a known engine.
    """
    root = server_root(base)
    check_metrics_url(metrics_url)
    urls = [metrics_url] if metrics_url else [root + path for path in _PATHS]
    async with open_session(credentials or Credentials()) as api, open_session(Credentials()) as others:
        beside = _same_origin(urls[0], base)
        text, url, problem = await _exposition(api if beside else others, urls)
        if metrics_url and not url:
            raise EndpointError("metrics", expected=_EXPECTED, found=f"{metrics_url} ({problem})")
        owner, facts = listed(await _answer(api, f"{base}/models") or b"")
        engine = engine_behind(text) or engine_named(f"{server} {owner}")
        if engine is None:
            return EngineSource(facts=facts, notes=(f"no engine's metrics at {root}: {problem}",))
        paths = PATHS.get(engine.key, ())
        answers = await asyncio.gather(*(_answer(api, root + path) for path in paths))
    bodies = {path: body for path, body in zip(paths, answers, strict=True) if body is not None}
    told = merged(facts_from(engine.key, bodies, settings or {}), facts)
    names = ", ".join([*([urlsplit(url).path] if url else []), *bodies])
    return EngineSource(
        facts=replace(merged(facts_of(text, engine), told), source=names),
        server=engine.key,
        metrics_url=url,
        # with metrics elsewhere the session that scrapes has no key for the API
        slots_url=root + "/slots" if "/slots" in bodies and beside else "",
        with_key=beside,
        notes=() if url else (_silence(engine, problem),),
    )


def open_scraping(source: EngineSource, credentials: Credentials | None = None) -> aiohttp.ClientSession:
    """A session for `scrape`, an async context manager; with the key only where the metrics stand beside the API."""
    return open_session((source.with_key and credentials) or Credentials())


async def scrape(
    session: aiohttp.ClientSession, source: EngineSource, now_s: Callable[[], float]
) -> EngineSample | None:
    """One sample, stamped when the answer came; None where the engine does not tell.

    Raises:
        aiohttp.ClientError, OSError, TimeoutError: no answer.
        ValueError: an answer that is no exposition of this engine.
    """
    engine = next((each for each in ENGINES if each.key == source.server), None)
    if engine is None or not source.tells:
        return None
    text, slots = await asyncio.gather(
        _content(session, source.metrics_url), _content(session, source.slots_url)
    )
    at_s = now_s()
    if source.metrics_url and engine_behind(text) is not engine:
        raise ValueError(f"{source.metrics_url} is no exposition of {source.server} any more")
    sample = sample_of(text, engine, at_s)
    if source.slots_url:
        try:
            sample = with_slots(sample, decode_slots(slots), source.facts)
        except msgspec.DecodeError as error:
            raise ValueError(f"{source.slots_url}: {error}") from None
    return sample


async def _exposition(session: aiohttp.ClientSession, urls: Sequence[str]) -> tuple[str, str, str]:
    """The first of the URLs that brings an engine's metrics: text, URL; else the first problem, in words."""
    problem = ""
    for url in urls:
        try:
            text = await _content(session, url)
        except (aiohttp.ClientError, OSError, ValueError) as error:
            problem = problem or _words(error)
            continue
        if engine_behind(text) is not None:
            return text, url, ""
        problem = problem or "an answer without metrics of an engine that is known"
    return "", "", problem


async def _answer(session: aiohttp.ClientSession, url: str) -> bytes | None:
    """What a path answers; None where the server has no such path or does not answer."""
    try:
        return (await _content(session, url)).encode()
    except (aiohttp.ClientError, OSError, ValueError):
        return None


async def _content(session: aiohttp.ClientSession, url: str) -> str:
    """One GET, empty for no URL. Redirects are not followed: they could carry the key elsewhere.

    Raises:
        aiohttp.ClientError, OSError, TimeoutError: no answer, or one with an error status.
        ValueError: more than a server of this kind says, or no text.
    """
    if not url:
        return ""
    async with (
        asyncio.timeout(_ANSWER_S),
        session.get(url, headers={"Accept": "text/plain, */*"}, allow_redirects=False) as response,
    ):
        if response.status != 200:
            raise aiohttp.ClientError(f"HTTP {response.status}")
        parts: list[bytes] = []
        async for part in response.content.iter_any():
            parts.append(part)
            if sum(map(len, parts)) > _BODY_BYTES:
                raise ValueError(f"more than {_BODY_BYTES >> 20} MiB")
        return b"".join(parts).decode()


def _same_origin(url: str, base: str) -> bool:
    one, other = urlsplit(url), urlsplit(base)
    return (one.scheme, one.hostname, one.port) == (other.scheme, other.hostname, other.port)


def _silence(engine: EngineNames, problem: str) -> str:
    """Why there are no metrics of an engine that was recognised, and what switches them on."""
    hint = f"; {engine.switch} switches them on" if engine.switch else ""
    return f"{engine.key} shows no metrics ({problem}){hint}"


def _words(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
