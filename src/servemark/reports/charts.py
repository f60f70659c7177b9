"""The two charts of load: throughput per GPU against interactivity, and latency against load."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from math import dist

from servemark.domain.metrics import METRICS
from servemark.domain.run import Level, Run
from servemark.domain.workload import Slo, load_label, load_value
from servemark.reports.drawing import Spec, chart_spec, line_layer, point_layer, position, text_layers
from servemark.reports.figures import seconds_scale
from servemark.reports.labels import limit_label, load_axis, short_load, slo_label, value_label
from servemark.reports.page import Chart, Series
from servemark.reports.palette import INK, LIMIT, MUTED, REGION
from servemark.reports.placement import Label, Wish, place, spread
from servemark.reports.scales import Axis, load_scale, value_axis
from servemark.reports.tables import without_interval
from servemark.units import format_rate

COVER_PX = (400.0, 235.0)
PANEL_PX = (330.0, 150.0)
NARROW_PX = (225.0, 145.0)
"""Latency panels, when three or more stand side by side."""
PERCENTILES = {"p50": (1.0, ()), "p95": (2.0, ()), "p99": (1.0, (3, 3))}
"""How each percentile's line is drawn: width and dash."""

NEAR_PX = 16.0
"""Points of the same load this close share one label."""
COMPARABLE = 5.0
"""Panels of one metric share their axis where the largest is at most so many times the smallest."""

_Drawn = tuple[Run, Series]


def interactivity_chart(drawn: Sequence[_Drawn]) -> Chart | None:
    """Output tokens per second and GPU against tokens per second and user.

    Interactivity is 1 / TPOT p50. Where the number of GPUs of a run is unknown, throughput is that of
    the whole endpoint, for every run alike.
    """
    gpus = {each.subject: run.gpus for run, each in drawn if run.gpus}
    per_gpu = all(each.subject in gpus for _, each in drawn)
    rows = [
        (run, each, _interactivity_rows(run, gpus[each.subject] if per_gpu else None))
        for run, each in drawn
    ]
    rows = [(run, each, points) for run, each, points in rows if points]
    if not rows:
        return None
    limits = [s.limit for run, _, _ in rows for s in run.slos if s.metric == "tpot_s" and s.limit > 0]
    values = [row["x"] for _, _, points in rows for row in points]
    width, height = COVER_PX
    y_title = "output tok/s per GPU" if per_gpu else "output tok/s"
    x = value_axis([*values, *(1 / v for v in limits)], title="output tok/s per user", length_px=width)
    y = value_axis([r["y"] for _, _, points in rows for r in points], title=y_title, length_px=height)
    encoding = position(x, y, x_grid=True)
    layers: list[Spec] = _region(min(limits), encoding, x) if limits else []
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
    caption = "Each point is one load; up is cheaper, right is faster for the user."
    if any(run.capacity and run.capacity.load for run, _, _ in rows):
        caption += " The ring marks the capacity."
    if limits:
        caption += " Shaded: TPOT p50 within its promise."
    if not per_gpu:
        caption += " Throughput is of the whole endpoint: not every run says how many GPUs it had."
    text = " ".join(_interactivity_text(each, points, y_title) for _, each, points in rows)
    return Chart(
        key="interactivity", title="Throughput against interactivity", caption=caption, text=text,
        spec=chart_spec(width, height, layers),
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
            {"x": _short(x), "y": _short(y), "load": load_value(level.load), "tip": tip,
             "name": short_load(level.load), "full": load_label(level.load)}
        )  # fmt: skip
    return rows


def _chosen(run: Run, points: Sequence[Spec]) -> list[Spec]:
    """The point of the capacity."""
    load = run.capacity.load if run.capacity else None
    return [] if load is None else [row for row in points if row["full"] == load_label(load)]


