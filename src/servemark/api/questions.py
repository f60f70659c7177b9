"""What `predict` and `simulate` share: the question they answer, and the run they make of it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, NamedTuple

from msgspec.structs import replace

from servemark.api.fitting import check_context
from servemark.capacity.answer import capacity_of
from servemark.domain.coefficients import Coefficients
from servemark.domain.deployment import Deployment
from servemark.domain.lengths import mean_tokens
from servemark.domain.memory import MemoryBudget
from servemark.domain.run import Level, Run
from servemark.domain.workload import Slo, Workload
from servemark.physics.memory import require_fit
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
    *,
    seed: int,
    runs: Path | None,
    command: str,
    notes: Sequence[str] = (),
) -> Run:
    """The run of judged levels, kept under the next number when a folder is given."""
    run = Run(
        origin="predicted",
        method=method,
        title=question.deployment.title,
        deployment=question.deployment,
        workload=question.workload,
        slos=question.slos,
        memory=question.budget,
        coefficients=question.coefficients,
        levels=tuple(levels),
        capacity=capacity_of(levels) if question.slos else None,
        provenance=provenance_now(seed, command),
        notes=tuple(notes),
    )
    return run if runs is None else _kept(run, Path(runs))


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
        InputError: the sequence is longer than the model's context.
        DoesNotFit: the weights and one sequence do not fit.
    """
    tokens = math.ceil(mean_tokens(workload.input) + mean_tokens(workload.output))
    check_context(deployment, tokens)
    return require_fit(deployment, sequence_tokens=tokens)
