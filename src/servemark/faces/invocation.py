"""From an argument list to a verb bound to its arguments."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from inspect import BoundArguments
from io import StringIO
from pathlib import Path
from types import UnionType
from typing import Any, NamedTuple, Union, get_args, get_origin

import cyclopts
from cyclopts.help import DefaultFormatter
from rich.console import Console

from servemark.api.calibration_files import default_runs
from servemark.api.loads import default_loads, parse_rates, parse_users
from servemark.errors import InputError, nearest_names
from servemark.faces.documents import encode, load_number
from servemark.store.calibrations import LAST, find_calibration

GATED = ("predict", "simulate", "measure")
PAGES = ("report", "demo")
"""Verbs that write the page themselves: `-o` is their `output`."""
WRITING = (*PAGES, "suite")
"""Verbs that write their file themselves."""
REPORTING = (*GATED, *PAGES)
KEEPS_RUNS = (*REPORTING, "runs", "calibrate", "explain", "check")


class Asked(NamedTuple):
    """What every command understands, taken out of the argument list."""

    json: bool
    output: Path | None
    require: str | None
    rest: list[str]


def split_common(arguments: list[str], as_json: bool) -> Asked:
    """Take `-o` and `--require` out of the arguments."""
    rest: list[str] = []
    found: dict[str, str] = {}
    queue = iter(arguments)
    for argument in queue:
        key, equals, value = argument.partition("=")
        if key in ("-o", "--require"):
            given = value if equals else next(queue, "")
            if not given or given.startswith("--"):
                raise InputError(key, expected="a value", found=given or "nothing")
            found[key] = given
        else:
            rest.append(argument)
    output = Path(found["-o"]) if "-o" in found else None
    return Asked(as_json, output, found.get("--require"), rest)


def bind(name: str, verb: Callable[..., Any], asked: Asked) -> BoundArguments | None:
    """The verb's arguments; None when only help was asked for."""
    hidden = "on_|output$" if name in WRITING else "on_"
    app = cyclopts.App(
        name=f"servemark {name}",
        help_format="plaintext",
        help_formatter=DefaultFormatter(show_metavar=False),
        help_epilogue=_epilogue(name),
        help_flags=[],
        version_flags=[],
        default_parameter=cyclopts.Parameter(
            converter=_as_written,
            negative_iterable=(),
            parse=re.compile(f"^(?!{hidden})"),
        ),
    )
    app.default(verb)
    if {"--help", "-h"} & set(asked.rest):
        _print_help(app, asked)
        return None
    try:
        _, bound, _ = app.parse_args(asked.rest, exit_on_error=False, print_error=False)
    except cyclopts.CycloptsError as error:
        raise _input_error(error, app, asked.rest) from None
    if asked.require is not None:
        _check_require(asked.require, name, bound.arguments)
    if name in WRITING and asked.output is not None:
        bound.arguments["output"] = asked.output
    if name in KEEPS_RUNS:
        folder = bound.arguments.setdefault("runs", default_runs())
        options = bound.arguments.get("options", {})
        if str(options.get("calibration")) == LAST:
            options["calibration"] = find_calibration(Path(folder), LAST)
    return bound


def _as_written(hint: Any, tokens: Sequence[cyclopts.Token]) -> Any:
    """Quantities reach the verb as they were written; the parser would round 3.5 requests to 4."""
    texts = [token.value for token in tokens]
    if get_origin(hint) in (Union, UnionType) and str in get_args(hint):
        return texts[0]
    return int(texts[0]) if int in (hint, *get_args(hint)) else cyclopts.convert(hint, texts)


def _epilogue(name: str) -> str:
    lines = ["--json: one JSON object on stdout, all else on stderr."]
    if name == "plan":
        lines.append("-o FILE: write the plan, .json (later commands take it) or .md.")
    elif name == "suite":
        lines.append("-o FILE: with write, a new .jsonl file.")
    elif name in REPORTING:
        lines.append("-o FILE: write the report, .html or .md.")
    if name in GATED:
        lines.append("--require LOAD: exit 3 unless all promises hold at that load.")
    lines.append(
        "Exit codes: 0 held, 1 our fault, 2 bad input, 3 does not fit or a promise fails, 130 interrupted."
    )
    return "\n".join(lines)


def _print_help(app: cyclopts.App, asked: Asked) -> None:
    if not asked.json:
        app.help_print([])
        return
    text = StringIO()
    app.help_print([], console=Console(file=text, width=100))
    print(encode({"schema": "servemark.help/1", "help": text.getvalue()}))


def _check_require(require: str, name: str, arguments: Mapping[str, Any]) -> None:
    """Refuse a load that the command will not play, before it starts."""
    if name not in GATED:
        raise InputError("--require", expected=f"one of the commands {', '.join(GATED)}", found=name)
    if arguments.get("slo") is None and arguments.get("suite") is None:
        raise InputError("--require", expected="promises to hold, --slo ...", found="none")
    if arguments.get("users") is not None:
        numbers = [load_number(load) for load in parse_users(arguments["users"])]
    elif arguments.get("rate") is not None:
        numbers = [load_number(load) for load in parse_rates(arguments["rate"])]
    elif arguments.get("trace") is not None:
        return  # its name may stand inside the file
    elif arguments.get("traffic") is not None:
        numbers = [arguments["traffic"]]
    else:
        numbers = [load_number(load) for load in default_loads(())]
    required_load(require, numbers)


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
        options = [
            n for a in app.assemble_argument_collection() if a.parse for n in a.names if n[:2] == "--"
        ]
        keyword = token.keyword or token.value
        return InputError(
            keyword,
            expected="an option of this command",
            found=keyword,
            nearest=nearest_names(keyword, options),
        )
    path = "arguments"
    if argument is not None and argument.names:
        path = argument.names[0].lstrip("-").replace("-", "_").lower()
    if kind == "CoercionError" and argument is not None and token is not None:
        return InputError(path, expected=_expected(argument.hint), found=repr(token.value))
    if kind == "MissingArgumentError":
        return InputError(path, expected="a value", found="nothing")
    if kind == "UnusedCliTokensError":
        return InputError(
            "arguments", expected="nothing more", found=" ".join(map(str, error.unused_tokens))
        )
    return InputError(path, expected="valid options", found=" ".join(str(error).split()) or " ".join(rest))


def _expected(hint: Any) -> str:
    """What an option takes, in words."""
    for kind, words in ((int, "a whole number"), (float, "a number"), (bool, "yes or no")):
        if kind is hint or kind in get_args(hint):
            return words
    return "a value that can be read"
