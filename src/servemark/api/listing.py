"""`gpus`, `models`, `runs`: what there is."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from servemark.catalogue.architectures import find_model, model_catalogue
from servemark.catalogue.gpu_types import find_gpu_types, gpu_catalogue
from servemark.domain.gpu import Gpu
from servemark.domain.model import ModelArch
from servemark.errors import UnknownName, fold_name
from servemark.store.folders import RunEntry, list_runs
from servemark.units import parse

DEFAULT_RUNS = Path("servemark-runs")


def gpus(
    names: str | Sequence[str] | None = None,
    /,
    *,
    tier: str | None = None,
    architecture: str | None = None,
    min_memory: str | float | None = None,
) -> tuple[Gpu, ...]:
    """List GPUs, every figure with its source and date.

    Args:
        names: only these, e.g. l40s,h100 (a family name gives all its members).
        tier: only one of data-centre, professional, consumer.
        architecture: only this one, e.g. Ada or Hopper.
        min_memory: at least so much memory, e.g. 40GB.

    Raises:
        InputError: an unknown name or an impossible quantity.
    """
    found = find_gpu_types(_names(names), path="gpus") if names else tuple(gpu_catalogue().values())
    if tier is not None:
        tier = _one_of("tier", tier, sorted({g.tier for g in gpu_catalogue().values()}))
        found = tuple(g for g in found if g.tier == tier)
    if architecture is not None:
        architecture = _one_of(
            "architecture", architecture, sorted({g.architecture for g in gpu_catalogue().values()})
        )
        found = tuple(g for g in found if g.architecture == architecture)
    least = 0.0 if min_memory is None else parse(min_memory, "bytes", path="min_memory")
    return tuple(g for g in found if g.memory_nominal_bytes >= least)


def models(
    names: str | Sequence[str] | None = None,
    /,
    *,
    kind: str | None = None,
    max_params: str | float | None = None,
) -> tuple[ModelArch, ...]:
    """List models, with parameter counts computed from the architecture.

    Args:
        names: only these, e.g. llama-3.1-8b; or the path of a config.json.
        kind: only one of decoder, encoder, dense, moe, mla.
        max_params: at most so many parameters, e.g. 14B.

    Raises:
        InputError: an unknown name or an impossible quantity.
    """
    found = (
        tuple(find_model(n, path="models") for n in _names(names))
        if names
        else tuple(model_catalogue().values())
    )
    if kind is not None:
        kind = _one_of("kind", kind, ("decoder", "encoder", "dense", "moe", "mla"))
        found = tuple(
            m for m in found if kind in (m.kind, m.feedforward_kind, *m.attention_kind.split("+"))
        )
    most = float("inf") if max_params is None else parse(max_params, "tokens", path="max_params")
    return tuple(m for m in found if m.checkpoint_params <= most)


def runs(*, runs: Path = DEFAULT_RUNS) -> tuple[RunEntry, ...]:
    """List the runs that are kept, oldest first.

    Args:
        runs: folder that keeps them.
    """
    return list_runs(Path(runs))


def _names(names: str | Sequence[str]) -> list[str]:
    parts = names.split(",") if isinstance(names, str) else names
    return [name for name in (str(part).strip() for part in parts) if name]


def _one_of(path: str, value: str, known: tuple[str, ...] | list[str]) -> str:
    for each in known:
        if fold_name(each) == fold_name(value):
            return each
    raise UnknownName(path, kind=f"one of {', '.join(known)}", name=value, known=known)
