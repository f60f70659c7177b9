"""From an argument list to a verb bound to its arguments."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import cyclopts

from servemark.api.loads import default_loads, parse_rates, parse_users
from servemark.errors import InputError, nearest_names
from servemark.faces.documents import load_number

GATED = ("predict", "simulate", "measure")
KEEPS_RUNS = ("predict", "simulate", "measure", "demo", "report", "runs")
EPILOGUE = """Every command: --json (one JSON object on stdout, all else on stderr), -o FILE (.html or .md report).
predict, simulate, measure: --require LOAD (exit 3 unless all promises hold at that load).
Exit codes: 0 held, 1 our fault, 2 bad input, 3 does not fit or a promise fails."""


class Asked(NamedTuple):
    """What every command understands, taken out of the argument list."""

    json: bool
    output: Path | None
    require: str | None
    rest: list[str]


def split_common(arguments: list[str]) -> Asked:
    rest: list[str] = []
    found: dict[str, str] = {}
    queue = iter(arguments)
    for argument in queue:
        key, equals, value = argument.partition("=")
        if argument == "--json":
            found["json"] = "yes"
        elif key in ("-o", "--require"):
            given = value if equals else next(queue, None)
            if given is None:
                raise InputError(key, expected="a value", found="nothing")
            found[key] = given
        else:
            rest.append(argument)
    output = Path(found["-o"]) if "-o" in found else None
    return Asked("json" in found, output, found.get("--require"), rest)


def bind(name: str, verb: Callable[..., Any], asked: Asked) -> Callable[[], Any] | None:
    """The verb bound to its arguments; None when only help was asked for."""
    app = cyclopts.App(
        name=f"servemark {name}",
        help_format="plaintext",
        help_epilogue=EPILOGUE,
        version_flags=[],
        default_parameter=cyclopts.Parameter(negative_iterable=(), parse=re.compile(r"^(?!on_)")),
    )
    app.default(verb)
    if {"--help", "-h"} & set(asked.rest):
        app.help_print([])
        return None
    try:
        _, bound, _ = app.parse_args(asked.rest, exit_on_error=False, print_error=False)
    except cyclopts.CycloptsError as error:
        raise _input_error(error, app, asked.rest) from None
    if asked.require is not None:
        _check_require(asked.require, name, bound.arguments)
    if name in KEEPS_RUNS:
        bound.arguments.setdefault("runs", Path(os.environ.get("SERVEMARK_RUNS", "servemark-runs")))
    return lambda **more: verb(*bound.args, **bound.kwargs, **more)


def _check_require(require: str, name: str, arguments: Mapping[str, Any]) -> None:
    """Refuse a load that the command will not play, before it starts."""
    if name not in GATED:
        raise InputError("--require", expected=f"one of the commands {', '.join(GATED)}", found=name)
    if arguments.get("slo") is None:
        raise InputError("--require", expected="promises to hold, --slo ...", found="none")
    if arguments.get("users") is not None:
        loads = parse_users(arguments["users"])
    elif arguments.get("rate") is not None:
        loads = parse_rates(arguments["rate"])
    elif arguments.get("trace") is not None or arguments.get("traffic") is not None:
        return
    else:
        loads = default_loads(())
    required_load(require, [load_number(load) for load in loads])


def required_load(require: str, numbers: Sequence[int | float | str | None]) -> int | float | str | None:
    """The one of the loads that `--require` names.

    Raises:
        InputError: none of them.
    """
    for number in numbers:
        if str(number) == require or (isinstance(number, (int, float)) and _as_number(require) == number):
            return number
    known = ", ".join(str(number) for number in numbers)
    raise InputError("--require", expected=f"one of the loads {known}", found=require)


def _as_number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _input_error(error: Any, app: Any, rest: list[str]) -> InputError:
    """A parser's complaint as path, expected, found, nearest."""
    token, argument = getattr(error, "token", None), getattr(error, "argument", None)
    kind = type(error).__name__
    if kind == "UnknownOptionError" and token is not None:
        options = [n for a in app.assemble_argument_collection() for n in a.names if n.startswith("--")]
        keyword = token.keyword or token.value
        return InputError(
            keyword,
            expected="an option of this command",
            found=keyword,
            nearest=nearest_names(keyword, options),
        )
    path = argument.names[0].lstrip("-") if argument is not None and argument.names else app.name[0]
    if kind == "CoercionError" and argument is not None and token is not None:
        wanted = re.sub(r"<class '(.*)'>", r"\1", str(argument.hint))
        return InputError(path, expected=wanted, found=repr(token.value))
    if kind == "MissingArgumentError":
        return InputError(path, expected="a value", found="nothing")
    if kind == "UnusedCliTokensError":
        return InputError(
            "arguments", expected="nothing more", found=" ".join(map(str, error.unused_tokens))
        )
    return InputError(path, expected="valid options", found=" ".join(str(error).split()) or " ".join(rest))
