"""The deployment options that `fit`, `predict`, `simulate` and `twin` share, and what they build."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypedDict, cast

from servemark.api.calibration_files import (
    calibrated,
    device_named,
    matching,
    open_calibration,
    with_measured,
)
from servemark.api.engine_settings import engine_settings
from servemark.catalogue.architectures import find_model
from servemark.catalogue.coefficients import find_coefficients
from servemark.catalogue.gpu_types import find_gpu, is_family
from servemark.domain.coefficients import Coefficients
from servemark.domain.deployment import Deployment, Parallelism
from servemark.domain.gpu import TOPOLOGIES, Gpu, Node, topologies_of
from servemark.domain.model import PRECISIONS, Attention, LatentAttention, ModelArch
from servemark.errors import InputError, UnknownName


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
        speculative: speculative decoding: eagle, ngram or draft with k drafted tokens and their chance of
            acceptance, e.g. eagle:k=3,acceptance=0.7 or draft:model=llama-3.2-1b,k=5,acceptance=0.6.
        topology: what joins the GPUs of a replica: nvswitch, nvlink-bridge, pcie-switch, pcie-numa or host
            (default: the GPU's own link, else one PCIe switch).
        peer_to_peer: whether GPUs copy to each other over PCIe (default: as the GPU's driver allows).
        deployment: TOML file that holds any of these, and `model`.
        calibration: file that `calibrate` wrote, or last: own measurements in place of the catalogue's fit.
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
    speculative: str | Mapping[str, Any] | None
    topology: str | None
    peer_to_peer: bool | None
    deployment: Path | None
    calibration: str | Path | None


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
    calibration = open_calibration(given.get("calibration"))
    given = with_measured(calibration, given)
    if given.get("model") is None:
        raise InputError("model", expected="a model, e.g. llama-3.1-8b", found="none")
    if given.get("gpu") is None:
        raise InputError("gpu", expected="a GPU type, e.g. --gpu l40s", found="none")
    arch = given["model"]
    if not isinstance(arch, ModelArch):
        arch = find_model(str(arch), path="model")
    gpu = device_named(calibration, given["gpu"]) or find_gpu(str(given["gpu"]), path="gpu")
    parallelism = _parallelism(arch, given)
    dtype = parse_precision(given.get("dtype") or arch.dtype, "dtype")
    kv_default = "fp16" if dtype == "fp16" else "bf16" if dtype != "fp32" else "fp32"
    engine = engine_settings(
        given.get("engine") or "vllm", given.get("set"), given.get("speculative"),
        gpu=gpu, gpus=parallelism.gpus, model=arch,
    )  # fmt: skip
    longest = engine.max_model_len
    if longest is not None and longest > arch.max_context_tokens:
        raise InputError(
            "set.max_model_len",
            expected=f"at most the model's {arch.max_context_tokens} tokens",
            found=longest,
        )
    node = _node(gpu, parallelism.gpus, given)
    deployment = Deployment(
        model=arch,
        node=node,
        dtype=dtype,
        kv_dtype=parse_precision(given.get("kv_dtype") or kv_default, "kv_dtype"),
        parallelism=parallelism,
        replicas=_count(given.get("replicas"), "replicas") or 1,
        router=_router(given.get("router")),
        engine=engine,
    )
    if calibration is not None:
        matching(calibration, deployment)
    return deployment


def coefficients_of(deployment: Deployment, options: DeploymentOptions | None = None) -> Coefficients:
    """The step-time coefficients for a deployment: calibrated where the options name a calibration, else
    fitted, or inherited with a wider error.

    Raises:
        InputError: a calibration of another GPU, dtype or engine.
    """
    engine = deployment.engine
    known = find_coefficients(
        deployment.node.gpu, dtype=deployment.dtype, engine=engine.name, version=engine.version,
        model=deployment.model.key,
    )  # fmt: skip
    calibration = open_calibration(_merged(None, options or {}).get("calibration"))
    if calibration is None:
        return known
    matching(calibration, deployment)
    return calibrated(calibration, known, model=deployment.model.key, version=engine.version)


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


def _node(gpu: Gpu, gpus: int, given: Mapping[str, Any]) -> Node:
    peer = given.get("peer_to_peer", gpu.peer_to_peer)
    if not isinstance(peer, bool):
        raise InputError("peer_to_peer", expected="true or false", found=repr(peer))
    named = given.get("topology")
    possible = topologies_of(gpu)
    if named is None:
        return Node(gpu=gpu, gpus=gpus, peer_to_peer=peer)
    if named not in TOPOLOGIES:
        raise UnknownName("topology", kind="what joins the GPUs", name=str(named), known=TOPOLOGIES)
    if named not in possible:
        raise InputError(
            "topology", expected=f"{', '.join(possible)} for {gpu.name}", found=named, nearest=possible[:1]
        )
    return Node(gpu=gpu, gpus=gpus, peer_to_peer=peer, topology=named)


def _count(value: object, path: str) -> int | None:
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise InputError(path, expected="a whole number, at least 1", found=value)
    return value


def parse_precision(name: object, path: str) -> str:
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
