"""The whole error table of a measured table: rows in, errors under each protocol out."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from servemark.calibration.ambiguity import contradictions, noise_floor
from servemark.calibration.fitting import fitted
from servemark.calibration.leaving_out import GroupKey, group_key, unseen_coefficients
from servemark.calibration.predictions import Case, cases_of, scored_rows
from servemark.calibration.recalibration import recalibrated
from servemark.calibration.scores import error_table
from servemark.catalogue.coefficients import find_coefficients
from servemark.domain.coefficients import Coefficients
from servemark.domain.model import ModelArch
from servemark.domain.score import Accuracy, MeasuredRow, Protocol, ScoredRow, Unpredicted

FULL: tuple[Protocol, ...] = ("in_sample", "unseen_curve", "unseen_model", "unseen_gpu", "unseen_version")
"""What the shipped rows are scored under; only the first needs no refit."""


def assessed(
    rows: Sequence[MeasuredRow],
    *,
    data: str,
    protocols: Sequence[Protocol],
    by: Sequence[str],
    find_model: Callable[[str], ModelArch] | None = None,
    recalibrate: int | None = None,
    say: Callable[[str], None],
) -> Accuracy:
    """Every row predicted, or listed with the reason why not.

    Args:
        rows: of one table.
        data: what the table is called.
        protocols: `shipped` or `in_sample` (the shipped coefficients), or refits without the row's
            model, GPU or engine version.
        by: what errors are grouped by.
        find_model: looks up model names.
        recalibrate: points of each curve that recalibrate, in place of the protocols.
        say: told what is being done.
    """
    found = contradictions(rows)
    ambiguous = {id(row) for each in found for row in each.rows}
    cases, refused = cases_of([row for row in rows if id(row) not in ambiguous], find_model)
    say(f"{len(rows)} rows: {len(cases)} predicted, {len(refused)} not, {len(ambiguous)} ambiguous")
    shipped = shipped_coefficients(cases)
    results: dict[Protocol, list[ScoredRow | Unpredicted]] = {}
    notes: tuple[str, ...] = ()
    if recalibrate is not None:
        outcome = recalibrated(cases, shipped, points=recalibrate, say=say)
        results["recalibrated"], notes = [*outcome.after, *refused], outcome.notes
        results["shipped"] = [*outcome.before]
    else:
        for protocol in protocols:
            coefficients = _coefficients(protocol, cases, shipped, say)
            say(f"{protocol}: predicting {len(cases)} rows")
            results[protocol] = [*scored_rows(cases, coefficients), *refused]
    first = next(iter(results.values()))
    return Accuracy(
        data=data,
        rows=len(rows),
        tables=tuple(error_table(protocol, each, by) for protocol, each in results.items()),
        noise=noise_floor(rows),
        contradictions=found,
        unpredicted=tuple(each for each in first if isinstance(each, Unpredicted)),
        scored=tuple(each for each in first if isinstance(each, ScoredRow)),
        notes=notes,
    )


def shipped_coefficients(cases: Sequence[Case]) -> list[Coefficients]:
    """For each row the coefficients in the package; rows of one deployment share the record."""
    found: dict[GroupKey, Coefficients] = {}
    for key, deployment in ((group_key(case.observation), case.observation.deployment) for case in cases):
        if key not in found:
            _, dtype, engine, version, model = key
            found[key] = find_coefficients(
                deployment.node.gpu, dtype=dtype, engine=engine, version=version, model=model
            )
    return [found[group_key(case.observation)] for case in cases]


def _coefficients(
    protocol: Protocol, cases: Sequence[Case], shipped: list[Coefficients], say: Callable[[str], None]
) -> list[Coefficients]:
    if protocol in ("shipped", "in_sample"):
        return shipped
    say(f"{protocol}: fitting all rows")
    whole = fitted([case.observation for case in cases])
    return unseen_coefficients(cases, whole, protocol, say=say)
