"""The joint fit: many observations -> coefficients of every (GPU, dtype, engine, version).

Efficiencies are fitted by their logit, so that none exceeds its data sheet, everything else by its logarithm.
Each is a sum of effects (`servemark.calibration.hierarchy`): a mean with a physical prior; the GPU's
architecture, its kind of memory, how its GPUs are joined, the GPU itself; the dtype; the engine and its
generation; (GPU, dtype, engine); the engine's version. Beside them, only on the whole step time
(`time_ratio`): how well the kernels of a model's shapes do, in general, on an engine, and on a GPU.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

from servemark.calibration.hierarchy import (
    Array,
    Design,
    Effect,
    PartialPosteriors,
    Posterior,
    Rows,
    Start,
    design,
    fit,
)
from servemark.calibration.observations import ForwardModel, Observation
from servemark.catalogue.coefficients import SAME_RATE, Group, Nearness, group_levels, model_levels
from servemark.domain.coefficients import Coefficients, Fitted
from servemark.domain.gpu import Gpu
from servemark.domain.model import ModelArch
from servemark.physics.step import CoefficientValues

FIELDS = (*CoefficientValues._fields[:-1], "request_overhead_s", "time_ratio")
"""What a step costs, what a request costs beside its steps, and last how well a model's kernels do."""
PRIORS: dict[str, tuple[float, float]] = {
    "compute_efficiency": (0.65, 0.25),
    "memory_efficiency": (0.75, 0.2),
    "kv_efficiency": (0.6, 0.35),
    "attention_efficiency": (0.5, 0.4),
    "link_efficiency": (0.6, 0.5),
    "collective_latency_s": (1.5e-5, 1.0),
    "layer_overhead_s": (1e-5, 1.5),
    "token_overhead_s": (2e-7, 1.5),
    "sequence_overhead_s": (4e-6, 1.5),
    "step_overhead_s": (5e-4, 1.5),
    "expert_efficiency": (0.5, 0.3),
    "expert_overhead_s": (1e-5, 1.5),
    "decode_attention_efficiency": (0.2, 0.8),
    "prompt_overhead_s": (3e-4, 1.8),
    "power_drop": (0.1, 1.2),
    "request_overhead_s": (0.03, 1.0),
    "time_ratio": (1.0, 1e-4),
}
"""Value in general, and its relative error (efficiencies) or log width. Published op tables show GEMMs at 53 to
80 % of peak FLOP/s and 62 to 86 % of peak bandwidth (aiconfigurator 0.12.0); BLIS reports overheads of 126 us a
step, 32 us a layer, 4 us a sequence, and up to 16 ms a request, to which whole servers add."""
RATIO = np.array([field.endswith("_efficiency") for field in FIELDS])
WIDTHS: dict[str, float] = {
    "architecture": 0.5, "memory": 0.5, "joined": 0.5, "gpu": 0.4, "dtype": 0.5, "engine": 0.5,
    "generation": 0.5, "group": 0.3, "version": 0.4,
}  # fmt: skip
"""Assumed width of each effect, relative to `SCALES`; the fit estimates them anew."""
SCALES = np.where(RATIO, 0.4, 0.6)
MODEL_WIDTHS: dict[str, float] = {
    "group": 0.03, "version": 0.04, "model": 0.05, "model-engine": 0.06, "model-group": 0.04,
}  # fmt: skip
"""Widths of the effects on the step time as a whole; kept as they are."""
HOST = ("step_overhead_s", "sequence_overhead_s", "prompt_overhead_s", "request_overhead_s")
LINK = ("link_efficiency", "collective_latency_s")
ONLY: dict[str, tuple[str, ...]] = {
    "memory": ("power_drop", "compute_efficiency", "memory_efficiency"),
    "joined": LINK,
    "architecture": tuple(f for f in FIELDS if f not in HOST),
    "dtype": tuple(f for f in FIELDS if f not in (*HOST, *LINK)),
}
"""Effects that concern some fields only: what the host does knows no dtype and no architecture, and links carry
16 bits whatever the weights are."""
FIRST_NOISE, FIRST_WAIT_NOISE = 0.08, 0.5
"""Of speeds, and of TTFT under load: what lies far off at the start must not count as broken."""
PROMPT_WIDTH = 0.5
"""Of a model's effects on what its prompts cost the host, in and beside the steps: experts and latent attention
launch many kernels."""
MOST_USERS, MOST_PER_S = 64, 8.0
"""Loads up to which TTFT teaches: beyond them queues decide it."""
BROKEN = 8.0
"""A TTFT so many times the typical one is no serving: kernels were compiled during the run."""


