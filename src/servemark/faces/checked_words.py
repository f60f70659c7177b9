"""Checked answers on the terminal, and as JSON."""

from __future__ import annotations

from collections import Counter
from typing import Any

from rich.console import Console
from rich.text import Text

from servemark.domain.exchange import CHECKS, Checked
from servemark.faces.presenter import Presenter
from servemark.reports.page import Cell, Column, Table
from servemark.reports.terminal import print_table

PROMISE_BROKEN = 3
SHOWN = 20
"""So many defective answers are shown on the terminal; `--json` has all."""
STYLES = {"critical": "bold red", "major": "red", "minor": "yellow"}


def print_checked(checked: Checked, console: Console) -> None:
    """One sentence, each check that found something, then the answers with the words that prove it."""
    console.print(Text(sentence(checked), style="bold"))
    failing = [row for row in _counts(checked) if row[2]]
    if failing:
        console.print()
        print_table(_table(failing), console)
    bad = [
        (name, each) for name, each in zip(checked.ids, checked.judgements, strict=True) if each.findings
    ]
    for name, judgement in bad[:SHOWN]:
        console.print()
        console.print(Text(str(name), style="bold"))
        for finding in judgement.findings:
            line = Text(f"  {finding.check}", style=STYLES[finding.severity])
            line.append(f" ({finding.severity}): {finding.detail}", style="default")
            console.print(line)
            if finding.excerpt:
                console.print(Text(f"    {finding.excerpt}", style="dim"))
    if len(bad) > SHOWN:
        console.print(Text(f"\n{len(bad) - SHOWN} more answers with defects: see --json", style="dim"))
    remarks = Counter(note for each in checked.judgements for note in each.notes)
    for note in checked.notes:
        console.print(Text(f"note: {note}", style="dim"))
    if remarks:
        total = sum(remarks.values())
        console.print(Text(f"{total} remarks that are no defects: see --json", style="dim"))


def sentence(checked: Checked) -> str:
    """`3 of 200 answers have a defect; 2 are of no use.`"""
    n = len(checked.ids)
    bad = sum(bool(each.findings) for each in checked.judgements)
    useless = sum(not each.is_useful for each in checked.judgements)
    answers = "1 answer" if n == 1 else f"{n:,} answers"
    if not bad:
        return f"No defect in {answers} of {checked.source}."
    return f"{bad:,} of {answers} of {checked.source} with a defect, {useless:,} with one above minor."


def _counts(checked: Checked) -> list[tuple[str, int, int]]:
    """Check, answers that it applied to, answers that failed it."""
    failed: Counter[str] = Counter()
    passed: Counter[str] = Counter()
    for each in checked.judgements:
        failed.update(finding.check for finding in each.findings)
        passed.update(each.passed)
    return [(check, failed[check] + passed[check], failed[check]) for check in CHECKS]


def _table(rows: list[tuple[str, int, int]]) -> Table:
    columns = (
        Column(label="check", numeric=False),
        Column(label="applied to"),
        Column(label="failed"),
        Column(label="share"),
    )
    cells = tuple(
        tuple(Cell(text=each) for each in (check, f"{applied:,}", f"{failed:,}", f"{failed / applied:.1%}"))
        for check, applied, failed in rows
    )
    return Table(title="Checks that found a defect", columns=columns, rows=cells)


def checked_document(checked: Checked) -> dict[str, Any]:
    """`servemark.check/1`."""
    return {
        "schema": "servemark.check/1",
        "results": [
            {
                "id": name,
                "findings": [
                    {
                        "check": each.check,
                        "severity": each.severity,
                        "excerpt": each.excerpt,
                        "detail": each.detail,
                    }
                    for each in judgement.findings
                ],
                "notes": list(judgement.notes),
            }
            for name, judgement in zip(checked.ids, checked.judgements, strict=True)
        ],
        "summary": {
            "source": checked.source,
            "exchanges": len(checked.ids),
            "with_findings": sum(bool(each.findings) for each in checked.judgements),
            "useful": sum(each.is_useful for each in checked.judgements),
            "checks": {
                check: {"applied": applied, "failed": failed} for check, applied, failed in _counts(checked)
            },
            "notes": list(checked.notes),
        },
    }


def _exit_code(checked: Checked, require: str | None) -> int:
    del require
    useless = any(not each.is_useful for each in checked.judgements)
    return PROMISE_BROKEN if checked.strict and useless else 0


PRESENTERS = {"check": Presenter(checked_document, print_checked, _exit_code)}
