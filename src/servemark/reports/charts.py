"""The chart of the field: throughput per GPU against interactivity."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from math import dist

from servemark.domain.run import Distribution, Level, Run
from servemark.domain.workload import load_label, load_value
from servemark.reports.drawing import (
    Spec,
    chart_spec,
    line_layer,
    point_layer,
    position,
    short,
    text_layers,
)
from servemark.reports.labels import limit_label, short_load
from servemark.reports.page import Chart, Series
from servemark.reports.palette import MUTED, REGION
from servemark.reports.placement import Label, Wish, place
from servemark.reports.scales import Axis, value_axis
from servemark.units import format_rate

COVER_PX = (400.0, 235.0)
NARROW_PX = (225.0, 190.0)
"""When three charts stand side by side."""
NEAR_PX = 16.0
"""Points of the same load this close share one label."""
UNLIKE = 10.0
"""Subjects whose best interactivity differs by more than this factor go on charts of their own."""

_Drawn = tuple[Run, Series]


def interactivity_charts(drawn: Sequence[_Drawn], *, narrow: bool = False) -> tuple[Chart, ...]:
    """Output tokens per second and GPU against tokens per second and user; one chart for subjects alike.

    Interactivity is 1 / TPOT p50. Where the number of GPUs of a run is unknown, throughput is that of
    the whole endpoint, for every run of its chart alike.
    """
    panels = _alike(drawn)
    return tuple(
        _interactivity_chart(panel, i + 1, alone=len(panels) == 1, narrow=narrow)
        for i, panel in enumerate(panels)
    )


def _alike(drawn: Sequence[_Drawn]) -> list[list[_Drawn]]:
    """Runs with points, in panels whose subjects' best interactivity lies within `UNLIKE` of each other."""
    fastest: dict[str, float] = {}
    for run, each in drawn:
        for row in _interactivity_rows(run, None):
            fastest[each.subject] = max(row["x"], fastest.get(each.subject, 0.0))
    panels: list[list[str]] = []
    for subject, mine in fastest.items():
        near = (p for p in panels if all(1 / UNLIKE <= mine / fastest[other] <= UNLIKE for other in p))
        panel = next(near, None)
        if panel is None:
            panels.append([subject])
        else:
            panel.append(subject)
    return [
        [(run, each) for run, each in drawn if each.subject in panel and _interactivity_rows(run, None)]
        for panel in panels
    ]


def _interactivity_chart(drawn: Sequence[_Drawn], number: int, *, alone: bool, narrow: bool) -> Chart:
    gpus = {each.subject: run.gpus for run, each in drawn if run.gpus}
    per_gpu = all(each.subject in gpus for _, each in drawn)
    rows = [
        (run, each, _interactivity_rows(run, gpus[each.subject] if per_gpu else None))
        for run, each in drawn
    ]
    limits = [s.limit for run, _, _ in rows for s in run.slos if s.metric == "tpot_s" and s.limit > 0]
    values = [x for _, _, points in rows for row in points for x, _ in (*row["ends"], (row["x"], 0))]
    width, height = NARROW_PX if narrow else COVER_PX
    y_title = "output tok/s per GPU" if per_gpu else "output tok/s"
    x = value_axis(
        [*values, *(1 / v for v in limits)], title="output tok/s per user", length_px=width, lies=True
    )
    heights = [y for _, _, points in rows for row in points for _, y in (*row["ends"], (0, row["y"]))]
    y = value_axis(heights, title=y_title, length_px=height)
    encoding = position(x, y, x_grid=True)
    layers: list[Spec] = _region(min(limits), encoding, x) if limits else []
    layers += [_band_layer(points, encoding, each.colour) for _, each, points in rows if points[0]["ends"]]
    for run, each, points in rows:
        layers.append(line_layer(points, encoding, each.colour))
        chosen = _chosen(run, points)
        if chosen:
            ring = {"type": "point", "filled": False, "size": 260, "stroke": each.colour, "strokeWidth": 2}
            layers.append(
                {
                    "data": {"values": [{"x": row["x"], "y": row["y"]} for row in chosen]},
                    "mark": {**ring, "opacity": 1},
                    "encoding": encoding,
                }
            )
        layers.append(point_layer(points, encoding, each))
    layers += text_layers(_interactivity_labels(rows, x, y, limits))
    names = ", ".join(dict.fromkeys(each.name for each in (each for _, each in drawn)))
    caption = "Each point is one load; up is cheaper, right is faster for the user." if number == 1 else ""
    if number == 1 and any(run.capacity and run.capacity.load for run, _, _ in rows):
        caption += " The ring marks the capacity."
    if any(points[0]["ends"] for _, _, points in rows):
        caption += " Around predictions: their 80 % band."
    if limits:
        caption += " Shaded: TPOT p50 within its promise."
    if not per_gpu:
        caption += " Throughput of the whole endpoint: how many GPUs it has is not known."
    text = " ".join(_interactivity_text(each, points, y_title) for _, each, points in rows)
    title = "Throughput against interactivity"
    return Chart(
        key="interactivity" if number == 1 else f"interactivity-{number}",
        title=title if alone else f"Throughput: {names}" if narrow else f"{title}: {names}",
        caption=caption.strip(), text=text, spec=chart_spec(width, height, layers),
    )  # fmt: skip