class Cell(NamedTuple):
    """What observations share: a group, and a model."""

    group: Group
    model: str


class Fit:
    """A fitted hierarchy; `coefficients` reads any group out of it, measured or not."""

    def __init__(
        self,
        posterior: Posterior,
        cells: Sequence[Cell],
        observations: Sequence[Observation],
    ) -> None:
        """`observations` are those that taught it."""
        self.taught = tuple(observations)
        self.posterior = posterior
        self.cells = tuple(cells)
        self.kinds = noise_kinds(observations)
        self._models: dict[Group, set[str]] = {}
        for cell in self.cells:
            self._models.setdefault(same_rate(cell.group), set()).add(cell.model)
        self._rows = Counter(same_rate(group_of(o)) for o in observations)
        self._found: dict[tuple[Group, str], Coefficients] = {}
        self._shapes = {o.deployment.model.key: model_shape(o.deployment.model) for o in observations}
        self._columns: dict[tuple[str, str], dict[int, int]] = {}
        self._widths: dict[tuple[str, int], float] = {}
        for i, (effect, level, k) in enumerate(posterior.design.columns):
            self._columns.setdefault((effect, level), {})[k] = i
            self._widths[effect, k] = float(posterior.widths[i])
        self._effects = tuple(dict.fromkeys(effect for effect, _, _ in posterior.design.columns))

    def coefficients(
        self,
        gpu: Gpu,
        *,
        dtype: str,
        engine: str,
        version: str | None = None,
        model: str | None = None,
    ) -> Coefficients:
        """Like `catalogue.find_coefficients`, of this fit. `model` adds the effect of a known model."""
        group = Group(gpu.key, dtype, engine, version)
        mean, covariance = self.parameters(gpu, group, model)
        return coefficients_of(mean, covariance, group, rows=self.rows(group))

    def coefficients_for(self, each: Observation) -> Coefficients:
        """Those of an observation's group and model; one record for each."""
        group, deployed = group_of(each), each.deployment
        key = group, model_shape(deployed.model)
        if key not in self._found:
            self._found[key] = self.coefficients(
                deployed.node.gpu,
                dtype=group.dtype,
                engine=group.engine,
                version=group.version,
                model=key[1],
            )
        return self._found[key]

    def parameters(self, gpu: Gpu, group: Group, model: str | None = None) -> tuple[Array, Array]:
        """Mean and covariance of the fitted parameters, shapes (K,) and (K, K)."""
        levels = {"mean": "*", **group_levels(gpu, group)}
        if model is not None:
            levels |= model_levels(group, self._shapes.get(model, model))
        count = len(FIELDS)
        mean, known, field = np.zeros(count), list[int](), list[int]()
        missing = np.zeros(count)
        for effect in self._effects:
            columns = self._columns.get((effect, levels.get(effect, "")), {})
            for k in range(count):
                if k in columns:
                    known.append(columns[k])
                    field.append(k)
                else:
                    missing[k] += self._widths.get((effect, k), 0.0) ** 2
        np.add.at(mean, field, self.posterior.unknowns[known])
        covariance = np.diag(missing)
        np.add.at(covariance, np.ix_(field, field), self.posterior.covariance[np.ix_(known, known)])
        return mean, covariance

    def nearness(self, each: Observation) -> Nearness:
        """How near to it a measurement taught the fit."""
        group, model = same_rate(group_of(each)), model_shape(each.deployment.model)
        own = self._models.get(group, ())
        return "known model" if model in own else "known group" if own else "inherited"

    def rows(self, group: Group) -> int:
        """Observations of one group; of all versions where it has none."""
        if group.version is not None:
            return self._rows[same_rate(group)]
        kind = same_rate(group)[:3]
        return sum(count for known, count in self._rows.items() if known[:3] == kind)


