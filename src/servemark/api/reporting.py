"""`report`: one page from one or more runs, predicted hollow and measured filled."""

from __future__ import annotations

from pathlib import Path

import msgspec

from servemark.api.listing import DEFAULT_RUNS
from servemark.capacity.answer import capacity_of
from servemark.domain.run import Run
from servemark.errors import InputError
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
    loaded = [r if isinstance(r, Run) else _stored(Path(runs), str(r)) for r in references or ("last",)]
    composed = compose(loaded, title=title)
    if output is not None:
        written(composed, Path(output))
    return composed


def written(page: Report, path: Path) -> Path:
    """Write a page to a file.

    Raises:
        InputError: the file cannot be written.
    """
    try:
        return write_report(page, path)
    except OSError as error:
        raise InputError(
            "output", expected="a file that can be written", found=f"{path} ({error.strerror})"
        ) from None


def _stored(runs: Path, reference: str) -> Run:
    """A stored run; the level that a crash cut short is summarised and judged from its rows."""
    run = load_run(runs, reference, summarise=summarise)
    if not run.slos or all(level.verdict for level in run.levels):
        return run
    levels = tuple(level if level.verdict else judge(level, run.slos) for level in run.levels)
    return msgspec.structs.replace(run, levels=levels, capacity=capacity_of(levels))
