"""A plan on a terminal, as JSON, and in a file that one forwards."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table as Grid
from rich.text import Text

from servemark.domain.plans import Plan
from servemark.domain.training import TrainingPlan
from servemark.errors import InputError
from servemark.faces.documents import encode
from servemark.faces.plan_facts import facts
from servemark.faces.plan_tables import plan_tables
from servemark.faces.plan_words import sentence
from servemark.faces.presenter import Presenter
from servemark.faces.training_words import (
    print_training_plan,
    training_plan_document,
    training_plan_markdown,
)
from servemark.planning.documents import plan_document
from servemark.reports.markdown import markdown_table
from servemark.reports.terminal import print_table

ENDINGS = (".json", ".md")
NOTHING_HOLDS = 3


def any_plan_document(plan: Plan | TrainingPlan) -> dict[str, Any]:
    """The JSON of a plan for serving or for training."""
    return plan_document(plan) if isinstance(plan, Plan) else training_plan_document(plan)


def print_plan(plan: Plan | TrainingPlan, console: Console) -> None:
    """Sentence, facts, tables."""
    if not isinstance(plan, Plan):
        print_training_plan(plan, console)
        return
    console.print(Text(sentence(plan), style="bold"))
    console.print()
    grid = Grid.grid(padding=(0, 2))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column(overflow="fold")
    for label, text in facts(plan):
        grid.add_row(label, Text(text))
    console.print(grid)
    for table in plan_tables(plan):
        console.print()
        print_table(table, console)
    for note in _notes(plan):
        console.print(Text(note, style="dim"))


def plan_exit_code(plan: Plan | TrainingPlan, require: str | None = None) -> int:
    """3 where nothing holds."""
    return 0 if plan.choice is not None else NOTHING_HOLDS


def check_plan_output(path: Path) -> Path:
    """The path, if its ending and folder are good for a plan.

    Raises:
        InputError: they are not.
    """
    if path.suffix.lower() not in ENDINGS:
        raise InputError("-o", expected=f"a file ending in {' or '.join(ENDINGS)}", found=str(path))
    if not path.parent.is_dir():
        raise InputError("-o", expected="a file in an existing folder", found=str(path))
    return path


def write_plan(plan: Plan | TrainingPlan, path: Path) -> Path:
    """Write the plan: `.json` is what later commands take, `.md` is for people.

    Raises:
        InputError: the file cannot be written.
    """
    text = encode(any_plan_document(plan)) + "\n"
    if path.suffix.lower() == ".md":
        text = plan_markdown(plan) if isinstance(plan, Plan) else training_plan_markdown(plan)
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        found = f"{path}: {error.strerror}"
        raise InputError("-o", expected="a file that can be written", found=found) from None
    return path


def plan_markdown(plan: Plan) -> str:
    """Sentence, facts and tables as Markdown."""
    lines = [f"**{_escaped(sentence(plan))}**", ""]
    lines += [
        f"- **{label}**: {_escaped(text)}" if label else f"  - {_escaped(text)}"
        for label, text in facts(plan)
    ]
    for table in plan_tables(plan):
        lines += ["", markdown_table(table)]
    lines += [line for note in _notes(plan) for line in ("", _escaped(note))]
    return "\n".join(lines) + "\n"


def _notes(plan: Plan) -> list[str]:
    asked = plan.requirements
    notes = list(plan.notes)
    if asked.slos_assumed:
        notes.insert(0, "No promises were given: TTFT p95 ≤ 2 s and TPOT p95 ≤ 50 ms are assumed (--slo).")
    if plan.choice is not None and plan.choice.output_token_usd is not None:
        notes.append(
            "Dollars per token: with that load all month; at a third of it a token costs three times as much."
        )
    notes.append(f"Made {plan.date} by servemark {plan.servemark}; predicted, not measured.")
    return notes


def _escaped(text: str) -> str:
    return text.replace("$", "\\$").replace("*", "\\*").replace("_", "\\_")


PRESENTERS = {
    "plan": Presenter(any_plan_document, print_plan, plan_exit_code, check_plan_output, write_plan)
}
