"""Carry out one command: bind, call, present; the exit code says whether the promises held."""

from __future__ import annotations

import inspect
import shlex
import signal
import sys
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

from rich.console import Console

from servemark.api.deployments import family_taken
from servemark.domain.run import Run
from servemark.errors import InputError
from servemark.faces.documents import encode
from servemark.faces.invocation import Asked, bind, split_common
from servemark.faces.live import LiveLine
from servemark.faces.presenter import Presenter
from servemark.faces.standing import stay
from servemark.reports.redaction import hide_secrets

DEPLOYING = ("fit", "predict", "simulate", "twin", "calibrate")


def carry_out(
    name: str,
    verb: Callable[..., Any],
    presenter: Presenter | None,
    arguments: list[str],
    *,
    as_json: bool,
) -> int:
    """Run a verb from its arguments; the exit code. Without presenter the result stays until it is stopped.

    Raises:
        InputError: the arguments do not fit the verb.
    """
    # a shell script starts its background jobs deaf to SIGINT; here it always means: report and stop
    signal.signal(signal.SIGINT, signal.default_int_handler)
    asked = split_common(arguments, as_json)
    if asked.output is not None:
        if presenter is None or presenter.check_output is None:
            raise InputError("-o", expected="a command that makes a report", found=name)
        presenter.check_output(asked.output)
    bound = bind(name, verb, asked)
    if bound is None:
        return 0
    notes = Console(stderr=True, highlight=False, markup=False)
    listens = inspect.signature(verb).parameters
    with LiveLine(notes) if {"on_progress", "on_step"} & set(listens) else nullcontext() as line:
        told: dict[str, Any] = {"on_command": hide_secrets(shlex.join(["servemark", name, *arguments]))}
        if line is not None:
            told |= {"on_progress": line.show, "on_step": line.say}
        told = {key: each for key, each in told.items() if key in listens}
        result = verb(*bound.args, **bound.kwargs, **told)
    if name in DEPLOYING and (
        note := family_taken(bound.arguments.get("model"), bound.arguments.get("options", {}))
    ):
        notes.print(f"note: {note}", soft_wrap=True)
    if presenter is None:
        return stay(result, as_json=asked.json)
    # the code first: a promise that is asked for by a wrong load is refused before anything is printed
    code = presenter.exit_code(result, asked.require)
    named = any(argument.split("=")[0] == "--runs" for argument in asked.rest)
    present(presenter, result, asked, notes, folder=bound.arguments.get("runs") if named else None)
    return code


def present(presenter: Presenter, result: Any, asked: Asked, notes: Console, folder: Any = None) -> None:
    """Print the result: JSON or text on stdout, where it was kept (`folder`, where named) on stderr.

    A page that cannot be written takes the place of the JSON, not of the text.
    """
    if not asked.json:
        width = None if sys.stdout.isatty() else 200
        presenter.show(result, Console(highlight=False, markup=False, width=width))
    if isinstance(result, Run) and result.id:
        elsewhere = f" --runs {shlex.quote(str(folder))}" if folder is not None else ""
        next_step = f"servemark report {result.id} -o report.html{elsewhere}"
        notes.print(f"kept as {result.id}; next: {next_step}", soft_wrap=True)
    if asked.output is not None:
        if presenter.write is not None:
            presenter.write(result, asked.output)
        kind = "suite" if asked.output.suffix == ".jsonl" else "report"
        notes.print(f"{kind}: {asked.output}", soft_wrap=True)
    if asked.json:
        print(encode(presenter.document(result)))
