"""The command line: one command per verb, its options read from the verb's own signature."""

from __future__ import annotations

import os
import sys
from importlib import import_module

from servemark.errors import ServemarkError, UnknownName
from servemark.version import __version__

COMMANDS = {
    "gpus": ("api.listing", "list GPUs, every figure with source and date"),
    "models": ("api.listing", "list models, or read a config.json"),
    "fit": ("api.fitting", "does it fit? the memory budget, part by part"),
    "predict": ("api.prediction", "latency, throughput and capacity in closed form"),
    "simulate": ("api.simulated", "the same, every request played through the scheduler"),
    "twin": ("api.simulated", "that deployment, simulated, behind an OpenAI-compatible endpoint"),
    "measure": ("api.measured", "load-test an OpenAI-compatible endpoint"),
    "report": ("api.reporting", "one page from one or more runs"),
    "runs": ("api.listing", "list the runs that are kept"),
    "demo": ("faces.demonstration", "predict, measure a twin and a real engine, on this machine"),
}
"""Command -> module of its verb (loaded when called) and one line of help."""


def main(argv: list[str] | None = None) -> None:
    """Run one command and exit with its code (0, 1, 2, 3; 130 after Ctrl-C)."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    try:
        code = run_command(arguments)
    except ServemarkError as error:
        code = _refuse(error, "--json" in arguments)
    except KeyboardInterrupt:
        code = 130
    except BrokenPipeError:
        # the reader has gone (`| head`): nothing to say, and nothing must be flushed at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 0
    except Exception as error:
        if os.environ.get("SERVEMARK_DEBUG"):
            raise
        code = _refuse(
            ServemarkError(f"internal error: {type(error).__name__}: {error}"), "--json" in arguments
        )
    sys.stdout.flush()
    raise SystemExit(code)


def run_command(arguments: list[str]) -> int:
    """Parse, call the verb, present what it returned; the exit code."""
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        print(overview())
        return 0
    if arguments[0] in ("--version", "-V"):
        print(f"servemark {__version__}")
        return 0
    name = arguments[0]
    if name not in COMMANDS:
        raise UnknownName("command", kind="a command", name=name, known=COMMANDS)
    verb = getattr(import_module(f"servemark.{COMMANDS[name][0]}"), name)
    return import_module("servemark.faces.commands").carry_out(name, verb, arguments[1:])


def overview() -> str:
    """The table of commands."""
    rows = "\n".join(f"  {name:<10}{line}" for name, (_, line) in COMMANDS.items())
    return (
        f"servemark {__version__}: how much load can this hardware carry before one of its promises breaks?\n\n"
        f"usage: servemark COMMAND [OPTIONS]     (servemark COMMAND --help)\n\n{rows}\n\n"
        "start here: servemark demo\n"
    )


def _refuse(error: ServemarkError, as_json: bool) -> int:
    """One line on stderr; with --json one object on stdout as well."""
    print(f"servemark: {error}", file=sys.stderr)
    if as_json:
        print(import_module("servemark.faces.documents").error_text(error))
    return error.exit_code
