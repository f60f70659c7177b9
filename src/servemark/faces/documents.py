"""What `--json` prints: one object per command, each with a `schema` field. Described in docs/scripting.md."""

from __future__ import annotations

from typing import Any

import msgspec

from servemark.domain.capacity import Capacity, SloVerdict
from servemark.domain.coefficients import Coefficients
from servemark.domain.deployment import Deployment
from servemark.domain.gpu import Gpu
from servemark.domain.memory import Fit, MemoryBudget
from servemark.domain.model import ModelArch
from servemark.domain.run import OUTCOMES, Level, Run
from servemark.domain.workload import Load, Rate, Users
from servemark.errors import DoesNotFit, InputError, ServemarkError
from servemark.store.folders import RunEntry

CONTRACT_METRICS = ("ttft_s", "itl_s", "tpot_s", "e2e_s")


def encode(document: dict[str, Any]) -> str:
    """One line of JSON."""
    return msgspec.json.encode(document).decode()


def error_text(error: ServemarkError) -> str:
    """The error as `{schema, error: {path, expected, found, nearest}}`."""
    if isinstance(error, InputError):
        fields: dict[str, Any] = {
            "path": error.path,
            "expected": error.expected,
            "found": error.found,
            "nearest": list(error.nearest),
        }
    else:
        path, expected = "servemark", "an answer"
        if isinstance(error, DoesNotFit):
            path, expected = "memory", "a deployment that fits"
        fields = {"path": path, "expected": expected, "found": str(error), "nearest": []}
    document: dict[str, Any] = {"schema": "servemark.error/1", "error": fields}
    if isinstance(error, DoesNotFit):
        document |= {
            "fits": False,
            "memory": memory_document(error.budget),
            "missing_bytes": error.budget.missing_bytes,
        }
    return encode(document)


def fit_document(fit: Fit) -> dict[str, Any]:
    memory = fit.memory
    return {
        "schema": "servemark.fit/1",
        "fits": memory.fits,
        "deployment": deployment_document(fit.deployment),
        "sequence_tokens": fit.sequence_tokens,
        "sequences": fit.sequences,
        "memory": memory_document(memory),
        "missing_bytes": memory.missing_bytes,
    }


def memory_document(memory: MemoryBudget) -> dict[str, Any]:
    document: dict[str, Any] = msgspec.to_builtins(memory)
    return {
        key: round(value) if key.endswith("_bytes") and value is not None else value
        for key, value in document.items()
    }


def deployment_document(deployment: Deployment) -> dict[str, Any]:
    engine, several = deployment.engine, deployment.parallelism.gpus > 1
    return {
        "title": deployment.title,
        "model": deployment.model.key,
        "gpu": deployment.node.gpu.key,
        "gpus": deployment.gpus,
        "gpus_per_replica": deployment.parallelism.gpus,
        "tp": deployment.parallelism.tensor,
        "pp": deployment.parallelism.pipeline,
        "ep": deployment.parallelism.expert,
        "topology": deployment.node.joined_by if several else None,
        "topology_assumed": several and deployment.node.topology is None,
        "replicas": deployment.replicas,
        "dtype": deployment.dtype,
        "kv_dtype": deployment.kv_dtype,
        "engine": engine.name + (f"@{engine.version}" if engine.version else ""),
        "settings": {k: v for k, v in msgspec.to_builtins(engine).items() if k not in ("name", "version")},
    }


def run_document(run: Run) -> dict[str, Any]:
    """A run without its raw rows."""
    return {
        "schema": run.schema,
        "id": run.id or None,
        "origin": run.origin,
        "method": run.method,
        "title": run.title,
        "deployment": deployment_document(run.deployment) if run.deployment else None,
        "endpoint": msgspec.to_builtins(run.endpoint) if run.endpoint else None,
        "workload": msgspec.to_builtins(run.workload),
        "slos": [_slo(s.name, s.limit) for s in run.slos],
        "memory": memory_document(run.memory) if run.memory else None,
        "coefficients": coefficients_document(run.coefficients) if run.coefficients else None,
        "levels": [level_document(level) for level in run.levels],
        "controls": [level_document(level) for level in run.controls],
        "quality": msgspec.to_builtins(run.quality),
        "findings": msgspec.to_builtins(run.findings),
        "capacity": capacity_document(run.capacity),
        "provenance": msgspec.to_builtins(run.provenance),
        "extrapolations": list(run.extrapolations),
        "notes": list(run.notes),
    }


