"""Findings as HTML: claims, evidence that leads to single requests, answers side by side."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from servemark.reports.page import Case, Cause, Pair, Seen


def causes_html(causes: Sequence[Cause]) -> str:
    """The findings as a numbered list of articles."""
    return f'<ol class="causes">{"".join(map(_cause, causes))}</ol>' if causes else ""


def cases_html(cases: Sequence[Case]) -> str:
    """The requests behind the evidence, closed until one is asked for."""
    if not cases:
        return ""
    return f'<div class="cases"><h3>Requests behind the evidence</h3>{"".join(map(_case, cases))}</div>'


def _cause(cause: Cause) -> str:
    consequence = f"<p>{escape(cause.consequence)}</p>" if cause.consequence else ""
    evidence = "".join(map(_seen, cause.evidence))
    return (
        f'<li class="cause"><h3>{escape(cause.claim)} <i class="{cause.confidence}">{cause.confidence}</i></h3>'
        f'{consequence}<ul class="evidence">{evidence}</ul>'
        f"<p><b>Next:</b> {escape(cause.next_step)}</p>"
        f"<p class='note'><b>What would refute it:</b> {escape(cause.refuted_by)}</p>"
        f"{''.join(map(_pair, cause.pairs))}</li>"
    )


def _seen(seen: Seen) -> str:
    links = ", ".join(f'<a href="#{escape(anchor)}">{escape(label)}</a>' for label, anchor in seen.links)
    return (
        f"<li>{escape(seen.text)} <small>{escape(seen.source)}{': ' if links else ''}{links}</small></li>"
    )


def _pair(pair: Pair) -> str:
    return (
        f'<div class="pair"><p class="note">{escape(pair.title)}</p><div>'
        f"<blockquote>{_lines(pair.alone)}</blockquote><blockquote>{_lines(pair.under_load)}</blockquote>"
        "</div></div>"
    )


def _case(case: Case) -> str:
    defects = "".join(f"<li>{escape(each)}</li>" for each in case.defects)
    asked = f"<p class='note'>asked</p><blockquote>{_lines(case.asked)}</blockquote>" if case.asked else ""
    answer = _lines(case.answer) if case.answer else "<i>no text</i>"
    return (
        f'<details id="{escape(case.anchor)}"><summary>{escape(case.title)}</summary>'
        f"<p class='note'>{escape(case.facts)}</p>"
        + (f"<ul>{defects}</ul>" if defects else "")
        + f"{asked}<p class='note'>answered</p><blockquote>{answer}</blockquote></details>"
    )


def _lines(text: str) -> str:
    return escape(text) or "<i>no text</i>"