def fitted(observations: Sequence[Observation]) -> Fit:
    """Fit the hierarchy to the observations (robust MAP in log space).

    Args:
        observations: any number. What teaches: throughput, TPOT, the TTFT of a static batch, and mean TTFT
            where few wait; rows that predict to NaN are ignored, and a value repeated counts once.
    """
    taught = teaching(observations)
    cells, layout = layout_of(taught)
    rows = rows_of(taught, cells)
    return Fit(fit(layout, rows, _fresh(layout, taught)), cells, taught)


class PartialFits:
    """Fits of one set of observations without some of them, a second each."""

    def __init__(self, whole: Fit) -> None:
        """`whole` is the fit of all."""
        self._whole = whole
        self._partial = PartialPosteriors(whole.posterior, rows_of(whole.taught, whole.cells))

    def without(self, outside: Callable[[Observation], bool]) -> Fit:
        """The fit without the observations that are `outside`; widths and noise are kept."""
        left = np.array([outside(o) for o in self._whole.taught])
        kept = [o for o, out in zip(self._whole.taught, left, strict=True) if not out]
        return Fit(self._partial.without(left), sorted({cell_of(o) for o in kept}, key=str), kept)


def teaching(observations: Iterable[Observation]) -> list[Observation]:
    """The observations that a fit learns from, each measurement once."""
    once: dict[tuple[object, ...], Observation] = {}
    for each in (o for o in observations if o.statistic == "mean" and _teaches(o)):
        deployed = each.deployment
        setting = (
            each.source, deployed.node.gpu.key, deployed.dtype, deployed.engine.name, model_shape(deployed.model),
            deployed.parallelism, each.kind, each.sequences, each.rate_per_s, each.input_tokens,
            each.output_tokens, each.metric, each.counted, f"{each.value:.3g}",
        )  # fmt: skip
        known = once.get(setting)
        # of a value listed under several versions the one that states its engine's
        if known is None or (known.deployment.engine.version == "inferencex"):
            once[setting] = each
    unique = list(once.values())
    typical = np.array([[PRIORS[field][0]] * len(unique) for field in FIELDS])
    values = ForwardModel(unique).values(*_split(typical))
    return [
        each for each, value in zip(unique, values, strict=True) if value > 0 and not _broken(each, value)
    ]


def _teaches(each: Observation) -> bool:
    if each.kind == "static" or each.metric in ("throughput", "tpot"):
        return each.kind != "open"
    few = each.kind == "closed" and each.sequences <= MOST_USERS
    return each.metric == "ttft" and (few or (each.kind == "open" and each.rate_per_s <= MOST_PER_S))


def _broken(each: Observation, typical: float) -> bool:
    return each.metric == "ttft" and each.kind != "static" and each.value > BROKEN * typical


def layout_of(observations: Sequence[Observation]) -> tuple[list[Cell], Design]:
    """Cells of the observations, and the effects that make up their parameters."""
    gpus = {o.deployment.node.gpu.key: o.deployment.node.gpu for o in observations}
    cells = sorted({cell_of(o) for o in observations}, key=str)
    levels = [{**group_levels(gpus[c.group.gpu], c.group), **model_levels(c.group, c.model)} for c in cells]
    names = dict.fromkeys(name for each in levels for name in each)
    effects = [Effect(name, tuple(each.get(name) for each in levels), _widths(name)) for name in names]
    return cells, design(effects, *_prior(), kept=len(FIELDS) - 1)


