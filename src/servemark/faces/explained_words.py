"""Findings on the terminal, and as JSON."""

from __future__ import annotations

from typing import Any

import msgspec
from rich.console import Console
from rich.text import Text

from servemark.domain.finding import Evidence, Excerpt, Finding
from servemark.domain.published_test import Explanation
from servemark.domain.workload import load_label
from servemark.faces.presenter import Presenter

NOTHING = "No cause was found: what is not measured says nothing either way."


def print_explanations(explanations: tuple[Explanation, ...], console: Console) -> None:
    """Each with its findings in order of weight."""
    for i, each in enumerate(explanations):
        if i:
            console.print()
        console.print(Text(each.title, style="bold"))
        if each.source:
            console.print(Text(each.source, style="dim"))
        if not each.findings:
            console.print(NOTHING)
        for number, finding in enumerate(each.findings, 1):
            _print_finding(number, finding, console)
        for note in each.notes:
            console.print()
            console.print(Text(note), soft_wrap=True)


def _print_finding(number: int, finding: Finding, console: Console) -> None:
    console.print()
    console.print(Text(f"{number}. {finding.claim}", style="bold"))
    console.print(Text(f"   {finding.confidence}; {finding.key}", style="dim"))
    for evidence in finding.evidence:
        console.print(Text(f"   - {evidence.text}{_pointer(evidence)}"))
    for excerpt in finding.excerpts:
        _print_excerpt(excerpt, console)
    for label, words in (
        ("would refute it", finding.refuted_by),
        ("next", finding.next_step),
        ("what it means", finding.consequence),
    ):
        if words:
            console.print(Text(f"   {label}: {words}"))


def _pointer(evidence: Evidence) -> str:
    """Which requests show it, by their position in the level."""
    if not evidence.requests:
        return f" [{evidence.source}]"
    plural = "" if len(evidence.requests) == 1 else "s"
    return f" [{evidence.source}: request{plural} {', '.join(map(str, evidence.requests))}]"


def _print_excerpt(excerpt: Excerpt, console: Console) -> None:
    console.print(Text(f"   item {excerpt.item}"))
    console.print(Text(f"     alone: {excerpt.alone}"))
    console.print(Text(f"     {load_label(excerpt.load)}: {excerpt.under_load}"))


def explain_document(explanations: tuple[Explanation, ...]) -> dict[str, Any]:
    """`servemark.explain/1`."""
    return {"schema": "servemark.explain/1", "explanations": [msgspec.to_builtins(e) for e in explanations]}


PRESENTERS = {"explain": Presenter(explain_document, print_explanations)}
