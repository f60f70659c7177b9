"""The number format in which a checkpoint was published."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from servemark.errors import InputError

_PLAIN = {"float32": "fp32", "float16": "fp16", "bfloat16": "bf16", "float8_e4m3fn": "fp8"}
_METHODS = {"fp8": "fp8", "fbgemm_fp8": "fp8", "mxfp4": "mxfp4", "nvfp4": "fp4"}
_BY_BITS = ("awq", "gptq", "auto-round", "bitsandbytes", "compressed-tensors", "modelopt")


def checkpoint_dtype(config: Mapping[str, Any], *, path: str) -> str:
    """A key of `PRECISIONS` from `quantization_config`, else from `dtype` or `torch_dtype`.

    A checkpoint that names neither is taken as BF16, in which engines would serve it.

    Raises:
        InputError: a format or a quantization method that is not known.
    """
    quantization = config.get("quantization_config")
    if quantization:
        return _quantized(quantization, f"{path}: quantization_config")
    name = "dtype" if config.get("dtype") is not None else "torch_dtype"
    plain = str(config.get(name) or "bfloat16").removeprefix("torch.")
    if plain not in _PLAIN:
        raise InputError(f"{path}: {name}", expected=f"one of {', '.join(_PLAIN)}", found=repr(plain))
    return _PLAIN[plain]


def _quantized(config: object, path: str) -> str:
    if not isinstance(config, Mapping):
        raise InputError(path, expected="an object", found=repr(config))
    method = str(config.get("quant_method", "")).lower()
    if method in _METHODS:
        return _METHODS[method]
    algorithm = str(config.get("quant_algo") or config.get("format") or "").lower()
    for name in ("mxfp4", "nvfp4", "fp8"):
        if name in algorithm:
            return _METHODS[name]
    bits = _bits(config)
    if method in _BY_BITS and bits in (4, 8):
        if "float" in str(_weights(config).get("type", "")):
            return "fp8" if bits == 8 else "fp4"
        return f"int{bits}"
    known = ", ".join((*_METHODS, *_BY_BITS))
    raise InputError(
        f"{path}.quant_method",
        expected=f"one of {known}, with 4 or 8 bits",
        found=f"{method!r}, {bits} bits",
    )


def _bits(config: Mapping[str, Any]) -> int | None:
    if config.get("load_in_4bit") or config.get("load_in_8bit"):
        return 4 if config.get("load_in_4bit") else 8
    return config.get("bits") or config.get("w_bit") or _weights(config).get("num_bits")


def _weights(config: Mapping[str, Any]) -> Mapping[str, Any]:
    """How the weights of the first group of a compressed-tensors checkpoint are stored."""
    groups = config.get("config_groups") or {}
    first = next(iter(groups.values()), {}) if isinstance(groups, Mapping) else {}
    return first.get("weights") or {} if isinstance(first, Mapping) else {}