def _region(limit_s: float, encoding: Spec, x: Axis) -> list[Spec]:
    values = [{"x": _short(1 / limit_s), "end": x.high}]
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
    for run, each, points in rows:
        at = [(x.at(row["x"]), y.length_px - y.at(row["y"])) for row in points]
        marks += at
        lines += [(*a, *b) for a, b in pairwise(at)]
        chosen = _chosen(run, points)
        if len(rows) > 1:
            names.append(Wish(text=each.label, marks=tuple(reversed(at)), colour=each.colour, bold=True))
        for row, mark in zip(points, at, strict=True):
            if row in chosen:
                rings.append(Wish(text=row["full"], marks=(mark,), colour=each.colour, bold=True))
            elif not any(row["name"] == w.text and dist(mark, w.marks[0]) < NEAR_PX for w in loads):
                whole = len(rows) == 1 and (row is points[0] or row is points[-1])
                loads.append(Wish(text=row["full" if whole else "name"], marks=(mark,), colour=MUTED))
    region: list[Wish] = []
    if limits:
        left = x.at(1 / min(limits)) + 8
        spots = tuple((px, py) for py in (y.length_px - 14, 14, y.length_px / 2) for px in (left, -8))
        text = f"TPOT ≤ {limit_label('tpot_s', min(limits))}"
        region.append(Wish(text=text, spots=spots, colour=MUTED))
    return place([*rings, *names, *region, *loads], marks, x.length_px, y.length_px, lines)


def _interactivity_text(series: Series, points: Sequence[Spec], y_title: str) -> str:
    listed = "; ".join(row["tip"] for row in points)
    return f"{series.glyph} {series.label} ({y_title}): {listed}."


def latency_charts(drawn: Sequence[_Drawn]) -> tuple[Chart, ...]:
    """TTFT and TPOT against load: a row of charts per metric, in it one per subject and kind of load."""
    panels: dict[tuple[str, str], list[_Drawn]] = {}
    for run, each in drawn:
        if run.levels:
            panels.setdefault((each.subject, load_axis(run.levels[0].load)), []).append((run, each))
    charts: list[Chart] = []
    for key in ("ttft_s", "tpot_s"):
        spans = [_values(key, panel) for panel in panels.values()]
        tops = [max(span) for span in spans if span]
        alike = bool(tops) and max(tops) <= COMPARABLE * min(tops)
        for i, (panel, span) in enumerate(zip(panels.values(), spans, strict=True)):
            values = [v for each in spans for v in each] if alike else span
            if span:
                charts.append(_latency_chart(key, panel, values, i + 1, len(panels)))
    return tuple(charts)


def _values(key: str, drawn: Sequence[_Drawn]) -> list[float]:
    """Every latency that a panel shows, in seconds."""
    levels = [level for run, _ in drawn for level in run.levels]
    points = [_percentile(level, key, p) for level in levels for p in PERCENTILES]
    highs = [_interval(level, key, p)[1] for level in levels for p in PERCENTILES]
    return [value for value in (*points, *highs) if value is not None]


def _latency_chart(
    key: str, drawn: Sequence[_Drawn], values: Sequence[float], number: int, panels: int
) -> Chart:
    """One panel, its axis spanning `values` and every limit not far above them."""
    label = METRICS[key].label
    scale = seconds_scale(values)
    width, height = PANEL_PX if panels <= 2 else NARROW_PX
    slos = list(dict.fromkeys(s for run, _ in drawn for s in run.slos if s.metric == key))
    shown = [s for s in slos if s.limit <= 3 * max(values)]
    loads = [load_value(level.load) for run, _ in drawn for level in run.levels]
    x = load_scale(loads, title=load_axis(drawn[0][0].levels[0].load), length_px=width)
    y = value_axis(
        [v / scale.factor for v in (*values, *(s.limit for s in shown))],
        title=f"{label}, {scale.unit}", length_px=height,
    )  # fmt: skip
    encoding = position(x, y)
    rows = [
        (each, p, _latency_rows(run, key, p, scale.factor)) for run, each in drawn for p in PERCENTILES
    ]  # fmt: skip
    layers = [*_bands(rows, encoding), *_limits(shown, encoding, y, scale.factor)]
    layers += [line_layer(points, encoding, each.colour, *PERCENTILES[p]) for each, p, points in rows]
    for each, p, points in rows:
        for faint in (False, True):
            some = [row for row in points if row["faint"] is faint]
            if some:
                size = 46 if p == "p95" else 22
                layers.append(point_layer(some, encoding, each, size=size, faint=faint))
    layers += text_layers([*_end_labels(rows, y, width), *_limit_labels(key, shown, y, scale.factor)])
    hidden = [slo_label(s) for s in slos if s not in shown]
    name = drawn[0][1].name
    return Chart(
        key=f"{label.lower()}-{number}",
        title=f"{label}: {name}" if panels > 1 else label,
        caption=f"Above the chart: {', '.join(hidden)}." if hidden else "",
        text=f"{label} at each load stands in the table of levels.",
        spec=chart_spec(width, height, layers),
    )


