"""The diagnosis: causes in order of weight, each with its evidence down to the single request."""

from __future__ import annotations

from collections.abc import Sequence

from servemark.domain.exchange import Item
from servemark.domain.finding import Evidence, Excerpt, Finding
from servemark.domain.run import Level, RequestRecord, Run
from servemark.domain.workload import load_label
from servemark.reports.page import Case, Cause, Pair, Section, Seen, Series
from servemark.units import format_seconds

LONGEST_TEXT = 1200
"""Characters of a prompt or answer that a page shows."""
MOST_CASES = 40
"""Requests shown in full, over all findings of a run."""
MOST_LINKS = 6
"""Requests linked from one row of evidence."""


def findings_section(runs: Sequence[Run], series: Sequence[Series]) -> Section | None:
    """The findings of every run; None without any."""
    causes: list[Cause] = []
    cases: dict[str, Case] = {}
    diagnosed = [
        (i, run, each) for i, (run, each) in enumerate(zip(runs, series, strict=True)) if run.findings
    ]
    for i, run, each in diagnosed:
        own: dict[str, Case] = {}
        for finding in sorted(run.findings, key=lambda found: -found.weight):
            prefix = f"{each.glyph} {each.label}: " if len(diagnosed) > 1 else ""
            causes.append(_cause(run, finding, i, own, prefix))
        cases |= own
    if not causes:
        return None
    text = (
        "Causes in order of weight. Certain: the evidence excludes other causes; likely: others fit worse; "
        "possible: not excluded."
    )
    return Section(
        key="findings", title="Why", text=text, causes=tuple(causes), cases=tuple(cases.values())
    )  # fmt: skip


def _cause(run: Run, finding: Finding, number: int, cases: dict[str, Case], prefix: str) -> Cause:
    return Cause(
        claim=prefix + finding.claim,
        confidence=finding.confidence,
        evidence=tuple(_seen(run, each, number, cases) for each in finding.evidence),
        refuted_by=finding.refuted_by,
        next_step=finding.next_step,
        consequence=finding.consequence,
        pairs=tuple(map(_pair, finding.excerpts)),
    )


def _seen(run: Run, evidence: Evidence, number: int, cases: dict[str, Case]) -> Seen:
    """The row of evidence; its requests become cases while there is room for them."""
    links: list[tuple[str, str]] = []
    level = _level_of(run, evidence)
    kind = "control" if evidence.control is not None else "level"
    place = evidence.control if evidence.control is not None else evidence.level
    for position in evidence.requests[:MOST_LINKS] if level is not None else ():
        if level is None or not 0 <= position < len(level.requests):
            continue
        anchor = f"request-{number + 1}-{kind}-{place}-{position}"
        if anchor not in cases:
            if len(cases) >= MOST_CASES:
                break
            cases[anchor] = _case(run, level, level.requests[position], anchor)
        record = level.requests[position]
        links.append((record.item or f"request {record.index}", anchor))
    return Seen(text=evidence.text, source=evidence.source, links=tuple(links))


def _level_of(run: Run, evidence: Evidence) -> Level | None:
    levels, place = run.levels, evidence.level
    if evidence.control is not None:
        levels, place = run.controls, evidence.control
    return levels[place] if place is not None and 0 <= place < len(levels) else None


def _case(run: Run, level: Level, record: RequestRecord, anchor: str) -> Case:
    """One request with all that is known of it."""
    facts = [record.outcome.replace("_", " ") + (f" ({record.reason})" if record.reason else "")]
    if record.status is not None:
        facts.append(f"HTTP {record.status}")
    sent = record.scheduled_s if record.sent_s is None else record.sent_s
    if record.first_token_s is not None:
        facts.append(f"TTFT {format_seconds(record.first_token_s - sent)}")
    facts.append(f"ended after {format_seconds(record.end_s - sent)}")
    counts = f"{record.output_tokens} output tokens"
    facts.append(counts if record.input_tokens is None else f"{record.input_tokens} input, {counts}")
    if record.finish_reason:
        facts.append(f"finish reason {record.finish_reason}")
    judgement = record.judgement
    name = f"item {record.item}" if record.item else f"request {record.index}"
    item = next((each for each in run.items if each.id == record.item), None)
    return Case(
        anchor=anchor,
        title=f"{name} at {load_label(level.load)}, block {record.block + 1}",
        facts=", ".join(facts),
        asked=_asked(item),
        answer=shortened("\n".join(filter(None, (record.reasoning, record.text)))),
        defects=tuple(
            f"{each.check.replace('_', ' ')} ({each.severity}): {each.detail}".rstrip(": ")
            for each in (judgement.findings if judgement else ())
        ),
    )


def _asked(item: Item | None) -> str:
    """The prompt as it was sent, roles before each message; the codes of the request are not part of it."""
    if item is None:
        return ""
    return shortened("\n".join(f"{each.role}: {each.content}" for each in item.messages))


def _pair(excerpt: Excerpt) -> Pair:
    return Pair(
        title=f"{excerpt.item}: alone, and at {load_label(excerpt.load)}",
        alone=shortened(excerpt.alone),
        under_load=shortened(excerpt.under_load),
    )


def shortened(text: str) -> str:
    """The text, its middle left out where it is long: both ends say most about what went wrong."""
    if len(text) <= LONGEST_TEXT:
        return text
    half = LONGEST_TEXT // 2
    return f"{text[:half]}\n[… {len(text) - 2 * half:,} characters …]\n{text[-half:]}"
