"""`report`: one page from one or more runs, predicted hollow and measured filled."""

from __future__ import annotations

from pathlib import Path

from servemark.api.listing import DEFAULT_RUNS
from servemark.domain.run import Run
from servemark.reports.page import Report
from servemark.reports.sections import compose
from servemark.reports.writing import check_output, write_report
from servemark.stats.summary import summarise
from servemark.store.folders import load_run


def report(
    *references: str | Run, output: Path | None = None, title: str | None = None, runs: Path = DEFAULT_RUNS
) -> Report:
    """Lay runs over each other on one page.

    Args:
        references: runs by number, id, folder or `last`; in Python also Run objects.
        output: write it to this file, .html or .md.
        title: headline (default: what was deployed).
        runs: folder that keeps the runs.

    Raises:
        InputError: no run given, or a file name without a known ending.
        StoreError: no such run.
    """
    if output is not None:
        check_output(Path(output))
    loaded = [
        load_run(Path(runs), r, summarise=summarise) if isinstance(r, str) else r
        for r in references or ("last",)
    ]
    composed = compose(loaded, title=title)
    if output is not None:
        write_report(composed, Path(output))
    return composed