def _percentile(level: Level, key: str, p: str) -> float | None:
    found = level.metrics.get(key)
    return getattr(found, p) if found is not None else None


def _interval(level: Level, key: str, p: str) -> tuple[float | None, float | None]:
    found = level.metrics.get(key)
    return (found.ci.get(p) if found is not None else None) or (None, None)


def _latency_rows(run: Run, key: str, p: str, factor: float) -> list[Spec]:
    rows: list[Spec] = []
    for level in sorted(run.levels, key=lambda level: load_value(level.load)):
        value = _percentile(level, key, p)
        if value is None:
            continue
        low, high = _interval(level, key, p)
        label = f"{METRICS[key].label} {p} at {load_label(level.load)}: {value_label(key, value)}"
        row: Spec = {"x": load_value(level.load), "y": _short(value / factor), "load": load_value(level.load),
                     "faint": without_interval(level.metrics[key], p)}  # fmt: skip
        if low is not None and high is not None:
            row |= {"low": _short(low / factor), "high": _short(high / factor)}
            label += f" (95 %: {value_label(key, low)} to {value_label(key, high)})"
        rows.append({**row, "tip": label})
    return rows


def _bands(rows: Sequence[tuple[Series, str, list[Spec]]], encoding: Spec) -> list[Spec]:
    """Intervals: a band where neighbouring loads have one, a bar at each load."""
    layers: list[Spec] = []
    for each, _, points in rows:
        if not any("low" in row for row in points):
            continue
        y = {**encoding["y"], "field": "low"}
        shared = {"x": encoding["x"], "y": y, "y2": {"field": "high"}}
        band = {"type": "area", "fill": each.colour, "opacity": 0.13, "line": False}
        bar = {"type": "rule", "stroke": each.colour, "strokeWidth": 1, "opacity": 0.55}
        for run in _stretches(points):
            mark = band if len(run) > 1 else bar
            layers.append({"data": {"values": run}, "mark": mark, "encoding": shared})
    return layers


def _stretches(points: Sequence[Spec]) -> list[list[Spec]]:
    """Neighbouring rows that all have an interval."""
    found: list[list[Spec]] = [[]]
    for row in points:
        if "low" in row:
            found[-1].append({name: row[name] for name in ("x", "low", "high")})
        elif found[-1]:
            found.append([])
    return [run for run in found if run]


def _limits(slos: Sequence[Slo], encoding: Spec, y: Axis, factor: float) -> list[Spec]:
    mark = {"type": "rule", "stroke": LIMIT, "strokeWidth": 1, "strokeDash": [6, 3]}
    values = [{"y": _short(s.limit / factor)} for s in slos if s.limit / factor <= y.high]
    return [{"data": {"values": values}, "mark": mark, "encoding": {"y": encoding["y"]}}] if values else []


def _limit_labels(key: str, slos: Sequence[Slo], y: Axis, factor: float) -> list[Label]:
    at = [y.length_px - y.at(s.limit / factor) - 8 for s in slos]
    moved = spread(at, gap=13, high=y.length_px)
    return [
        Label(text=f"{s.statistic} ≤ {limit_label(key, s.limit)}", x=4, y=py, colour=LIMIT)
        for s, py in zip(slos, moved, strict=True)
    ]  # fmt: skip


def _end_labels(rows: Sequence[tuple[Series, str, list[Spec]]], y: Axis, width: float) -> list[Label]:
    """Which line is which, right of its last point."""
    several = len({each.label for each, _, _ in rows}) > 1
    ends = [(each, p, points[-1]) for each, p, points in rows if points]
    moved = spread([y.length_px - y.at(row["y"]) for _, _, row in ends], gap=13, high=y.length_px)
    return [
        Label(text=f"{each.glyph} {p}" if several else p, x=width + 6, y=py,
              colour=each.colour if several else INK, bold=p == "p95")
        for (each, p, _), py in zip(ends, moved, strict=True)
    ]  # fmt: skip


def _short(value: float) -> float:
    """Five digits: more than any pixel shows, and a smaller file."""
    return float(f"{value:.5g}")
