"""How published serving benchmarks set their engines up, where a table's columns do not say.

InferenceX (formerly InferenceMAX) keeps one launch script per model, precision, GPU and engine. What they
set beside the engine's defaults, and what decides latency and room for sequences, is below: the token budget
of a step, the share of memory, the most sequences, and how long a request waits before the engine looks at it.

- SGLang polls for requests every 10 decode steps below 16 users and every 30 from there on
  (`--scheduler-recv-interval`): half of that on average.
- TensorRT-LLM may hold requests back for so many steps, to prefill several together
  (`batch_wait_timeout_iters`).

Source: github.com/SemiAnalysisAI/InferenceX, benchmarks/*.sh, read 2026-11-20. Its scripts change from
release to release; these are the ones that stood when the rows were measured, as far as their history tells.
LLMServingSim states its settings beside its runs (github.com/casys-kaist/LLMServingSim, bench/, same day).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from msgspec.structs import replace

from servemark.domain.deployment import EngineConfig

_DUMP = re.compile(r"db-dump|\d{4}-\d\d-\d\d\.csv|gap-analysis")


def is_inferencex(row: Mapping[str, str]) -> bool:
    """Whether a row comes from InferenceX: of aiconfigurator's sample, all but NVIDIA's own runs."""
    source = row["source"].casefold()
    if source.startswith("aiconfigurator"):
        return bool(_DUMP.search(row["source_version"]))
    return "inferencex" in source or "inferencemax" in source


def as_launched(row: Mapping[str, str], engine: EngineConfig) -> EngineConfig:
    """The engine as the row's procedure launched it; unchanged where nothing is known."""
    if "LLMServingSim" in row["source"]:
        return replace(engine, max_num_seqs=128, max_num_batched_tokens=2048)
    if not is_inferencex(row):
        return engine
    users = _whole(row["concurrency_or_batch"])
    match engine.name:
        case "sglang":
            return replace(engine, **_sglang(row, users))
        case "tensorrt-llm":
            return replace(engine, **_tensorrt_llm(row, users))
        case _:
            return replace(engine, max_num_batched_tokens=8192)


def wait_steps(row: Mapping[str, str], engine: str) -> float:
    """Decode steps that a request waits on average before the engine looks at it."""
    if not is_inferencex(row):
        return 0.0
    users, model = _whole(row["concurrency_or_batch"]), row["model"].casefold()
    short = row["isl"] == row["osl"] == "1024"
    if engine == "sglang" and ("deepseek" in model or "qwen3.5" in model):
        return (30 if users >= 16 else 10) / 2
    if engine == "tensorrt-llm" and short:
        if "llama" in model and _whole(row["tp"]) < 8:
            return 20.0
        if "deepseek" in model and row["weight_dtype"] == "fp8" and 64 <= users < 256:
            return 40.0
    return 0.0


def _sglang(row: Mapping[str, str], users: int) -> dict[str, Any]:
    model, dtype = row["model"].casefold(), row["weight_dtype"]
    if "glm" in model:
        return {"gpu_memory_utilization": 0.85, "max_num_seqs": max(128, users)}
    if "deepseek" in model and dtype == "fp4":
        return {"max_num_batched_tokens": 16384, "gpu_memory_utilization": 0.85, "max_num_seqs": 256}
    if _whole(row["tp"]) == 4 and "deepseek" in model:
        return {"max_num_batched_tokens": 8192, "gpu_memory_utilization": 0.95, "max_num_seqs": 32}
    return {
        "max_num_batched_tokens": 32768,
        "gpu_memory_utilization": 0.82,
        "max_num_seqs": max(128, users),
    }


def _tensorrt_llm(row: Mapping[str, str], users: int) -> dict[str, Any]:
    model, inputs = row["model"].casefold(), _whole(row["isl"])
    if "gpt-oss" in model:
        return {"max_num_batched_tokens": 20000, "gpu_memory_utilization": 0.85, "max_num_seqs": 512}
    if "llama" in model:
        longest = inputs + _whole(row["osl"]) + 200
        budget = longest if row["weight_dtype"] == "fp4" else 16384
        return {"max_num_batched_tokens": budget, "max_num_seqs": 2048}
    return {"max_num_batched_tokens": max(8192, users + inputs + 64), "gpu_memory_utilization": 0.8}


def _whole(cell: str) -> int:
    return int(float(cell)) if cell.replace(".", "", 1).isdigit() else 0
