"""What a published row means: columns of a measured table -> `Observation`.

Sources and what their rows count (read from each source's own description):

- TensorRT-LLM performance documents: a static batch, or (`max`) a saturated run of so many requests.
- TensorRT-LLM online serving, LLMServingSim: 500 and 300 requests at a Poisson rate (`qps=`).
- aiconfigurator's sample of InferenceX: N users in a closed loop, lengths drawn evenly from 0.8 to 1.0 of
  the nominal ones. The sample multiplies tensor by expert parallelism: on nodes of eight GPUs its rows of
  16 and 64 GPUs repeat, value by value, rows of 4 and 8; with `tp` 1 attention is data-parallel.
- Argonne's benchmark: a static batch, input plus output tokens; TensorRT-LLM's benchmark there gives every
  sequence the same prompt.
- llama.cpp tables: one sequence, prompt and answer apart; several GPUs hold the layers one after the other.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from typing import NamedTuple

import msgspec

from servemark.calibration.observations import Kind, Metric, Observation
from servemark.calibration.recipes import as_launched, is_inferencex, wait_steps
from servemark.catalogue.architectures import find_model as catalogue_model
from servemark.catalogue.engine_defaults import find_engine
from servemark.catalogue.gpu_types import find_gpu
from servemark.domain.deployment import Deployment, EngineConfig, Parallelism
from servemark.domain.gpu import Gpu, Node
from servemark.domain.model import PRECISIONS, ModelArch
from servemark.errors import InputError

MAX_LOAD_REQUESTS = {
    (128, 128): 30000, (128, 2048): 3000, (128, 4096): 1500, (500, 2000): 3000, (1000, 1000): 3000,
    (2048, 128): 3000, (20000, 2000): 1000,
}  # fmt: skip
"""Requests per shape in TensorRT-LLM's performance overview; 1,500 for the others."""
OTHER_MAX_LOAD_REQUESTS = 1500
MAX_LOAD_SEQUENCES = 2048
MAX_LOAD_MEMORY = 0.95
"""KV share of the free memory in these runs: 0.90 or 0.95, by release and model."""
STATIC_STEP_TOKENS = 8192
DRAWN_MEAN, DRAWN_VARIATION = 0.9, (0.2 / 0.9) ** 2 / 12
"""InferenceX draws lengths evenly from 0.8 to 1.0 of the nominal: mean, and variance over squared mean."""
SHAREGPT_INPUT, SHAREGPT_OUTPUT = 219.0, 660.0
"""Mean lengths: prompts as vLLM's benchmark samples ShareGPT; answers of LLMServingSim's runs as their E2E
latency less TTFT over TPOT tells (650, 661 and 666 tokens)."""
CONVERSATION_VARIATION = 0.5
"""Squared coefficient of variation of lengths that are only known as the mean of a data set."""
SUMMED_SHAPES = (("4000", "1000"), ("15000", "500"))
"""Shapes of these runs in aiconfigurator's sample: Qwen3 32B on two B200 would have to compute 53 PFLOP/s of
prompts at 416 users, three times the data sheet."""
NODE_GPUS = 8
MOST_SEQUENCES, LONGEST_TOKENS = 1e6, 1e8
"""Beyond these a cell is a slip."""
DTYPES = {"f16": "fp16", "float16": "fp16", "bfloat16": "bf16", "nvfp4": "fp4", "w4a16": "int4", "awq": "int4",
          "gptq": "int4", "w8a8": "int8", "fp8_block": "fp8", "mxfp8": "fp8"}  # fmt: skip


class Meaning(NamedTuple):
    """What a metric column measures."""

    metric: Metric
    counted: str = ""
    per_gpu: bool = False
    statistic: str = "mean"


METRICS = {
    "total_throughput_in_plus_out": Meaning("throughput", "both"),
    "total_throughput": Meaning("throughput", "both"),
    "output_throughput_per_gpu": Meaning("throughput", "output", per_gpu=True),
    "output_throughput_total": Meaning("throughput", "output"),
    "output_throughput": Meaning("throughput", "output"),
    "throughput": Meaning("throughput", "output"),
    "decode_throughput_bs1": Meaning("throughput", "output"),
    "prefill_throughput_bs1": Meaning("throughput", "input"),
}
_LATENCY = re.compile(r"(ttft|tpot|itl|e2e)(?:_(ref|mean|avg|p50|median|p99))?$")
_STATISTICS = {"p50": "p50", "median": "p50", "p99": "p99"}


class Refusal(Exception):
    """Why a row cannot be predicted."""


def observation(
    row: Mapping[str, str], *, find_model: Callable[[str], ModelArch] | None = None
) -> Observation | str:
    """One row (columns of `measured_performance.csv`) as an observation, or why it cannot be predicted.

    Args:
        row: column -> cell.
        find_model: looks a model up by name; the catalogue's by default. It raises `InputError`
            for names that it does not know.
    """
    try:
        return _observation(row, find_model or catalogue_model)
    except Refusal as refusal:
        return str(refusal)
    except InputError as error:
        return str(error)


