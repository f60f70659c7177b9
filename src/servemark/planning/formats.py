"""Number formats a GPU and an engine can serve a model in, and what has to be said about each.

Capabilities are vLLM's, as its documentation states them (quantization pages of v0.11 to v0.32, read
2026-11-20): BF16 needs compute capability 8.0; FP8 matrices 8.9, and as weights alone 7.5; integer
matrices 7.5; AWQ and GPTQ weights 7.5; FP4 weights 8.0. GGUF files are llama.cpp's.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from servemark.domain.gpu import Gpu
from servemark.domain.model import PRECISIONS, ModelArch

LEAST_CAPABILITY: Final = {
    "fp32": 7.0, "bf16": 8.0, "fp16": 7.0, "fp8": 7.5, "int8": 7.5, "int4": 7.5, "fp4": 8.0, "mxfp4": 8.0,
}  # fmt: skip
"""Compute capability from which vLLM serves a weight format, on its own units or as weights alone."""
ENGINE_CAPABILITY: Final = {"vllm": 7.0, "sglang": 7.5, "tensorrt-llm": 8.0}
"""Least compute capability of an NVIDIA GPU, by the engines' installation pages (2026-11-20)."""
SIXTEEN_BITS: Final = ("bf16", "fp16")
AMD_ENGINES: Final = ("vllm", "sglang", "llama.cpp", "transformers")


class Format(NamedTuple):
    """Weights and KV cache, each a key of `PRECISIONS`."""

    dtype: str
    kv_dtype: str


def default_formats(model: ModelArch, gpu: Gpu) -> tuple[Format, ...]:
    """What is searched when nothing is asked for: the checkpoint's own precision with a 16-bit cache, and
    FP8 weights where those are smaller, with a cache in 16 bits or, on GPUs with FP8 units, in FP8.

    Formats of 4 bits change answers more, and are searched on request only.
    """
    own = own_dtype(model, gpu)
    kv = kv_default(own)
    formats = [Format(own, kv)]
    smaller = PRECISIONS[own].bytes_per_value > PRECISIONS["fp8"].bytes_per_value
    if smaller and own != "fp32":
        formats.append(Format("fp8", kv))
    if "fp8" in gpu.dense_flop_per_s and (smaller or own == "fp8"):
        formats.append(Format("fp8", "fp8"))
    return tuple(formats)


def asked_formats(
    model: ModelArch, gpu: Gpu, dtypes: Sequence[str], kv_dtypes: Sequence[str]
) -> tuple[Format, ...]:
    """Every pair of the formats asked for; of what was not asked for, the default."""
    if not dtypes and not kv_dtypes:
        return default_formats(model, gpu)
    if not kv_dtypes:
        return tuple(Format(dtype, kv_default(dtype)) for dtype in dtypes)
    weights = dtypes or tuple(dict.fromkeys(each.dtype for each in default_formats(model, gpu)))
    return tuple(Format(dtype, kv_dtype) for dtype in weights for kv_dtype in kv_dtypes)


def own_dtype(model: ModelArch, gpu: Gpu) -> str:
    """The checkpoint's precision; FP16 for BF16 on GPUs without BF16 units, as engines cast it."""
    if model.dtype == "bf16" and "bf16" not in gpu.dense_flop_per_s:
        return "fp16"
    return model.dtype


def kv_default(dtype: str) -> str:
    """The cache's format beside these weights: 16 bits, or 32 beside 32."""
    return dtype if dtype in ("fp16", "fp32") else "bf16"


def keeps_precision(model: ModelArch, form: Format) -> bool:
    """Whether answers are those of the checkpoint as published (16-bit formats count as one)."""
    own = model.dtype in SIXTEEN_BITS and form.dtype in SIXTEEN_BITS
    return (own or form.dtype == model.dtype) and PRECISIONS[form.kv_dtype].bytes_per_value >= 2


def unsupported(form: Format, gpu: Gpu, engine: str) -> str | None:
    """Why this GPU with this engine cannot serve the format; None where it can."""
    if gpu.vendor != "nvidia":
        if engine not in AMD_ENGINES:
            return f"{engine} does not run on {gpu.vendor.upper()} GPUs"
        dtypes = (form.dtype, form.kv_dtype)
        lacking = next((d for d in dtypes if not _has_units(d, gpu) and PRECISIONS[d].quantized), None)
        return f"{gpu.name} has no units for {lacking}" if lacking else None
    if (form.dtype == "q4_k_m") != (engine == "llama.cpp" and PRECISIONS[form.dtype].quantized):
        return f"{engine} does not read {form.dtype} weights"
    capability = float(gpu.compute_capability or 0)
    needed = ENGINE_CAPABILITY.get(engine, 0.0)
    if capability < needed:
        return f"{engine} needs compute capability {needed:.1f}, {gpu.name} has {capability:.1f}"
    needed = LEAST_CAPABILITY.get(form.dtype, 0.0)
    if capability < needed:
        return f"{form.dtype} needs compute capability {needed:.1f}, {gpu.name} has {capability:.1f}"
    if PRECISIONS[form.kv_dtype].quantized and not _has_units(form.kv_dtype, gpu):
        return f"a KV cache in {form.kv_dtype} needs units that {gpu.name} lacks"
    return None


def format_marks(model: ModelArch, form: Format, gpu: Gpu) -> tuple[str, ...]:
    """What a reader should know of the format on this GPU."""
    marks: list[str] = []
    if not keeps_precision(model, form):
        changed = [form.dtype] if form.dtype not in (model.dtype, *SIXTEEN_BITS) else []
        changed += ["KV cache"] if PRECISIONS[form.kv_dtype].bytes_per_value < 2 else []
        marks.append(f"{' and '.join(changed)}: answers may change a little")
    if not _has_units(form.dtype, gpu) and PRECISIONS[form.dtype].quantized and form.dtype != "int4":
        marks.append(f"{form.dtype} as weights alone: the maths runs in 16 bits")
    return tuple(marks)


def _has_units(dtype: str, gpu: Gpu) -> bool:
    return PRECISIONS[dtype].compute in gpu.dense_flop_per_s
