"""`report`: one page from one or more runs, predicted hollow and measured filled."""

from __future__ import annotations

from pathlib import Path

import msgspec

from servemark.api.listing import DEFAULT_RUNS
from servemark.capacity.answer import capacity_of
from servemark.diagnosis.causes import diagnose
from servemark.domain.run import Run
from servemark.errors import InputError
from servemark.measurement.judgements import judged
from servemark.reports.page import Report
from servemark.reports.sections import compose
from servemark.reports.writing import check_output, write_report
from servemark.stats.summary import summarise
from servemark.stats.verdicts import judge
from servemark.store.folders import load_run


def report(
    *references: str | int | Path | Run,
    output: Path | None = None,
    title: str | None = None,
    runs: Path = DEFAULT_RUNS,
) -> Report:
    """Lay runs over each other on one page.

    Args:
        references: runs by number, id, folder or `last` (the default); in Python also Run objects.
        output: write it to this file, .html or .md.
        title: headline (default: what was deployed).
        runs: folder that keeps the runs.

    Raises:
        InputError: a file name without a known ending, or a file that cannot be written.
        StoreError: no such run.
    """
    if output is not None:
        check_output(Path(output))
    loaded = [loaded_run(Path(runs), each) for each in references or ("last",)]
    composed = compose(loaded, title=title)
    if output is not None:
        write_report(composed, Path(output))
    return composed


def loaded_run(runs: Path, reference: str | int | Path | Run) -> Run:
    """The run itself, or a stored one; what a crash cut short is summarised and judged from its rows."""
    if isinstance(reference, Run):
        return reference
    if not isinstance(reference, (str, int, Path)):
        raise InputError("run", expected="a Run, or a number, id or folder", found=type(reference).__name__)
    run = load_run(runs, str(reference), summarise=summarise)
    if run.items and run.quality is None:
        run = judged(run)
        return msgspec.structs.replace(run, findings=diagnose(run))
    if not run.slos or all(level.verdict for level in run.levels):
        return run
    levels = tuple(level if level.verdict else judge(level, run.slos) for level in run.levels)
    return msgspec.structs.replace(run, levels=levels, capacity=capacity_of(levels))