def _observation(row: Mapping[str, str], find_model: Callable[[str], ModelArch]) -> Observation:
    meaning = _meaning(row["metric"].strip().lower())
    value = _number(row, "value") * (1e-3 if row.get("unit", "").strip().lower() == "ms" else 1.0)
    if not value > 0:
        raise Refusal(f"value {row['value']} is not positive")
    gpu, model = find_gpu(row["gpu"]), find_model(row["model"])
    if model.kind != "decoder":
        raise Refusal(f"{model.name} is an encoder: it decodes nothing")
    dtype = _weight_dtype(row, model)
    plan = _parallelism(row, gpu, model)
    lengths = _lengths(row)
    load = _load(
        row["concurrency_or_batch"].strip().lower(), row, (int(lengths.inputs), int(lengths.outputs))
    )
    engine = _engine(row, gpu, load.kind)
    if engine.name in ("vllm", "sglang") and lengths.inputs + lengths.outputs > model.max_context_tokens:
        raise Refusal(
            f"{lengths.inputs + lengths.outputs:.0f} tokens exceed the context of {model.max_context_tokens}, "
            "and the engine refuses such requests"
        )
    return Observation(
        deployment=Deployment(
            model=model,
            node=Node(gpu=gpu, gpus=plan.gpus, peer_to_peer=gpu.peer_to_peer),
            dtype=dtype,
            kv_dtype=_kv_dtype(row, dtype, engine.name),
            parallelism=plan,
            engine=engine,
        ),
        kind=load.kind,
        sequences=load.sequences,
        rate_per_s=load.rate_per_s,
        requests=load.requests,
        input_tokens=lengths.inputs,
        output_tokens=lengths.outputs,
        input_variation=lengths.input_variation,
        output_variation=lengths.output_variation,
        wait_steps=wait_steps(row, engine.name),
        same_prompts=row["source"].startswith("Argonne") and engine.name == "tensorrt-llm",
        metric=meaning.metric,
        statistic=meaning.statistic,  # pyright: ignore[reportArgumentType]
        counted=meaning.counted,  # pyright: ignore[reportArgumentType]
        per_gpu=meaning.per_gpu or row.get("unit", "").strip().lower() == "tok/s/gpu",
        value=value,
        source=row["source"].split(" (")[0],
        source_version=row["source_version"],
        labels={"tp": row["tp"], "num_gpus": row["num_gpus"]},
    )


def _meaning(metric: str) -> Meaning:
    if metric in METRICS:
        return METRICS[metric]
    found = _LATENCY.match(metric)
    if not found:
        raise Refusal(f"metric {metric!r} is not known")
    statistic = _STATISTICS.get(found[2] or "", "mean")
    return Meaning(found[1], statistic=statistic)  # pyright: ignore[reportArgumentType]


def _weight_dtype(row: Mapping[str, str], model: ModelArch) -> str:
    """The dtype under Servemark's names. gpt-oss checkpoints are MXFP4, whatever a table calls them;
    a row without a dtype serves the checkpoint as published.
    """
    name = row["weight_dtype"].strip().lower()
    if model.key.startswith("gpt-oss") and name in ("", "fp4", "fp8", "mxfp4"):
        return "mxfp4"
    name = DTYPES.get(name, name) or model.dtype
    if name not in PRECISIONS:
        raise Refusal(f"weight dtype {row['weight_dtype']!r} is not known")
    return name


def _kv_dtype(row: Mapping[str, str], dtype: str, engine: str) -> str:
    """Where a row leaves it to the engine: quantized TensorRT-LLM checkpoints bring an FP8 cache."""
    name = row["kv_dtype"].strip().lower()
    name = DTYPES.get(name, name)
    if name in PRECISIONS:
        return name
    return "fp8" if dtype in ("fp8", "fp4", "mxfp4") else "bf16"


def _parallelism(row: Mapping[str, str], gpu: Gpu, model: ModelArch) -> Parallelism:
    tensor, pipeline, gpus = _whole(row, "tp"), _whole(row, "pp"), _whole(row, "num_gpus")
    expert = data = 1
    sampled, mixture = row["source"].startswith("aiconfigurator"), model.feedforward_kind == "moe"
    if sampled and mixture and gpus in (16, 64) and tensor in (gpus, 1, 4) and _one_node(gpu):
        # tensor times expert parallelism, written as one number
        gpus = expert = math.isqrt(gpus)
        tensor, data = gpus, gpus if tensor == 1 else 1
    elif sampled and mixture and tensor == 1 and gpus > 1:
        # data-parallel attention; in the newest file, tensor times expert parallelism again
        product = gpus == 4 and "2026-04" in row["source_version"] and "post" in row["source_version"]
        gpus = 2 if product else gpus
        tensor = expert = data = gpus
    elif "LLMServingSim" in row["source"] and tensor < gpus:
        tensor = expert = gpus
    if sampled and not is_inferencex(row) and (row["isl"], row["osl"]) in SUMMED_SHAPES:
        raise Refusal("NVIDIA's recipe runs state a worker's GPUs and the whole run's concurrency")
    if gpus > NODE_GPUS:
        raise Refusal(f"{gpus} GPUs: how a run over several nodes was divided is not stated")
    if tensor * pipeline != gpus:
        raise Refusal(f"tensor {tensor} x pipeline {pipeline} is not {gpus} GPUs")
    if mixture and tensor > 1 and row["concurrency_or_batch"].strip() == "max":
        # TensorRT-LLM's overview runs mixtures of experts with data-parallel attention
        expert = data = tensor
    return Parallelism(tensor=tensor, pipeline=pipeline, expert=expert, data=data)