def coefficients_document(coefficients: Coefficients) -> dict[str, Any]:
    """Values and errors, without their correlations."""
    document = msgspec.to_builtins(coefficients)
    return {key: value for key, value in document.items() if key != "correlations"}


def level_document(level: Level) -> dict[str, Any]:
    metrics: dict[str, Any] = {
        key: msgspec.to_builtins(level.metrics[key]) if key in level.metrics else _absent()
        for key in (*CONTRACT_METRICS, *(k for k in level.metrics if k not in CONTRACT_METRICS))
    }
    return {
        **_load(level.load),
        "requests_sent": level.requests_sent,
        "warmup_sent": level.warmup_sent,
        "outcomes": {name: level.outcomes.get(name, 0) for name in OUTCOMES},
        "metrics": metrics,
        "output_tokens_per_s": level.output_tokens_per_s,
        "requests_per_s": level.requests_per_s,
        "failures_ratio": level.failures_ratio,
        "bands": level.bands,
        "preemptions": level.preemptions,
        "verdict": level.verdict.word if level.verdict else None,
        "slos": [_slo_verdict(v) for v in level.verdict.slos] if level.verdict else [],
        "window": msgspec.to_builtins(level.window) if level.window else None,
        "lag": msgspec.to_builtins(level.lag) if level.lag else None,
        "cpu": msgspec.to_builtins(level.cpu) if level.cpu else None,
        "elasticity": msgspec.to_builtins(level.elasticity) if level.elasticity else None,
        "quality": msgspec.to_builtins(level.quality),
        "notes": list(level.notes),
    }


def capacity_document(capacity: Capacity | None) -> dict[str, Any]:
    if capacity is None:
        fields = ("load", "band", "binding", "margin", "first_broken", "broken_by")
        return dict.fromkeys(fields)
    return {
        "load": load_number(capacity.load),
        "band": _capacity_band(capacity),
        "binding": capacity.binding.name if capacity.binding else None,
        "margin": capacity.margin,
        "first_broken": load_number(capacity.first_broken),
        "broken_by": capacity.broken_by.name if capacity.broken_by else None,
    }


def _capacity_band(capacity: Capacity) -> tuple[float, float] | None:
    """Users are whole."""
    if capacity.band is None or not isinstance(capacity.load or capacity.first_broken, Users):
        return capacity.band
    return int(capacity.band[0]), int(capacity.band[1])


def gpus_document(gpus: tuple[Gpu, ...]) -> dict[str, Any]:
    rows = [{**msgspec.to_builtins(g), "unverified_fields": list(g.unverified_fields)} for g in gpus]
    return {"schema": "servemark.gpus/1", "gpus": rows}


def models_document(models: tuple[ModelArch, ...]) -> dict[str, Any]:
    rows = [
        {
            **msgspec.to_builtins(m),
            "layers": m.layers,
            "params": m.checkpoint_params,
            "served_params": m.params,
            "active_params": m.active_params,
            "feedforward_kind": m.feedforward_kind,
            "attention_kind": m.attention_kind,
        }
        for m in models
    ]
    return {"schema": "servemark.models/1", "models": rows}


def runs_document(entries: tuple[RunEntry, ...]) -> dict[str, Any]:
    return {"schema": "servemark.runs/1", "runs": [msgspec.to_builtins(e) for e in entries]}


def load_number(load: Load | None) -> int | float | str | None:
    """A load on its own axis: users, requests per second, or the name of a trace."""
    match load:
        case None:
            return None
        case Users(users=n):
            return n
        case Rate(per_s=r):
            return r
        case _:
            return load.name


def _load(load: Load) -> dict[str, Any]:
    key = {Users: "users", Rate: "rate"}.get(type(load), "trace")
    return {key: load_number(load)}


def _absent() -> dict[str, Any]:
    return {"n": 0, "mean": None, "p50": None, "p95": None, "p99": None, "ci": {}, "band": {}}


def _slo(name: str, limit: float) -> dict[str, Any]:
    return {"slo": name, "limit": limit}


def _slo_verdict(verdict: SloVerdict) -> dict[str, Any]:
    return {
        **_slo(verdict.slo.name, verdict.slo.limit),
        "value": verdict.value,
        "interval": verdict.interval,
        "band": verdict.band,
        "verdict": verdict.verdict,
        "margin": verdict.margin,
        "reason": verdict.reason,
        "requests_needed": verdict.requests_needed,
    }
