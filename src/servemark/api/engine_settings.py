"""An engine's settings as people write them: `--engine`, `--set` and `--speculative`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, cast

import msgspec

from servemark.catalogue.architectures import find_model
from servemark.catalogue.engine_defaults import find_engine
from servemark.domain.deployment import EngineConfig, Speculation
from servemark.domain.gpu import Gpu
from servemark.domain.model import ModelArch
from servemark.errors import InputError, UnknownName, nearest_names

_APART = ("name", "version", "memory", "speculative")
"""Fields that `--set` does not change."""
_METHODS = ("eagle", "ngram", "draft")
_KEYS = {
    "k": "k", "num_speculative_tokens": "k", "acceptance": "acceptance", "acceptance_ratio": "acceptance",
    "acceptance_rate": "acceptance", "model": "model", "method": "method",
}  # fmt: skip


def engine_settings(
    named: str | EngineConfig,
    settings: str | Mapping[str, Any] | None,
    speculative: str | Mapping[str, Any] | None = None,
    *,
    gpu: Gpu,
    gpus: int = 1,
    model: ModelArch | None = None,
) -> EngineConfig:
    """The engine's defaults on that GPU, with the changes asked for.

    Without chunked prefill vLLM raises a token budget that nobody set to the longest sequence, so that
    every prompt fits into a step.

    Raises:
        InputError: an unknown engine or setting, or an impossible value.
    """
    engine = named
    if not isinstance(engine, EngineConfig):
        engine = find_engine(str(named), gpu=gpu, gpus=gpus, path="engine")
    if settings is not None and not isinstance(settings, (str, Mapping)):
        raise InputError("set", expected="a table of engine settings", found=repr(settings))
    changes = parse_settings(settings) if isinstance(settings, str) else dict(settings or {})
    engine = _changed(engine, changes)
    if speculative:
        speculation = parse_speculation(speculative)
        engine = msgspec.structs.replace(engine, speculative=speculation)
    whole = engine.name == "vllm" and not engine.enable_chunked_prefill
    if whole and model is not None and "max_num_batched_tokens" not in changes:
        longest = engine.max_model_len or model.max_context_tokens
        budget = max(longest, engine.max_num_batched_tokens)
        engine = msgspec.structs.replace(engine, max_num_batched_tokens=budget)
    return engine


def _changed(engine: EngineConfig, changes: Mapping[str, Any]) -> EngineConfig:
    if not changes:
        return engine
    fields = [f for f in EngineConfig.__struct_fields__ if f not in _APART]
    current = msgspec.to_builtins(engine)
    for key, value in changes.items():
        if key not in fields:
            raise UnknownName(f"set.{key}", kind="an engine setting", name=key, known=fields)
        try:
            msgspec.convert({**current, key: value}, EngineConfig, strict=False)
        except msgspec.ValidationError as error:
            raise InputError(f"set.{key}", expected=_expected(error), found=value) from None
        current[key] = value
    engine = msgspec.convert(current, EngineConfig, strict=False)
    _check_settings(engine)
    return engine


def _check_settings(engine: EngineConfig) -> None:
    for key in ("max_num_seqs", "max_num_batched_tokens", "block_size", "max_model_len", "num_gpu_blocks_override",
                "context_tokens"):  # fmt: skip
        value = getattr(engine, key)
        if value is not None and value < 1:
            raise InputError(f"set.{key}", expected="at least 1", found=value)
    if not 0 < engine.gpu_memory_utilization <= 1:
        raise InputError(
            "set.gpu_memory_utilization",
            expected="a share above 0, at most 1",
            found=engine.gpu_memory_utilization,
        )
    if not 0 <= engine.new_token_ratio <= 1:
        raise InputError(
            "set.new_token_ratio", expected="a share from 0 to 1", found=engine.new_token_ratio
        )
    sizes = engine.cuda_graph_sizes
    if any(size < 1 for size in sizes) or list(sizes) != sorted(set(sizes)):
        raise InputError("set.cuda_graph_sizes", expected="rising batch sizes, e.g. 1,2,4,8", found=sizes)


def parse_settings(text: str) -> dict[str, Any]:
    """`max_num_seqs=256,cuda_graph_sizes=1,2,4` as a mapping; bare numbers go on with the list before them."""
    settings: dict[str, Any] = {}
    known = EngineConfig.__struct_fields__
    last = ""
    for part in filter(None, (p.strip() for p in text.split(","))):
        key, equals, value = part.partition("=")
        if not equals and part.isdigit() and last == "cuda_graph_sizes":
            settings[last].append(part)
            continue
        if not equals or not key.strip() or not value.strip():
            raise InputError(
                "set", expected="NAME=VALUE,...", found=repr(part), nearest=nearest_names(part, known)
            )
        last = key.strip()
        settings[last] = [value.strip()] if last == "cuda_graph_sizes" else value.strip()
    return settings


def parse_speculation(given: str | Mapping[str, Any]) -> Speculation:
    """`eagle:k=3,acceptance=0.7`, or vLLM's JSON with `acceptance` added.

    Raises:
        InputError: an unknown method or field, a missing or impossible value.
    """
    fields = _speculation_fields(given)
    method = str(fields.get("method", ""))
    if method in ("mtp", "deepseek_mtp", "nextn"):
        raise InputError(
            "speculative", expected="eagle, ngram or draft (multi-token prediction is not modelled)", found=method
        )  # fmt: skip
    if method not in _METHODS:
        raise UnknownName(
            "speculative", kind="a way of speculating", name=method or repr(given), known=_METHODS
        )
    tokens = _number(fields, "k", "drafted tokens, e.g. k=3")
    acceptance = _number(
        fields, "acceptance", "the chance that a drafted token is accepted, e.g. acceptance=0.7"
    )
    if tokens != int(tokens) or not 1 <= tokens <= 64:
        raise InputError("speculative.k", expected="1 to 64 tokens", found=fields["k"])
    if not 0 <= acceptance <= 1:
        raise InputError(
            "speculative.acceptance", expected="a chance from 0 to 1", found=fields["acceptance"]
        )
    draft = None
    if method == "draft":
        if "model" not in fields:
            raise InputError(
                "speculative.model", expected="the draft model, e.g. model=llama-3.2-1b", found="none"
            )
        draft = find_model(str(fields["model"]), path="speculative.model")
    return Speculation(
        method=cast("Any", method), tokens=int(tokens), acceptance_ratio=acceptance, draft=draft
    )


def _speculation_fields(given: str | Mapping[str, Any]) -> dict[str, Any]:
    if isinstance(given, str) and given.lstrip().startswith("{"):
        try:
            given = cast("Mapping[str, Any]", json.loads(given))
        except ValueError as error:
            raise InputError("speculative", expected="JSON", found=f"{given!r}: {error}") from None
    if isinstance(given, str):
        method, _, rest = given.partition(":")
        pairs = [part.partition("=") for part in rest.split(",") if part.strip()]
        for _, equals, value in pairs:
            if not equals or not value.strip():
                raise InputError("speculative", expected="METHOD:NAME=VALUE,...", found=repr(given))
        given = {"method": method.strip(), **{name.strip(): value.strip() for name, _, value in pairs}}
    fields: dict[str, Any] = {}
    for name, value in given.items():
        if name not in _KEYS:
            raise UnknownName(f"speculative.{name}", kind="a field", name=name, known=tuple(_KEYS))
        fields[_KEYS[name]] = value
    return fields


def _number(fields: Mapping[str, Any], name: str, expected: str) -> float:
    try:
        return float(fields[name])
    except KeyError:
        raise InputError(f"speculative.{name}", expected=expected, found="none") from None
    except (TypeError, ValueError):
        raise InputError(f"speculative.{name}", expected=expected, found=fields[name]) from None


def _expected(error: msgspec.ValidationError) -> str:
    """What msgspec wanted, in words: `Expected `int`, got ...` -> `int`."""
    text = str(error).split(" - at")[0]
    return text.removeprefix("Expected ").split(", got")[0].replace("`", "")
