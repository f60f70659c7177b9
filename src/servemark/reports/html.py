"""A report as one HTML file that needs nothing else: no network, no server, no installed font.

Tables and sentences are plain HTML; scripts only draw the charts and offer the raw runs.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from html import escape
from importlib.resources import files
from itertools import groupby

import msgspec

from servemark.domain.run import Run
from servemark.errors import InputError
from servemark.reports.html_findings import cases_html, causes_html
from servemark.reports.page import MARKS, Answer, Cell, Chart, Column, Report, Section, Table
from servemark.reports.palette import DARK, INK, LIMIT, MUTED, PAPER, RUNS

RAW_LIMIT_BYTES = 300_000
"""Raw runs larger than this go without their rows, or stay out."""
POLICY = (
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data:; "
    "base-uri 'none'; form-action 'none'"
)
SHORT_COLUMNS = 7
"""So few columns leave room on paper for a cell's second line beside its first."""
SIDE_BY_SIDE = {"throughput": (3,), "latency": (5, 6)}
"""Sections whose charts stand three in a row, where they are so many."""
_DATA = files("servemark.reports") / "data"


def render_html(report: Report) -> str:
    """The whole page, scripts included.

    Raises:
        InputError: the chart script was not bundled into this installation.
    """
    return page_html(report, script=f"{_bundle()}\n{(_DATA / 'page.js').read_text('utf-8')}")


def page_html(report: Report, *, script: str) -> str:
    """The page with `script` at its end."""
    body = [
        f"<header><h1>{escape(report.title)}</h1><p>{escape(report.subtitle)}</p></header>",
        "<main>",
        f'<section class="answers">{"".join(map(_answer, report.answers))}</section>',
        *map(_section, report.sections),
        _raw_runs(report.runs),
        "</main>",
    ]
    return "\n".join(
        (
            "<!doctype html>",
            '<html lang="en">',
            "<head>",
            '<meta charset="utf-8">',
            f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            '<meta name="color-scheme" content="light dark">',
            f"<title>{escape(report.title)}</title>",
            f"<style>\n{stylesheet()}</style>",
            "</head>",
            "<body>",
            *body,
            f"<script>\n{_inert(script)}</script>",
            "</body>",
            "</html>\n",
        )
    )


def stylesheet() -> str:
    """The page's style sheet: its colours are variables, and charts swap theirs in the dark."""
    names = {"paper": PAPER, "ink": INK, "muted": MUTED, "limit": LIMIT, "accent": RUNS[0]}
    light = " ".join(f"--{name}: {colour};" for name, colour in names.items())
    dark = " ".join(f"--{name}: {DARK[colour]};" for name, colour in names.items())
    swaps = "\n".join(
        f'  .chart [{part}="{light_colour}"] {{ {part}: {dark_colour}; }}'
        for light_colour, dark_colour in DARK.items()
        for part in ("fill", "stroke")
    )
    runs = "\n".join(
        f'.run-{i} {{ color: {colour}; }}' for i, colour in enumerate(RUNS)
    )  # fmt: skip
    dark_runs = "\n".join(f"  .run-{i} {{ color: {DARK[colour]}; }}" for i, colour in enumerate(RUNS))
    sheet = (_DATA / "page.css").read_text("utf-8")
    return (
        f":root {{ {light} }}\n{runs}\n{sheet}"
        f"@media screen and (prefers-color-scheme: dark) {{\n  :root {{ {dark} }}\n{dark_runs}\n{swaps}\n}}\n"
    )


def table_html(table: Table) -> str:
    """One table; its heads in two rows where columns are grouped."""
    title = f"<caption><div>{_marked(table.title, table.colour)}</div></caption>" if table.title else ""
    rows = "".join(_row(row, table.columns) for row in table.rows)
    notes = "".join(f"<p class='note'>{escape(note)}</p>" for note in table.notes)
    kind = "numbers" if any(c.numeric for c in table.columns) else "facts"
    kind += " short" if len(table.columns) <= SHORT_COLUMNS else ""
    return (
        f'<div class="table {kind}"><table>{title}<thead>{_heads(table.columns)}</thead>'
        f"<tbody>{rows}</tbody></table>{notes}</div>"
    )


def _bundle() -> str:
    try:
        return (_DATA / "vega-bundle.js").read_text("utf-8")
    except FileNotFoundError:
        raise InputError(
            "vega-bundle.js",
            expected="the chart script bundled at build time (in a checkout: python hatch_build.py)",
            found="no such file in servemark/reports/data",
        ) from None


def _inert(script: str) -> str:
    """A script that cannot end its own element."""
    return script.replace("</script", "<\\/script").replace("<!--", "<\\!--")


def _json(value: object) -> str:
    """JSON that is safe inside a script element."""
    return msgspec.json.encode(value).decode().replace("<", "\\u003c")


def _answer(answer: Answer) -> str:
    series = answer.series
    colour = f"run-{RUNS.index(series.colour)}"
    notes = "".join(f"<p class='note'>{escape(note)}</p>" for note in answer.notes)
    return (
        f'<div class="answer {colour}"><p class="origin"><b aria-hidden="true">{series.glyph}</b> '
        f"{escape(series.label)}</p><p>{_kept(escape(answer.sentence))}</p>{notes}</div>"
    )