def _interactivity_rows(run: Run, gpus: int | None) -> list[Spec]:
    rows: list[Spec] = []
    for level in sorted(run.levels, key=lambda level: load_value(level.load)):
        tpot = level.metrics.get("tpot_s")
        if tpot is None or not tpot.p50 or not level.output_tokens_per_s:
            continue
        x = 1 / tpot.p50
        y = level.output_tokens_per_s / (gpus or 1)
        unit = "tok/s per GPU" if gpus else "tok/s"
        tip = f"{load_label(level.load)}: {format_rate(x, 'tok/s per user')}, {format_rate(y, unit)}"
        rows.append(
            {"x": short(x), "y": short(y), "load": load_value(level.load), "tip": tip,
             "name": short_load(level.load), "full": load_label(level.load),
             "ends": _ends(tpot, level, gpus or 1)}
        )  # fmt: skip
    return rows


def _ends(tpot: Distribution, level: Level, gpus: int) -> list[tuple[float, float]]:
    """The point at the slow and at the fast end of its band; none where nothing was predicted."""
    times, rates = tpot.band.get("p50"), level.bands.get("output_tokens_per_s")
    if times is None or rates is None:
        return []
    return [
        (short(1 / time_s), short(rate / gpus)) for time_s, rate in zip(times[::-1], rates, strict=True)
    ]


def _band_layer(points: Sequence[Spec], encoding: Spec, colour: str) -> Spec:
    """The area between the curve at the slow and at the fast end: along the one, back along the other."""
    banded = [row["ends"] for row in points if row["ends"]]
    outline = [*(slow for slow, _ in banded), *(fast for _, fast in reversed(banded))]
    values = [{"x": x, "y": y, "load": i} for i, (x, y) in enumerate(outline)]
    mark = {"type": "line", "fill": colour, "fillOpacity": 0.13, "stroke": None, "clip": True}
    order = {"field": "load", "type": "quantitative"}
    return {"data": {"values": values}, "mark": mark, "encoding": {**encoding, "order": order}}


def _chosen(run: Run, points: Sequence[Spec]) -> list[Spec]:
    """The point of the capacity."""
    load = run.capacity.load if run.capacity else None
    return [] if load is None else [row for row in points if row["full"] == load_label(load)]


def _region(limit_s: float, encoding: Spec, x: Axis) -> list[Spec]:
    values = [{"x": short(1 / limit_s), "end": x.high}]
    return [
        {
            "data": {"values": values},
            "mark": {"type": "rect", "fill": REGION, "opacity": 1},
            "encoding": {"x": encoding["x"], "x2": {"field": "end"}},
        }
    ]


def _interactivity_labels(
    rows: Sequence[tuple[Run, Series, list[Spec]]], x: Axis, y: Axis, limits: Sequence[float]
) -> tuple[Label, ...]:
    """Chosen points first, then run names, the region, and loads; what finds no room is left out."""
    names: list[Wish] = []
    rings: list[Wish] = []
    loads: list[Wish] = []
    marks: list[tuple[float, float]] = []
    lines: list[tuple[float, float, float, float]] = []
    several = len({each.subject for _, each, _ in rows}) > 1
    for run, each, points in rows:
        at = [(x.at(row["x"]), y.length_px - y.at(row["y"])) for row in points]
        marks += at
        lines += [(*a, *b) for a, b in pairwise(at)]
        chosen = _chosen(run, points)
        if len(rows) > 1:
            text = each.label if several else each.label.removeprefix(f"{each.name}, ")
            names.append(Wish(text=text, marks=tuple(reversed(at)), colour=each.colour, bold=True))
        for row, mark in zip(points, at, strict=True):
            if row in chosen:
                rings.append(Wish(text=row["full"], marks=(mark,), colour=each.colour, bold=True))
            elif not any(row["name"] == w.text and dist(mark, w.marks[0]) < NEAR_PX for w in loads):
                whole = len(rows) == 1 and (row is points[0] or row is points[-1])
                loads.append(Wish(text=row["full" if whole else "name"], marks=(mark,), colour=MUTED))
    region: list[Wish] = []
    if limits:
        left = x.at(1 / min(limits)) + 4
        spots = tuple((px, py) for py in (y.length_px - 14, 14, y.length_px / 2) for px in (left, -8))
        text = f"TPOT ≤ {limit_label('tpot_s', min(limits))}"
        region.append(Wish(text=text, spots=spots, colour=MUTED))
    return place([*rings, *names, *region, *loads], marks, x.length_px, y.length_px, lines)


def _interactivity_text(series: Series, points: Sequence[Spec], y_title: str) -> str:
    listed = "; ".join(row["tip"] for row in points)
    return f"{series.glyph} {series.label} ({y_title}): {listed}."
