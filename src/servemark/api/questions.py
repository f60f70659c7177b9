"""What `predict` and `simulate` share: the question they answer, and the run they make of it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, NamedTuple

from msgspec.structs import replace

from servemark.api.calibration_files import calibration_notes
from servemark.api.fitting import check_context, check_step
from servemark.capacity.answer import capacity_of
from servemark.capacity.bands import Scaled, Tried, capacity_band, level_decodes, log_errors, with_band
from servemark.domain.capacity import Capacity
from servemark.domain.coefficients import Coefficients
from servemark.domain.deployment import Deployment
from servemark.domain.lengths import mean_tokens
from servemark.domain.memory import MemoryBudget
from servemark.domain.run import Level, Run
from servemark.domain.workload import Slo, Workload, load_value
from servemark.physics.bands import extrapolations
from servemark.physics.limits import not_modelled
from servemark.physics.memory import require_fit
from servemark.stats.verdicts import judge
from servemark.store.folders import create_run
from servemark.store.provenance import provenance_now


class Question(NamedTuple):
    """A deployment that fits, and what is asked of it."""

    deployment: Deployment
    workload: Workload
    slos: tuple[Slo, ...]
    budget: MemoryBudget
    coefficients: Coefficients


def predicted_run(
    question: Question,
    method: Literal["closed form", "simulation"],
    levels: Sequence[Level],
    scaled: Scaled | None,
    *,
    seed: int,
    runs: Path | None,
    command: str,
    notes: Sequence[str] = (),
) -> Run:
    """The run of levels, with bands and verdicts; kept under the next number when a folder is given.

    Args:
        question: what was asked.
        method: how it was answered.
        levels: in the order of the loads, not yet judged.
        scaled: the same loads, and others, with every time of the engine multiplied; None where the levels
            have their bands, and the capacity gets none.
        seed: of the simulation.
        runs: folder that keeps the run.
        command: command line to record.
        notes: remarks.
    """
    if scaled is None:
        judged = tuple(judge(level, question.slos) for level in levels)
        capacity = capacity_of(judged) if question.slos else None
    else:
        judged, capacity = _with_bands(question, levels, scaled)
    run = Run(
        origin="predicted",
        method=method,
        title=question.deployment.title,
        deployment=question.deployment,
        workload=question.workload,
        slos=question.slos,
        memory=question.budget,
        coefficients=question.coefficients,
        levels=judged,
        capacity=capacity,
        provenance=provenance_now(seed, command),
        extrapolations=_extrapolations(question, judged),
        notes=(
            *calibration_notes(question.coefficients),
            *notes,
            *not_modelled(question.deployment),
        ),
    )
    return run if runs is None else _kept(run, Path(runs))


def _with_bands(
    question: Question, levels: Sequence[Level], scaled: Scaled
) -> tuple[tuple[Level, ...], Capacity | None]:
    """The levels with bands and verdicts, and the capacity with its band."""
    judged: list[Level] = []
    tested: list[Tried] = []
    for level in levels:
        errors = log_errors(question.deployment, question.coefficients, question.workload, level)
        banded, ends = with_band(level, errors, scaled)
        judged.append(judge(banded, question.slos))
        tested.append(Tried(level.load, errors, ends))
    if not question.slos:
        return tuple(judged), None
    capacity = capacity_of(judged)
    band = capacity_band(tested, question.slos, scaled)
    if band is not None and capacity.load is not None:
        held = load_value(capacity.load)
        band = min(band[0], held), max(band[1], held)
    return tuple(judged), replace(capacity, band=band)


def _extrapolations(question: Question, levels: Sequence[Level]) -> tuple[str, ...]:
    """What lies outside the fitted range at the largest batch of any level, and at a whole sequence."""
    workload, replicas = question.workload, question.deployment.replicas
    batches = [level_decodes(workload, level) / replicas for level in levels]
    return extrapolations(
        question.deployment,
        question.coefficients,
        decodes=max(batches, default=0.0),
        context_tokens=mean_tokens(workload.input) + mean_tokens(workload.output),
    )


def _kept(run: Run, runs: Path) -> Run:
    """The run, stored under the next number."""
    writer = create_run(runs, run)
    for index, level in enumerate(run.levels):
        for record in level.requests:
            writer.request(index, record)
        for step in level.steps:
            writer.step(index, step)
    path = writer.finish(run)
    problem = (writer.problem,) if writer.problem else ()
    return replace(run, id=path.name, notes=(*run.notes, *problem))


def fitting_budget(deployment: Deployment, workload: Workload) -> MemoryBudget:
    """The budget of a deployment that holds at least one sequence of the workload's mean length.

    Raises:
        InputError: the sequence is longer than the model's context, or than a step takes.
        DoesNotFit: the weights and one sequence do not fit.
    """
    prompt, answer = mean_tokens(workload.input), mean_tokens(workload.output)
    tokens = math.ceil(prompt + answer)
    check_context(deployment, tokens)
    check_step(deployment, prompt, answer)
    return require_fit(deployment, sequence_tokens=tokens)