def _kept(text: str) -> str:
    """Text whose numbers stay on one line with their unit."""
    return re.sub(r" (?=[≤≥])|(?<=[\d≤≥]) (?=\d|x |[µm]?s\b|%|users?\b|tok/s|req/s)", "\u00a0", text)


def _section(section: Section) -> str:
    grid = "figures"
    if len(section.charts) in SIDE_BY_SIDE.get(section.key, ()):
        grid += " thirds"
    text = f"<p class='lead'>{escape(section.text)}</p>" if section.text else ""
    charts = "".join(map(_chart, section.charts))
    tables = "".join(map(table_html, section.tables))
    return (
        f'<section class="{section.key}"><h2>{escape(section.title)}</h2>{text}'
        + causes_html(section.causes)
        + (f'<div class="{grid}">{charts}</div>' if charts else "")
        + (f'<div class="tables">{tables}</div>' if tables else "")
        + cases_html(section.cases)
        + "</section>"
    )


def _chart(chart: Chart) -> str:
    kind = chart.key.partition("-")[0]
    return (
        f'<figure class="{kind}"><h3>{escape(chart.title)}</h3>'
        f'<div class="chart" role="img" aria-label="{escape(chart.text)}"></div>'
        f'<script type="application/json">{_json(chart.spec)}</script>'
        f"<noscript><p>{escape(chart.text)}</p></noscript>"
        + (f"<figcaption>{escape(chart.caption)}</figcaption>" if chart.caption else "")
        + "</figure>"
    )


def _heads(columns: Sequence[Column]) -> str:
    grouped = any(column.group for column in columns)
    lower = ""
    upper = ""
    for group, members in groupby(columns, key=lambda column: column.group):
        heads = list(members)
        if not group:
            span = ' rowspan="2"' if grouped else ""
            upper += "".join(f'<th scope="col"{span}{_align(c)}>{_head(c)}</th>' for c in heads)
            continue
        units = {c.unit for c in heads}
        shared = next(iter(units)) if len(units) == 1 else ""
        unit = f" <i>{escape(shared)}</i>" if shared else ""
        upper += f'<th scope="colgroup" class="group" colspan="{len(heads)}">{escape(group)}{unit}</th>'
        lower += "".join(
            f'<th scope="col"{_align(c, first=c is heads[0])}>{_head(c, unit=not shared)}</th>'
            for c in heads
        )
    return f"<tr>{upper}</tr>" + (f"<tr>{lower}</tr>" if grouped else "")


def _head(column: Column, *, unit: bool = True) -> str:
    return _marked(column.label, column.colour) + (
        f" <i>{escape(column.unit)}</i>" if unit and column.unit else ""
    )


def _row(row: Iterable[Cell], columns: Sequence[Column]) -> str:
    html = ""
    before = ""
    for i, (cell, column) in enumerate(zip(row, columns, strict=True)):
        first = bool(column.group) and column.group != before
        before = column.group
        tag = 'th scope="row"' if i == 0 else "td"
        html += f"<{tag}{_align(column, first=first, cell=cell)}>{_cell(cell)}</{tag.split()[0]}>"
    return f"<tr>{html}</tr>"


def _cell(cell: Cell) -> str:
    mark = f"<b>{MARKS[cell.mark]}</b> " if cell.mark else ""
    return f"{mark}{_marked(cell.text, cell.colour)}{_detail(cell)}"


def _detail(cell: Cell) -> str:
    return f"<small>{escape(cell.detail)}</small>" if cell.detail else ""


def _marked(text: str, colour: str) -> str:
    """Text whose first character is the mark of a run, in its colour."""
    glyph, rest = text[:1], text[1:]
    return (
        f'<b class="run-{RUNS.index(colour)}">{escape(glyph)}</b>{escape(rest)}' if colour else escape(text)
    )


def _align(column: Column, *, first: bool = False, cell: Cell | None = None) -> str:
    names = ["n"] if column.numeric else []
    names += ["first"] if first else []
    if cell is not None:
        names += ["faint"] if cell.faint else []
        names += [cell.mark] if cell.mark else []
    return f' class="{" ".join(names)}"' if names else ""


def _raw_runs(runs: Sequence[Run]) -> str:
    """The runs as JSON, whole if small, else without their rows, else not at all."""
    for kept, rows in ((runs, "every request"), (tuple(map(_without_rows, runs)), "levels only")):
        block = _json({"schema": "servemark.runs/1", "runs": kept})
        if len(block) <= RAW_LIMIT_BYTES:
            return (
                f'<script type="application/json" id="runs">{block}</script>'
                f'<p class="raw"><button type="button" hidden>Save the runs as JSON</button> '
                f"The runs behind this page are part of this file ({rows})."
                "<noscript> They stand in its source, in the element with the id “runs”.</noscript></p>"
            )
    return '<p class="raw">The runs behind this page are too large to be part of it.</p>'


def _without_rows(run: Run) -> Run:
    levels = tuple(
        msgspec.structs.replace(level, requests=(), steps=(), samples=(), engine=()) for level in run.levels
    )  # fmt: skip
    return msgspec.structs.replace(run, levels=levels, controls=(), items=())
