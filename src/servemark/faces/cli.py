"""The command line: one command per verb, its options read from the verb's own signature."""

from __future__ import annotations

import os
import sys
from importlib import import_module

from servemark.errors import ServemarkError, UnknownName
from servemark.version import __version__

INTERRUPTED = 130
COMMANDS = {
    "gpus": ("api.listing", "card_presenters", "list GPUs, every figure with source and date"),
    "models": ("api.listing", "card_presenters", "list models, or read a config.json"),
    "fit": ("api.fitting", "card_presenters", "does it fit? the memory budget, part by part"),
    "predict": ("api.prediction", "run_presenters", "latency, throughput and capacity in closed form"),
    "simulate": ("api.simulated", "run_presenters", "the same, every request played through the scheduler"),
    "plan": ("api.plans", "plan_documents", "what to buy for a demand, and why everything else lost"),
    "guide": (
        "api.guidance",
        "guidance_words",
        "what can be done with some money, and the rules behind it",
    ),
    "twin": ("api.simulated", None, "that deployment, simulated, behind an OpenAI-compatible endpoint"),
    "measure": (
        "api.measured",
        "measured_words",
        "load-test an OpenAI-compatible endpoint, and judge its answers",
    ),
    "suite": (
        "api.question_suites",
        "suite_words",
        "questions to ask under load: list, show, check, write",
    ),
    "check": ("api.checking", "checked_words", "what is wrong with recorded answers"),
    "report": ("api.reporting", "run_presenters", "one page from one or more runs"),
    "explain": ("api.explaining", "explained_words", "why a run, or a published test, came out so"),
    "accuracy": (
        "api.accuracies",
        "accuracy_table",
        "how wrong predictions are, from published measurements",
    ),
    "calibrate": (
        "api.calibrations",
        "calibration_words",
        "refit from measured runs: the next prediction is better",
    ),
    "runs": ("api.listing", "card_presenters", "list the runs that are kept"),
    "demo": (
        "faces.demonstration",
        "run_presenters",
        "predict, measure a twin and a real engine, on this machine",
    ),
}
"""Command -> module of its verb, module of `faces` that presents what it returns (both loaded when called; None: it
stays until it is stopped), and one line of help."""


def main(argv: list[str] | None = None) -> None:
    """Run one command and exit with its code (0, 1, 2, 3; 130 after Ctrl-C)."""
    # numpy starts a thread per core for matrix products, of which there are none here: a fifth of `predict`'s CPU
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    arguments = list(sys.argv[1:] if argv is None else argv)
    as_json = "--json" in arguments
    try:
        code = _guarded([each for each in arguments if each != "--json"], as_json)
        sys.stdout.flush()
    except OSError as error:
        # nothing more must be flushed at exit; of a reader that has gone (`| head`) there is nothing to say
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 0 if isinstance(error, BrokenPipeError) else 1
        if code:
            print(f"servemark: standard output cannot be written: {error.strerror}", file=sys.stderr)
    raise SystemExit(code)


def _guarded(words: list[str], as_json: bool) -> int:
    """Run one command; whatever keeps it from its answer, in one line and as an exit code."""
    try:
        return run_command(words, as_json)
    except ServemarkError as error:
        return _refuse(error, as_json)
    except KeyboardInterrupt:
        _refuse(ServemarkError("interrupted before there was anything to show"), as_json)
        return INTERRUPTED
    except BrokenPipeError:
        raise
    except SystemExit:
        # rich's way of saying that the reader has gone
        return 0
    except Exception as error:
        if os.environ.get("SERVEMARK_DEBUG"):
            raise
        return _refuse(ServemarkError(f"internal error: {type(error).__name__}: {error}"), as_json)


def run_command(words: list[str], as_json: bool) -> int:
    """Parse, call the verb, present what it returned; the exit code."""
    if not words or words[0] in ("-h", "--help", "help"):
        return _tell({"schema": "servemark.help/1", "help": overview()}, as_json)
    if words[0] in ("--version", "-V"):
        return _tell({"schema": "servemark.version/1", "version": f"servemark {__version__}"}, as_json)
    name = words[0]
    if name not in COMMANDS:
        raise UnknownName("command", kind="a command", name=name, known=COMMANDS)
    home, face, _ = COMMANDS[name]
    verb = getattr(import_module(f"servemark.{home}"), name)
    presenter = import_module(f"servemark.faces.{face}").PRESENTERS[name] if face else None
    commands = import_module("servemark.faces.commands")
    return commands.carry_out(name, verb, presenter, words[1:], as_json=as_json)


def _tell(document: dict[str, str], as_json: bool) -> int:
    """The last value as text, or the whole as JSON."""
    print(import_module("json").dumps(document) if as_json else [*document.values()][-1])
    return 0


def overview() -> str:
    """The table of commands."""
    rows = "\n".join(f"  {name:<10}{line}" for name, (_, _, line) in COMMANDS.items())
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
