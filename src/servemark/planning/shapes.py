"""Every shape of one replica that is worth a look: GPU, parallelism, formats, engine and batch limits."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

from msgspec.structs import replace

from servemark.catalogue.coefficients import find_coefficients
from servemark.catalogue.engine_defaults import find_engine
from servemark.domain.coefficients import Coefficients
from servemark.domain.deployment import Deployment, EngineConfig, Parallelism
from servemark.domain.gpu import Gpu, Node, Topology, topologies_of
from servemark.domain.memory import MemoryBudget
from servemark.domain.model import Attention, LatentAttention, ModelArch
from servemark.domain.plans import Rejection
from servemark.physics.memory import memory_budget
from servemark.planning.formats import Format, asked_formats, unsupported
from servemark.units import GIB, MIB

NODE_GPUS: Final = 8
"""GPUs of a server at most; replicas that span servers are not modelled."""
CONSUMER_NODE_GPUS: Final = 4
STEP_TOKENS: Final = (2048, 8192)
"""`max_num_batched_tokens` tried beside the engine's own: short steps for even gaps, long ones for TTFT."""
SEQUENCES: Final = (64,)
"""`max_num_seqs` tried beside the engine's own: a small batch keeps TPOT down and lets requests queue."""
SLOTS: Final = (1, 4, 16)
"""Slots tried for engines that divide their context into such."""


class Search(NamedTuple):
    """What is searched."""

    model: ModelArch
    gpus: tuple[Gpu, ...]
    engines: tuple[str, ...] = ("vllm",)
    """Each NAME or NAME@VERSION."""
    dtypes: tuple[str, ...] = ()
    """Empty = `formats.default_formats`."""
    kv_dtypes: tuple[str, ...] = ()
    sequence_tokens: int = 1
    """Longest sequence (prompt and answer) that has to fit."""
    topology: Topology | None = None
    """What joins the GPUs of a replica, where their type can be joined so; None = the usual."""
    coefficients: Callable[..., Coefficients] = find_coefficients
    """What is known of a GPU, dtype and engine: the catalogue, or own measurements."""


class Shape(NamedTuple):
    """One replica that fits."""

    deployment: Deployment
    """With one replica."""
    budget: MemoryBudget
    coefficients: Coefficients


class Shapes(NamedTuple):
    """What fits, and what does not or cannot run."""

    fitting: tuple[Shape, ...]
    rejected: tuple[Rejection, ...]


def replica_shapes(search: Search) -> Shapes:
    """Every shape, the cheapest checks first: can it run, does it fit.

    Raises:
        UnknownName: no such engine.
    """
    fitting: list[Shape] = []
    rejected: list[Rejection] = []
    known: dict[tuple[str, str, str], Coefficients] = {}
    for gpu in search.gpus:
        for name in search.engines:
            for form in asked_formats(search.model, gpu, search.dtypes, search.kv_dtypes):
                engine = find_engine(name, gpu=gpu)
                why = unsupported(form, gpu, engine.name)
                if why is not None:
                    single = _deployment(search, gpu, Parallelism(), form, engine)
                    rejected.append(Rejection(deployment=single, reason="unsupported", detail=why))
                    continue
                key = (gpu.key, form.dtype, name)
                if key not in known:
                    known[key] = search.coefficients(
                        gpu, dtype=form.dtype, engine=engine.name, version=engine.version,
                        model=search.model.key,
                    )  # fmt: skip
                for deployment in _deployments(search, gpu, form, name):
                    budget = memory_budget(deployment, sequence_tokens=search.sequence_tokens)
                    if budget.fits:
                        fitting.append(Shape(deployment, budget, known[key]))
                    else:
                        rejected.append(_does_not_fit(deployment, budget))
    return Shapes(tuple(fitting), tuple(rejected))


def parallelisms(model: ModelArch, gpu: Gpu) -> tuple[Parallelism, ...]:
    """Tensor parallel over powers of two that divide the heads; pipeline parallel where only PCIe joins the
    GPUs, which carries its hops but not its all-reduces well; expert parallel over the whole tensor group.
    """
    counts = [
        g.attention.heads for g in model.groups if isinstance(g.attention, (Attention, LatentAttention))
    ]
    most = node_gpus(gpu)
    found: list[Parallelism] = []
    for tensor in (1, 2, 4, 8):
        if tensor > most or any(count % tensor for count in counts):
            continue
        for pipeline in (1, 2, 4, 8):
            joined = Node(gpu=gpu, gpus=tensor * pipeline)
            if tensor * pipeline > most or pipeline > model.layers:
                continue
            if pipeline > 1 and joined.link is not gpu.pcie:
                continue
            found.append(Parallelism(tensor=tensor, pipeline=pipeline))
            if model.feedforward_kind == "moe" and tensor > 1:
                found.append(Parallelism(tensor=tensor, pipeline=pipeline, expert=tensor))
    return tuple(found)


def node_gpus(gpu: Gpu) -> int:
    """GPUs of one server at most: one for superchips, which are servers of their own."""
    if gpu.link is None and "superchip" in gpu.form_factor:
        return 1
    return CONSUMER_NODE_GPUS if gpu.tier == "consumer" else NODE_GPUS


def engine_limits(engine: EngineConfig, sequence_tokens: int) -> Iterator[EngineConfig]:
    """The engine with each pair of batch limits that is tried."""
    if engine.policy == "slots":
        for slots in dict.fromkeys((engine.max_num_seqs, *SLOTS)):
            yield replace(engine, max_num_seqs=slots, context_tokens=slots * sequence_tokens)
        return
    for tokens in dict.fromkeys((engine.max_num_batched_tokens, *STEP_TOKENS)):
        for sequences in dict.fromkeys((engine.max_num_seqs, *SEQUENCES)):
            if sequences <= tokens:
                yield replace(engine, max_num_batched_tokens=tokens, max_num_seqs=sequences)


def _deployments(search: Search, gpu: Gpu, form: Format, name: str) -> Iterator[Deployment]:
    for plan in parallelisms(search.model, gpu):
        engine = find_engine(name, gpu=gpu, gpus=plan.gpus)
        for limited in engine_limits(engine, search.sequence_tokens):
            yield _deployment(search, gpu, plan, form, limited)


def _deployment(
    search: Search, gpu: Gpu, plan: Parallelism, form: Format, engine: EngineConfig
) -> Deployment:
    topology = search.topology if plan.gpus > 1 and search.topology in topologies_of(gpu) else None
    return Deployment(
        model=search.model,
        node=Node(gpu=gpu, gpus=plan.gpus, peer_to_peer=gpu.peer_to_peer, topology=topology),
        dtype=form.dtype,
        kv_dtype=form.kv_dtype,
        parallelism=plan,
        engine=engine,
    )


def _does_not_fit(deployment: Deployment, budget: MemoryBudget) -> Rejection:
    missing = budget.missing_bytes or 0.0
    gpus = deployment.parallelism.gpus
    each = " on each GPU" if gpus > 1 else ""
    return Rejection(
        deployment=deployment,
        reason="does_not_fit",
        detail=f"{_gib(missing)} missing{each}, of {_gib(budget.usable_bytes)}",
        excess_ratio=missing / budget.usable_bytes,
    )


def _gib(size_bytes: float) -> str:
    """GiB, below a tenth MiB."""
    return f"{size_bytes / GIB:,.1f} GiB" if size_bytes >= GIB / 10 else f"{size_bytes / MIB:,.0f} MiB"