def _one_node(gpu: Gpu) -> bool:
    return gpu.link is None or gpu.link.spans_gpus <= NODE_GPUS


class _Load(NamedTuple):
    kind: Kind
    sequences: float = 0.0
    rate_per_s: float = 0.0
    requests: float | None = None


def _load(cell: str, row: Mapping[str, str], shape: tuple[int, int]) -> _Load:
    """What is sent: a static batch, users, a rate, or all that fits."""
    if cell == "max":
        return _Load("max", requests=MAX_LOAD_REQUESTS.get(shape, OTHER_MAX_LOAD_REQUESTS))
    try:
        load = float(cell.removeprefix("qps="))
    except ValueError:
        load = math.nan
    if cell.startswith("qps=") and load > 0:
        requests = 300.0 if "LLMServingSim" in row["source"] else 500.0
        return _Load("open", rate_per_s=load, requests=requests)
    if not 1 <= load <= MOST_SEQUENCES:
        raise Refusal(f"load {cell!r} is neither a number of sequences, nor max, nor a rate (qps=2)")
    static = row["metric"].endswith("_bs1") or any(
        word in row["source"] for word in ("static batch", "Argonne", "llama-bench", "GPU-Benchmarks")
    )
    return _Load("static" if static else "closed", sequences=load)


class _Lengths(NamedTuple):
    """Mean tokens, and their squared coefficients of variation."""

    inputs: float
    outputs: float
    input_variation: float = 0.0
    output_variation: float = 0.0


def _lengths(row: Mapping[str, str]) -> _Lengths:
    if "LLMServingSim" in row["source"]:
        return _Lengths(SHAREGPT_INPUT, SHAREGPT_OUTPUT, CONVERSATION_VARIATION, CONVERSATION_VARIATION)
    try:
        inputs, outputs = float(row["isl"] or 0), float(row["osl"] or 0)
    except ValueError:
        inputs = outputs = math.nan
    if not (inputs >= 0 and outputs >= 0 and 1 <= inputs + outputs <= LONGEST_TOKENS):
        raise Refusal(f"lengths {row['isl']!r} and {row['osl']!r} are no numbers of tokens")
    if is_inferencex(row):
        return _Lengths(inputs * DRAWN_MEAN, outputs * DRAWN_MEAN, DRAWN_VARIATION, DRAWN_VARIATION)
    if "mean lengths" in row["source"]:
        # answers of 16 and 256 tokens are cut there, those of 214 are conversations
        capped = math.log2(max(outputs, 1)).is_integer()
        return _Lengths(inputs, outputs, CONVERSATION_VARIATION, 0.0 if capped else CONVERSATION_VARIATION)
    return _Lengths(inputs, outputs)


def _engine(row: Mapping[str, str], gpu: Gpu, kind: Kind) -> EngineConfig:
    engine = msgspec.structs.replace(find_engine(row["engine"], gpu=gpu), version=engine_version(row))
    if engine.policy == "slots":
        return engine
    if kind == "max":
        return msgspec.structs.replace(
            engine,
            max_num_batched_tokens=STATIC_STEP_TOKENS,
            max_num_seqs=MAX_LOAD_SEQUENCES,
            gpu_memory_utilization=MAX_LOAD_MEMORY,
        )
    seqs = max(engine.max_num_seqs, 256)
    if kind == "closed":
        seqs = max(seqs, int(float(row["concurrency_or_batch"])))
    engine = msgspec.structs.replace(engine, max_num_batched_tokens=STATIC_STEP_TOKENS, max_num_seqs=seqs)
    return as_launched(row, engine) if kind in ("closed", "open") else engine


def engine_version(row: Mapping[str, str]) -> str | None:
    """The engine's version as the row's source names it; None where it does not."""
    text = row["source_version"].strip()
    if row["source"].startswith("aiconfigurator"):
        version = text.partition(";")[2].strip().partition(" ")[2].strip()
        return version or ("inferencex" if is_inferencex(row) else "nvidia")
    if "SC24" in text:
        return "2024"
    if "GPU-Benchmarks" in row["source"]:
        return "2024"
    return text.removeprefix("vLLM ").split(" ")[0].split("(")[0].lower() or None


def _number(row: Mapping[str, str], column: str) -> float:
    try:
        return float(row[column])
    except ValueError:
        raise Refusal(f"{column} {row[column]!r} is not a number") from None


def _whole(row: Mapping[str, str], column: str) -> int:
    number = _number(row, column) if row[column] else 1
    if number < 1 or number != int(number):
        raise Refusal(f"{column} {row[column]!r} is not a whole number")
    return int(number)
