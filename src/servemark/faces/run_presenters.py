"""The verbs that answer with runs, or with a page made of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rich.console import Console

from servemark.domain.run import Level, Run
from servemark.faces.cli import INTERRUPTED
from servemark.faces.documents import load_number, run_document
from servemark.faces.invocation import required_load
from servemark.faces.presenter import Presenter
from servemark.reports.page import Report
from servemark.reports.sections import compose
from servemark.reports.terminal import render_terminal
from servemark.reports.writing import check_output, write_report

BROKEN = 3


def _show_run(run: Run, console: Console) -> None:
    render_terminal(compose([run]), console)


def _write_run(run: Run, path: Path) -> None:
    write_report(compose([run]), path)


def _run_code(run: Run, require: str | None) -> int:
    """3 where every level (or the required one) breaks a promise."""
    if not run.provenance.finished:
        return INTERRUPTED
    if require is not None:
        return 0 if _word(_required_level(run, require)) == "holds" else BROKEN
    words = [_word(level) for level in run.levels]
    return BROKEN if words and all(word == "breaks" for word in words) else 0


def _required_level(run: Run, require: str) -> Level:
    if len(run.levels) == 1 and require == run.workload.profile:
        return run.levels[0]
    numbers = [load_number(level.load) for level in run.levels]
    return run.levels[numbers.index(required_load(require, numbers))]


def _word(level: Level) -> str | None:
    return level.verdict.word if level.verdict else None


def _report_document(report: Report) -> dict[str, Any]:
    return {
        "schema": "servemark.report/1",
        "title": report.title,
        "answers": [answer.sentence for answer in report.answers],
        "runs": [run.id for run in report.runs],
    }


def _demo_document(result: Any) -> dict[str, Any]:
    return {
        "schema": "servemark.demo/1",
        "report": str(result.path),
        "elapsed_s": result.elapsed_s,
        "runs": [run_document(run) for run in result.runs],
    }


def _show_demo(result: Any, console: Console) -> None:
    render_terminal(compose(result.runs), console)
    console.print(f"report: {result.path}", soft_wrap=True)


def _demo_code(result: Any, require: str | None) -> int:
    return 0 if all(run.provenance.finished for run in result.runs) else INTERRUPTED


RUN = Presenter(run_document, _show_run, _run_code, check_output, _write_run)
"""Of a verb that answers with a run."""
PRESENTERS = {
    "predict": RUN,
    "simulate": RUN,
    "report": Presenter(_report_document, render_terminal, check_output=check_output),
    "demo": Presenter(_demo_document, _show_demo, _demo_code, check_output),
}
