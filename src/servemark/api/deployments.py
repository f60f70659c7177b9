"""The deployment options that `fit`, `predict`, `simulate` and `twin` share, and what they build."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypedDict, cast

import msgspec

from servemark.catalogue.architectures import find_model
from servemark.catalogue.coefficients import find_coefficients
from servemark.catalogue.engine_defaults import find_engine
from servemark.catalogue.gpu_types import find_gpu, is_family
from servemark.domain.coefficients import Coefficients
from servemark.domain.deployment import Deployment, EngineConfig, Parallelism
from servemark.domain.gpu import Gpu, Node
from servemark.domain.model import PRECISIONS, Attention, LatentAttention, ModelArch
from servemark.errors import InputError, UnknownName, nearest_names


class DeploymentOptions(TypedDict, total=False):
    """What is deployed.

    Attributes:
        gpu: GPU type, e.g. l40s, h100, rtx-4090 (see `servemark gpus`).
        gpus_per_replica: GPUs of one replica; tensor parallel unless --pp says otherwise.
        tp: tensor-parallel degree.
        pp: pipeline-parallel degree.
        ep: expert-parallel degree.
        replicas: copies behind a router.
        router: round-robin or least-loaded (default: round-robin).
        dtype: weights, e.g. bf16, fp8, int4 (default: the checkpoint's).
        kv_dtype: KV cache (default: 16 bits).
        engine: NAME or NAME@VERSION (default: vllm).
        set_: engine settings under vLLM's names, e.g. max_num_seqs=256,block_size=32.
        peer_to_peer: whether GPUs copy to each other over PCIe (default: as the GPU's driver allows).
        deployment: TOML file that holds any of these, and `model`.
    """

    gpu: str | None
    gpus_per_replica: int | None
    tp: int | None
    pp: int | None
    ep: int | None
    replicas: int | None
    router: str | None
    dtype: str | None
    kv_dtype: str | None
    engine: str | None
    set_: str | Mapping[str, Any] | None
    peer_to_peer: bool | None
    deployment: Path | None


_KEYS = tuple(k.rstrip("_") for k in DeploymentOptions.__annotations__ if k != "deployment")
_DTYPE_ALIASES = {
    "float32": "fp32", "float16": "fp16", "half": "fp16", "f16": "fp16", "bfloat16": "bf16", "fp8_e4m3": "fp8",
    "e4m3": "fp8", "nvfp4": "fp4", "awq": "int4", "gptq": "int4", "w4a16": "int4",
}  # fmt: skip


def build_deployment(model: str | None, options: DeploymentOptions) -> Deployment:
    """The deployment that the options describe.

    Raises:
        InputError: an option is missing, unknown or impossible; its path is the option's name.
    """
    given = _merged(model, options)
    if given.get("model") is None:
        raise InputError("model", expected="a model, e.g. llama-3.1-8b", found="none")
    if given.get("gpu") is None:
        raise InputError("gpu", expected="a GPU type, e.g. --gpu l40s", found="none")
    arch = find_model(str(given["model"]), path="model")
    gpu = find_gpu(str(given["gpu"]), path="gpu")
    parallelism = _parallelism(arch, given)
    dtype = _precision(given.get("dtype") or arch.dtype, "dtype")
    kv_default = "fp16" if dtype == "fp16" else "bf16" if dtype != "fp32" else "fp32"
    engine = _engine_config(str(given.get("engine") or "vllm"), given.get("set"), gpu)
    longest = engine.max_model_len
    if longest is not None and longest > arch.max_context_tokens:
        raise InputError(
            "set.max_model_len",
            expected=f"at most the model's {arch.max_context_tokens} tokens",
            found=longest,
        )
    peer = given.get("peer_to_peer", gpu.peer_to_peer)
    if not isinstance(peer, bool):
        raise InputError("peer_to_peer", expected="true or false", found=repr(peer))
    return Deployment(
        model=arch,
        node=Node(gpu=gpu, gpus=parallelism.gpus, peer_to_peer=peer),
        dtype=dtype,
        kv_dtype=_precision(given.get("kv_dtype") or kv_default, "kv_dtype"),
        parallelism=parallelism,
        replicas=_count(given.get("replicas"), "replicas") or 1,
        router=_router(given.get("router")),
        engine=engine,
    )


def coefficients_of(deployment: Deployment) -> Coefficients:
    """The step-time coefficients for a deployment: fitted, or inherited with a wider error."""
    engine = deployment.engine
    return find_coefficients(
        deployment.node.gpu, dtype=deployment.dtype, engine=engine.name, version=engine.version
    )


def family_taken(model: str | None, options: DeploymentOptions) -> str | None:
    """Which GPU a family name stands for, in a sentence; None where a single GPU was named."""
    name = str(_merged(model, options).get("gpu"))
    return f"{name} names a family of GPUs: taken as {find_gpu(name).key}" if is_family(name) else None


def _merged(model: str | None, options: DeploymentOptions) -> dict[str, Any]:
    """Options of the command line over those of the file."""
    for key in options:
        if key.rstrip("_") not in (*_KEYS, "deployment", "model"):
            raise UnknownName(key, kind="a deployment option", name=key, known=_KEYS)
    given = {k.rstrip("_"): v for k, v in options.items() if v is not None}
    path = cast("Path | None", given.pop("deployment", None))
    merged = {**(_read_file(Path(path)) if path else {}), **given}
    return {**merged, "model": model} if model is not None else merged


def _read_file(path: Path) -> dict[str, Any]:
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(
            "deployment", expected="a readable TOML file", found=f"{path}: {error.strerror}"
        ) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError("deployment", expected="a TOML file", found=f"{path}: {error}") from None
    known = (*_KEYS, "model")
    for key in table:
        if key not in known:
            raise UnknownName(f"deployment.{key}", kind="a deployment option", name=key, known=known)
    return table


def _parallelism(model: ModelArch, given: Mapping[str, Any]) -> Parallelism:
    tp, pp, ep = (_count(given.get(k), k) for k in ("tp", "pp", "ep"))
    per_replica = _count(given.get("gpus_per_replica"), "gpus_per_replica")
    if per_replica is not None and tp is None:
        tp = per_replica // (pp or 1)
    parallelism = Parallelism(tensor=tp or 1, pipeline=pp or 1, expert=ep or 1)
    if per_replica is not None and parallelism.gpus != per_replica:
        raise InputError(
            "gpus_per_replica",
            expected=f"tp x pp = {parallelism.tensor} x {parallelism.pipeline} = {parallelism.gpus}",
            found=per_replica,
        )
    heads = [
        g.attention.heads for g in model.groups if isinstance(g.attention, (Attention, LatentAttention))
    ]
    for count in heads:
        if count % parallelism.tensor:
            raise InputError(
                "tp" if given.get("tp") else "gpus_per_replica",
                expected=f"a divisor of the model's {count} attention heads",
                found=parallelism.tensor,
            )
    if parallelism.pipeline > model.layers:
        raise InputError(
            "pp", expected=f"at most the model's {model.layers} layers", found=parallelism.pipeline
        )
    if parallelism.expert > 1 and parallelism.tensor % parallelism.expert:
        raise InputError("ep", expected=f"a divisor of tp = {parallelism.tensor}", found=parallelism.expert)
    return parallelism


def _count(value: object, path: str) -> int | None:
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise InputError(path, expected="a whole number, at least 1", found=value)
    return value


def _precision(name: object, path: str) -> str:
    key = str(name).lower()
    key = _DTYPE_ALIASES.get(key, key)
    if key not in PRECISIONS:
        raise UnknownName(
            path, kind="a number format", name=str(name), known=[*PRECISIONS, *_DTYPE_ALIASES]
        )
    return key


def _router(value: object) -> Any:
    known = ("round-robin", "least-loaded")
    if value is None:
        return known[0]
    if value not in known:
        raise UnknownName("router", kind=" or ".join(known), name=str(value), known=known)
    return value


def _engine_config(name: str, settings: str | Mapping[str, Any] | None, gpu: Gpu) -> EngineConfig:
    engine = find_engine(name, gpu=gpu, path="engine")
    if not settings:
        return engine
    if not isinstance(settings, (str, Mapping)):
        raise InputError("set", expected="a table of engine settings", found=repr(settings))
    changes = parse_settings(settings) if isinstance(settings, str) else dict(settings)
    fields = [f for f in EngineConfig.__struct_fields__ if f not in ("name", "version")]
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


def parse_settings(text: str) -> dict[str, str]:
    """`max_num_seqs=256,block_size=32` as a mapping."""
    settings: dict[str, str] = {}
    known = EngineConfig.__struct_fields__
    for part in filter(None, (p.strip() for p in text.split(","))):
        key, equals, value = part.partition("=")
        if not equals or not key.strip() or not value.strip():
            raise InputError(
                "set", expected="NAME=VALUE,...", found=repr(part), nearest=nearest_names(part, known)
            )
        settings[key.strip()] = value.strip()
    return settings


def _expected(error: msgspec.ValidationError) -> str:
    """What msgspec wanted, in words: `Expected `int`, got ...` -> `int`."""
    text = str(error).split(" - at")[0]
    return text.removeprefix("Expected ").split(", got")[0].replace("`", "")
