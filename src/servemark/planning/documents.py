"""A plan as one JSON object, `servemark.plan/1`, and back.

A deployment is written with the names that the options of `fit`, `predict` and `simulate` have. Of a
rejected one only the settings that differ from the engine's defaults are written.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from servemark.catalogue.engine_defaults import find_engine
from servemark.catalogue.gpu_types import find_gpu
from servemark.domain.deployment import Deployment, EngineConfig, Parallelism
from servemark.domain.fleet import Fleet
from servemark.domain.gpu import Node
from servemark.domain.model import ModelArch
from servemark.domain.plans import PLAN_SCHEMA, Candidate, Plan, Rejection
from servemark.domain.workload import load_value
from servemark.errors import InputError

_APART = ("name", "version", "memory", "speculative")
"""Fields of an engine that are no settings: its name says what they are."""
_DERIVED = ("usd_per_month", "usd_per_million_output_tokens", "capacity_at_most")


def plan_document(plan: Plan) -> dict[str, Any]:
    """The plan; every deployment that was looked at is in it once."""
    top = {
        "schema": plan.schema,
        "candidates_evaluated": plan.candidates_evaluated,
        "elapsed_s": plan.elapsed_s,
        "date": plan.date,
        "servemark": plan.servemark,
        "requirements": msgspec.to_builtins(plan.requirements),
        "choice": None if plan.choice is None else _candidate(plan.choice),
        "alternatives": [_candidate(each) for each in plan.alternatives],
        "rejected": [_rejection(each) for each in plan.rejected],
        "outlook": msgspec.to_builtins(plan.outlook),
        "miss": None,
        "notes": list(plan.notes),
    }
    if plan.miss is not None:
        top["miss"] = {
            "rejection": _rejection(plan.miss.rejection),
            "remedies": list(plan.miss.remedies),
        }
    return top


def plan_of_document(document: dict[str, Any], *, path: str = "plan") -> Plan:
    """The plan that `plan_document` wrote.

    Raises:
        InputError: no plan of this version, or a field of it is missing or impossible.
        UnknownName: a GPU or engine that is no longer known.
    """
    schema = document.get("schema")
    if schema != PLAN_SCHEMA:
        raise InputError(path, expected=f"a plan ({PLAN_SCHEMA})", found=schema or "no schema")
    try:
        model = msgspec.convert(document["requirements"]["model"], ModelArch)
        miss = document["miss"]
        fields = {
            **document,
            "choice": document["choice"] and _with_deployment(document["choice"], model),
            "alternatives": [_with_deployment(each, model) for each in document["alternatives"]],
            "rejected": [_with_deployment(each, model) for each in document["rejected"]],
            "miss": miss and {**miss, "rejection": _with_deployment(miss["rejection"], model)},
        }
        return msgspec.convert(fields, Plan)
    except KeyError as error:
        raise InputError(f"{path}.{error.args[0]}", expected="this field", found="nothing") from None
    except (msgspec.ValidationError, TypeError, AttributeError) as error:
        raise InputError(path, expected=f"a plan ({PLAN_SCHEMA})", found=error) from None


def read_plan(path: Path) -> Plan:
    """The plan in a file that `plan -o FILE.json` (or `--json`) wrote.

    Raises:
        InputError: no readable file, no JSON, or no plan of this version.
    """
    try:
        document = msgspec.json.decode(path.read_bytes())
    except OSError as error:
        raise InputError("plan", expected="a readable file", found=f"{path}: {error.strerror}") from None
    except msgspec.DecodeError as error:
        raise InputError("plan", expected="a JSON file", found=f"{path}: {error}") from None
    if not isinstance(document, dict):
        raise InputError("plan", expected=f"a plan ({PLAN_SCHEMA})", found=str(path))
    return plan_of_document(document, path=str(path))


def deployment_fields(deployment: Deployment, *, all_settings: bool = True) -> dict[str, Any]:
    """The deployment under the names of the options that build it."""
    engine, plan = deployment.engine, deployment.parallelism
    name = engine.name + (f"@{engine.version}" if engine.version else "")
    settings = {k: getattr(engine, k) for k in engine.__struct_fields__ if k not in _APART}
    if not all_settings:
        usual = find_engine(name, gpu=deployment.node.gpu, gpus=plan.gpus)
        settings = {k: v for k, v in settings.items() if v != getattr(usual, k)}
    several = plan.gpus > 1
    return {
        "title": deployment.title,
        "model": deployment.model.key,
        "gpu": deployment.node.gpu.key,
        "gpus": deployment.gpus,
        "gpus_per_replica": plan.gpus,
        "tp": plan.tensor,
        "pp": plan.pipeline,
        "ep": plan.expert,
        "topology": deployment.node.joined_by if several else None,
        "topology_assumed": several and deployment.node.topology is None,
        "replicas": deployment.replicas,
        "router": deployment.router,
        "dtype": deployment.dtype,
        "kv_dtype": deployment.kv_dtype,
        "engine": name,
        "settings": settings,
    }


def deployment_of_fields(fields: dict[str, Any], model: ModelArch) -> Deployment:
    """The deployment that `deployment_fields` wrote."""
    gpu = find_gpu(fields["gpu"])
    plan = Parallelism(tensor=fields["tp"], pipeline=fields["pp"], expert=fields["ep"])
    usual = find_engine(fields["engine"], gpu=gpu, gpus=plan.gpus)
    engine = msgspec.convert({**msgspec.to_builtins(usual), **fields["settings"]}, EngineConfig)
    topology = None if fields["topology_assumed"] else fields["topology"]
    return Deployment(
        model=model,
        node=Node(gpu=gpu, gpus=plan.gpus, peer_to_peer=gpu.peer_to_peer, topology=topology),
        dtype=fields["dtype"],
        kv_dtype=fields["kv_dtype"],
        parallelism=plan,
        replicas=fields["replicas"],
        router=fields["router"],
        engine=engine,
    )


def _candidate(candidate: Candidate) -> dict[str, Any]:
    """Its fields, and in front of them those that are asked for most."""
    price, load = candidate.output_token_usd, candidate.capacity.load
    rest = {
        k: getattr(candidate, k) for k in candidate.__struct_fields__ if k not in ("deployment", "fleet")
    }
    return {
        "deployment": deployment_fields(candidate.deployment),
        "fleet": _fleet(candidate.fleet),
        "usd_per_month": candidate.usd_per_month,
        "usd_per_million_output_tokens": None if price is None else price.point_usd * 1e6,
        "capacity_at_most": None if load is None else load_value(load),
        **msgspec.to_builtins(rest),
    }


def _rejection(rejection: Rejection) -> dict[str, Any]:
    return {
        "deployment": deployment_fields(rejection.deployment, all_settings=False),
        "fleet": _fleet(rejection.fleet),
        "reason": rejection.reason,
        "detail": rejection.detail,
        "excess_ratio": rejection.excess_ratio,
        "usd_per_month": rejection.usd_per_month,
        "method": rejection.method,
        "verdicts": msgspec.to_builtins(rejection.verdicts),
    }


def _with_deployment(fields: dict[str, Any], model: ModelArch) -> dict[str, Any]:
    """The fields of a record, with its deployment built."""
    derived = _DERIVED if "bill" in fields else ()
    kept = {k: v for k, v in fields.items() if k not in derived}
    fleet = fields["fleet"] and {k: _built(v, model) for k, v in fields["fleet"].items()}
    return {**kept, "deployment": _built(fields["deployment"], model), "fleet": fleet}


def _fleet(fleet: Fleet | None) -> dict[str, Any] | None:
    """The fleet, each pool written as a deployment."""
    if fleet is None:
        return None
    pools = {k: getattr(fleet, k) for k in fleet.__struct_fields__}
    return {"type": fleet.__struct_config__.tag, **{k: _unbuilt(v) for k, v in pools.items()}}


def _unbuilt(value: Any) -> Any:
    if isinstance(value, Deployment):
        return deployment_fields(value)
    return [_unbuilt(each) for each in value] if isinstance(value, tuple) else value


def _built(value: Any, model: ModelArch) -> Any:
    """The other way round, as msgspec takes it."""
    if isinstance(value, dict):
        return msgspec.to_builtins(deployment_of_fields(value, model))
    return [_built(each, model) for each in value] if isinstance(value, list) else value
