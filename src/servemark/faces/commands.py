"""Carry out one command: bind, call, present; the exit code says whether the promises held."""

from __future__ import annotations

import inspect
import shlex
import signal
import sys
import threading
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

from rich.console import Console

from servemark.api.deployments import family_taken
from servemark.domain.run import Level, Run
from servemark.errors import InputError
from servemark.faces.cli import INTERRUPTED
from servemark.faces.documents import (
    encode,
    fit_document,
    gpus_document,
    load_number,
    models_document,
    run_document,
    runs_document,
)
from servemark.faces.invocation import REPORTING, Asked, bind, required_load, split_common
from servemark.faces.live import LiveLine
from servemark.reports.cards import entry_table, fit_table, gpu_table, model_table
from servemark.reports.page import Report, Table
from servemark.reports.redaction import hide_secrets
from servemark.reports.sections import compose
from servemark.reports.terminal import print_table, render_terminal
from servemark.reports.writing import check_output, write_report

DEPLOYING = ("fit", "predict", "simulate", "twin")


def carry_out(name: str, verb: Callable[..., Any], arguments: list[str], *, as_json: bool) -> int:
    """Run a verb from its arguments; the exit code.

    Raises:
        InputError: the arguments do not fit the verb.
    """
    # a shell script starts its background jobs deaf to SIGINT; here it always means: report and stop
    signal.signal(signal.SIGINT, signal.default_int_handler)
    asked = split_common(arguments, as_json)
    if asked.output is not None:
        if name not in REPORTING:
            raise InputError("-o", expected="a command that makes a report", found=name)
        check_output(asked.output)
    bound = bind(name, verb, asked)
    if bound is None:
        return 0
    notes = Console(stderr=True, highlight=False, markup=False)
    listens = inspect.signature(verb).parameters
    with LiveLine(notes) if "on_progress" in listens else nullcontext() as line:
        told: dict[str, Any] = {"on_command": hide_secrets(shlex.join(["servemark", name, *arguments]))}
        if line is not None:
            told |= {"on_progress": line.show, "on_step": line.say}
        told = {key: each for key, each in told.items() if key in listens}
        result = verb(*bound.args, **bound.kwargs, **told)
    if name in DEPLOYING and (
        note := family_taken(bound.arguments.get("model"), bound.arguments.get("options", {}))
    ):
        notes.print(f"note: {note}", soft_wrap=True)
    if name == "twin":
        return _stay(result, asked)
    code = exit_code(name, result, asked)
    named = any(argument.split("=")[0] == "--runs" for argument in asked.rest)
    present(name, result, asked, notes, folder=bound.arguments.get("runs") if named else None)
    return code


def present(name: str, result: Any, asked: Asked, notes: Console, folder: Any = None) -> None:
    """Print the result: JSON or text on stdout, where it was kept (`folder`, where named) on stderr.

    A page that cannot be written takes the place of the JSON, not of the text.
    """
    document, text = PRESENTERS[name]
    if not asked.json:
        width = None if sys.stdout.isatty() else 200
        text(result, Console(highlight=False, markup=False, width=width))
    if isinstance(result, Run) and result.id:
        elsewhere = f" --runs {shlex.quote(str(folder))}" if folder is not None else ""
        next_step = f"servemark report {result.id} -o report.html{elsewhere}"
        notes.print(f"kept as {result.id}; next: {next_step}", soft_wrap=True)
    if asked.output is not None:
        if isinstance(result, Run):
            write_report(compose([result]), asked.output)
        notes.print(f"report: {asked.output}", soft_wrap=True)
    if asked.json:
        print(encode(document(result)))


def exit_code(name: str, result: Any, asked: Asked) -> int:
    """0 held, 3 does not fit or a promise fails, 130 interrupted."""
    if name == "fit":
        return 0 if result.memory.fits else 3
    if name == "demo":
        return 0 if all(run.provenance.finished for run in result.runs) else INTERRUPTED
    if not isinstance(result, Run):
        return 0
    if not result.provenance.finished:
        return INTERRUPTED
    if asked.require is not None:
        return 0 if _word(_required_level(result, asked.require)) == "holds" else 3
    words = [_word(level) for level in result.levels]
    return 3 if words and all(word == "breaks" for word in words) else 0


def _required_level(run: Run, require: str) -> Level:
    if len(run.levels) == 1 and require == run.workload.profile:
        return run.levels[0]
    numbers = [load_number(level.load) for level in run.levels]
    return run.levels[numbers.index(required_load(require, numbers))]


def _word(level: Level) -> str | None:
    return level.verdict.word if level.verdict else None


def _stay(twin: Any, asked: Asked) -> int:
    """Say where the twin listens and wait until it is told to stop, or dies."""
    if asked.json:
        document = {"schema": "servemark.twin/1", "base_url": twin.base_url, "pid": twin.pid}
        print(encode(document), flush=True)
    else:
        print(f"twin ready: {twin.base_url}  (Ctrl-C stops it)", flush=True)
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    with twin:
        while not stop.wait(0.5):
            if not twin.is_running():
                print(
                    f"servemark: the twin ended by itself; the end of its log:\n{twin.log_tail()}",
                    file=sys.stderr,
                )
                return 1
    return 0


def _printer(compose_table: Callable[[Any], Table]) -> Callable[[Any, Console], None]:
    return lambda result, console: print_table(compose_table(result), console)


def _print_run(run: Run, console: Console) -> None:
    render_terminal(compose([run]), console)


def _report_document(report: Report) -> dict[str, Any]:
    return {
        "schema": "servemark.report/1",
        "title": report.title,
        "answers": [answer.sentence for answer in report.answers],
        "runs": [run.id for run in report.runs],
    }


def _demo_document(result: Any) -> dict[str, Any]:
    runs = [run_document(run) for run in result.runs]
    return {
        "schema": "servemark.demo/1",
        "report": str(result.path),
        "elapsed_s": result.elapsed_s,
        "runs": runs,
    }


def _print_demo(result: Any, console: Console) -> None:
    render_terminal(compose(result.runs), console)
    console.print(f"report: {result.path}", soft_wrap=True)


PRESENTERS: dict[str, tuple[Callable[[Any], dict[str, Any]], Callable[[Any, Console], None]]] = {
    "gpus": (gpus_document, _printer(gpu_table)),
    "models": (models_document, _printer(model_table)),
    "runs": (runs_document, _printer(entry_table)),
    "fit": (fit_document, _printer(fit_table)),
    "predict": (run_document, _print_run),
    "simulate": (run_document, _print_run),
    "measure": (run_document, _print_run),
    "report": (_report_document, render_terminal),
    "demo": (_demo_document, _print_demo),
}
