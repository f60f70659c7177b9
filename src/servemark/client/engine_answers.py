"""The JSON endpoints in which engines tell of their shape: lists of models, versions, settings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec
from msgspec.structs import asdict, replace

from servemark.client.slots import decode_props, decode_slots, slot_facts
from servemark.domain.engine_sample import EngineFacts

_Said = TypeVar("_Said")

PATHS: Mapping[str, tuple[str, ...]] = {
    "vllm": ("/version",),
    "sglang": ("/get_server_info", "/server_info"),
    "trtllm-serve": ("/version",),
    "tgi": ("/info",),
    "llama.cpp": ("/slots", "/props"),
}
"""By server, under its root. SGLang renamed its own; the old name is still there in 2026."""


class _Listed(msgspec.Struct):
    owned_by: str | None = None
    max_model_len: int | None = None


class _Models(msgspec.Struct):
    data: list[_Listed]


class _Version(msgspec.Struct):
    version: str = ""


class _ServerInfo(msgspec.Struct):
    """SGLang: of all its settings only these are read; the rest holds keys and paths."""

    version: str = ""
    max_total_num_tokens: int | None = None
    max_running_requests: int | None = None
    page_size: int | None = None
    context_length: int | None = None
    mem_fraction_static: float | None = None
    disable_radix_cache: bool | None = None


class _Info(msgspec.Struct):
    """TGI."""

    version: str = ""
    max_total_tokens: int | None = None
    max_batch_total_tokens: int | None = None


def listed(body: bytes) -> tuple[str, EngineFacts]:
    """Who owns the models of `/models`, and what vLLM and SGLang say there of the longest sequence."""
    models = _decoded(body, _Models)
    if models is None or not models.data:
        return "", EngineFacts()
    first = models.data[0]
    return first.owned_by or "", EngineFacts(max_model_len=first.max_model_len)


def facts_from(server: str, bodies: Mapping[str, bytes], settings: Mapping[str, Any]) -> EngineFacts:
    """What its own endpoints tell, by path; what they do not tell is None.

    Args:
        server: key of the table of names.
        bodies: what each path of `PATHS` answered; paths without an answer left out.
        settings: as whoever started it knows them.
    """
    match server:
        case "vllm" | "trtllm-serve":
            said = _decoded(bodies.get("/version", b""), _Version) or _Version()
            return EngineFacts(version=said.version, slots=count_of(settings.get("max_num_seqs")))
        case "sglang":
            return _sglang(next(iter(bodies.values()), b""))
        case "tgi":
            info = _decoded(bodies.get("/info", b""), _Info) or _Info()
            return EngineFacts(
                version=info.version,
                max_model_len=info.max_total_tokens,
                kv_pool_tokens=info.max_batch_total_tokens,
            )
        case "llama.cpp":
            return _llamacpp(bodies, settings)
        case _:
            return EngineFacts()


def merged(facts: EngineFacts, more: EngineFacts) -> EngineFacts:
    """With what only the second knows."""
    fresh = {name: value for name, value in asdict(more).items() if getattr(facts, name) in (None, "")}
    return replace(facts, **fresh)


def count_of(said: object) -> int | None:
    """A setting that is a whole number, as such or as text."""
    text = str(said)
    return int(text) if text.isdigit() else None


def _sglang(body: bytes) -> EngineFacts:
    said = _decoded(body, _ServerInfo) or _ServerInfo()
    return EngineFacts(
        version=said.version,
        slots=said.max_running_requests,
        kv_pool_tokens=said.max_total_num_tokens,
        block_size=said.page_size,
        max_model_len=said.context_length,
        gpu_memory_utilization=said.mem_fraction_static,
        enable_prefix_caching=None if said.disable_radix_cache is None else not said.disable_radix_cache,
    )


def _llamacpp(bodies: Mapping[str, bytes], settings: Mapping[str, Any]) -> EngineFacts:
    shared = {"true": True, "false": False}.get(str(settings.get("shared_pool")).lower())
    try:
        slots = decode_slots(bodies.get("/slots", b"[]"))
    except msgspec.DecodeError:
        slots = []
    try:
        props = decode_props(bodies.get("/props", b""))
    except msgspec.DecodeError:
        props = None
    context_tokens = count_of(settings.get("context_tokens"))
    return slot_facts(
        EngineFacts(), slots=slots, props=props, shared_pool=shared, context_tokens=context_tokens
    )


def _decoded(body: bytes, kind: type[_Said]) -> _Said | None:
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