def rows_of(observations: Sequence[Observation], cells: Sequence[Cell]) -> Rows:
    """The measurements in log space."""
    place = {cell: i for i, cell in enumerate(cells)}
    model = ForwardModel(observations)
    kinds = noise_kinds(observations)

    def forward(parameters: Array) -> Array:
        return np.log(model.values(*_split(natural(parameters).T)))

    return Rows(
        forward,
        np.log([o.value for o in observations]),
        np.array([place[cell_of(o)] for o in observations]),
        np.array([kinds.index(_noise_kind(o)) for o in observations]),
    )


def _split(fields: Array) -> tuple[CoefficientValues, Array]:
    """What steps depend on, and the overhead of a request; `fields` has shape (FIELDS, observations)."""
    *steps, overhead, ratio = fields
    return CoefficientValues._make((*steps, ratio)), overhead


def natural(parameters: Array) -> Array:
    """Logits and logarithms -> values, shape (..., K)."""
    bounded = np.clip(parameters, -40, 40)
    return np.where(RATIO, 1 / (1 + np.exp(-bounded)), np.exp(bounded))


def coefficients_of(mean: Array, covariance: Array, group: Group, *, rows: int) -> Coefficients:
    """The record of one group: values, relative errors, correlations of what a step depends on."""
    values = natural(mean)
    deviation = np.sqrt(np.diag(covariance))
    errors = deviation * np.where(RATIO, 1 - values, 1.0)
    steps = [FIELDS.index(field) for field in CoefficientValues._fields]
    scaled = (covariance / np.outer(deviation, deviation))[np.ix_(steps, steps)]
    named: dict[str, Any] = {
        field: Fitted(value=float(v), relative_error=float(e))
        for field, v, e in zip(FIELDS, values, errors, strict=True)
    }
    return Coefficients(
        gpu=group.gpu,
        dtype=group.dtype,
        engine=group.engine,
        engine_version=group.version,
        **named,
        correlations=tuple(tuple(float(x) for x in row) for row in scaled),
        rows=rows,
        inherited_from=None if rows else "its architecture, dtype and engine",
    )


def same_rate(group: Group) -> Group:
    """The group under the name of its dtype that all formats of one rate share."""
    return group._replace(dtype=SAME_RATE.get(group.dtype, group.dtype))


def group_of(observation: Observation) -> Group:
    """The group of an observation."""
    deployed = observation.deployment
    return Group(deployed.node.gpu.key, deployed.dtype, deployed.engine.name, deployed.engine.version)


def cell_of(observation: Observation) -> Cell:
    """The cell of an observation."""
    return Cell(group_of(observation), model_shape(observation.deployment.model))


def noise_kinds(observations: Iterable[Observation]) -> list[tuple[str, str, str]]:
    """Source, kind and metric: rows that are equally exact."""
    return sorted({_noise_kind(o) for o in observations})


def _noise_kind(observation: Observation) -> tuple[str, str, str]:
    return observation.source, observation.kind, observation.metric


def model_shape(model: ModelArch) -> str:
    """Models of one shape are one model to a kernel."""
    return f"{model.hidden}x{model.layers}x{model.vocab}x{model.active_params}"


def _widths(effect: str) -> Array:
    only = ONLY.get(effect, FIELDS)
    assumed = np.where([field in only for field in FIELDS], WIDTHS.get(effect, 0.0) * SCALES, 0.0)
    if effect.startswith("model"):
        assumed[[FIELDS.index("prompt_overhead_s"), FIELDS.index("request_overhead_s")]] = PROMPT_WIDTH
    assumed[-1] = MODEL_WIDTHS.get(effect, 0.0)
    return assumed


def _prior() -> tuple[Array, Array]:
    """Mean and width of the overall parameters."""
    value, error = np.array([PRIORS[field] for field in FIELDS]).T
    centre = np.log(value / np.where(RATIO, 1 - value, 1.0))
    return centre, error / np.where(RATIO, 1 - value, 1.0)


def _fresh(layout: Design, taught: Sequence[Observation]) -> Start:
    waits = [kind != "static" and metric == "ttft" for _, kind, metric in noise_kinds(taught)]
    return Start(layout.mean.copy(), layout.assumed.copy(), np.where(waits, FIRST_WAIT_NOISE, FIRST_NOISE))
