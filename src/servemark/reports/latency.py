"""Latency against load: percentiles with their intervals or bands, and the promises they are held to."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from servemark.domain.metrics import METRICS
from servemark.domain.run import Level, Run
from servemark.domain.workload import Slo, load_label, load_value
from servemark.reports.drawing import (
    Spec,
    chart_spec,
    line_layer,
    point_layer,
    position,
    short,
    text_layers,
)
from servemark.reports.figures import seconds_scale
from servemark.reports.labels import and_list, band_label, limit_label, load_axis, slo_label, value_label
from servemark.reports.page import Chart, Series
from servemark.reports.palette import INK, LIMIT
from servemark.reports.placement import Label, Wish, place, spread
from servemark.reports.scales import Axis, load_scale, value_axis
from servemark.reports.tables import without_interval

PANEL_PX = (330.0, 150.0)
NARROW_PX = (225.0, 145.0)
"""When three panels stand side by side."""
MOST_PANELS = 3
"""More subjects than these share one panel, of their p95 alone."""
PERCENTILES = {"p50": (1.0, ()), "p95": (2.0, ()), "p99": (1.0, (3, 3))}
"""How each percentile's line is drawn: width and dash."""
COMPARABLE = 5.0
"""Panels of one metric share their axis where the largest is at most so many times the smallest."""
LONGEST_NAME = 22
"""Characters of a name beside a chart."""

_Drawn = tuple[Run, Series]


def latency_charts(drawn: Sequence[_Drawn]) -> tuple[Chart, ...]:
    """TTFT and TPOT against load: a row of charts per metric, in it one per subject and kind of load.

    More than `MOST_PANELS` subjects are compared in one panel, by their p95.
    """
    panels: dict[tuple[str, str], list[_Drawn]] = {}
    for run, each in drawn:
        if run.levels:
            panels.setdefault((each.subject, load_axis(run.levels[0].load)), []).append((run, each))
    shown = tuple(PERCENTILES)
    if len(panels) > MOST_PANELS:
        shown = ("p95",)
        merged: dict[tuple[str, str], list[_Drawn]] = {}
        for (_, axis), panel in panels.items():
            merged.setdefault(("", axis), []).extend(panel)
        panels = merged
    charts: list[Chart] = []
    for key in ("ttft_s", "tpot_s"):
        spans = [_values(key, panel, shown) for panel in panels.values()]
        tops = [max(span) for span in spans if span]
        alike = bool(tops) and max(tops) <= COMPARABLE * min(tops)
        for i, (panel, span) in enumerate(zip(panels.values(), spans, strict=True)):
            values = [v for each in spans for v in each] if alike else span
            if span:
                charts.append(_latency_chart(key, panel, values, shown, i + 1, len(panels)))
    return tuple(charts)


def percentiles_shown(drawn: Sequence[_Drawn], charts: Sequence[Chart]) -> str:
    """How the charts of latency are to be read."""
    if any(" p95" in chart.title for chart in charts):
        lines = "p95 of every run; the other percentiles stand in the tables of levels."
    else:
        lines = "Bold: p95; thin: p50; dashed: p99."
    banded = any(level.bands for run, _ in drawn for level in run.levels)
    sampled = any(level.requests_sent for run, _ in drawn for level in run.levels)
    measured = any(run.origin == "measured" for run, _ in drawn)
    shaded = [
        words
        for words, shown in (
            ("80 % band of a predicted p95", banded),
            ("95 % intervals of measured values", measured),
        )
        if shown
    ]
    if shaded:
        lines += f" Shaded: {and_list(shaded)}."
    return lines + (" Points in grey have no 95 % interval." if sampled else "")


def _values(key: str, drawn: Sequence[_Drawn], shown: Sequence[str]) -> list[float]:
    """Every latency that a panel shows, in seconds."""
    levels = [(run, level) for run, _ in drawn for level in run.levels]
    points = [_percentile(level, key, p) for _, level in levels for p in shown]
    highs = [_ends(run, level, key, p)[1] for run, level in levels for p in shown]
    return [value for value in (*points, *highs) if value is not None]


def _latency_chart(
    key: str, drawn: Sequence[_Drawn], values: Sequence[float], shown: Sequence[str],
    number: int, panels: int,
) -> Chart:  # fmt: skip
    """One panel, its axis spanning `values` and every limit not far above them."""
    label = METRICS[key].label
    scale = seconds_scale(values)
    width, height = PANEL_PX if panels <= 2 else NARROW_PX
    slos = list(dict.fromkeys(s for run, _ in drawn for s in run.slos if s.metric == key))
    near = [s for s in slos if s.limit <= 3 * max(values)]
    loads = [load_value(level.load) for run, _ in drawn for level in run.levels]
    x = load_scale(loads, title=load_axis(drawn[0][0].levels[0].load), length_px=width)
    y = value_axis(
        [v / scale.factor for v in (*values, *(s.limit for s in near))],
        title=f"{label}, {scale.unit}", length_px=height,
    )  # fmt: skip
    encoding = position(x, y)
    rows = [(each, p, _latency_rows(run, key, p, scale.factor)) for run, each in drawn for p in shown]
    layers = [*_bands(rows, encoding), *_limits(near, encoding, y, scale.factor)]
    layers += [line_layer(points, encoding, each.colour, *PERCENTILES[p]) for each, p, points in rows]
    for each, p, points in rows:
        for faint in (False, True):
            some = [row for row in points if row["faint"] is faint]
            if some:
                size = 46 if p == "p95" else 22
                layers.append(point_layer(some, encoding, each, size=size, faint=faint))
    paths = [[(x.at(row["x"]), height - y.at(row["y"])) for row in points] for _, _, points in rows]
    ends = _end_labels(rows, y, width, subjects=len(shown) == 1)
    layers += text_layers([*ends, *_limit_labels(key, near, y, scale.factor, width, paths)])
    hidden = [slo_label(s) for s in slos if s not in near]
    several = panels > 1 or len(shown) == 1
    subjects = ", ".join(dict.fromkeys(each.name for _, each in drawn)) if len(shown) > 1 else ""
    return Chart(
        key=f"{label.lower()}-{number}",
        title=f"{label}: {subjects}" if several and subjects else " ".join((label, *shown[:several])),
        caption=f"Above the chart: {', '.join(hidden)}." if hidden else "",
        text=f"{label} at each load stands in the table of levels.",
        spec=chart_spec(width, height, layers),
    )


def _percentile(level: Level, key: str, p: str) -> float | None:
    found = level.metrics.get(key)
    return getattr(found, p) if found is not None else None


def _ends(run: Run, level: Level, key: str, p: str) -> tuple[float | None, float | None]:
    """Of a measurement its 95 % interval; of a prediction, whose samples say little, the 80 % band of p95."""
    found = level.metrics.get(key)
    if found is None or (run.origin == "predicted" and p != "p95"):
        return None, None
    return (found.band if run.origin == "predicted" else found.ci).get(p) or (None, None)


def _latency_rows(run: Run, key: str, p: str, factor: float) -> list[Spec]:
    rows: list[Spec] = []
    words = "80 % band" if run.origin == "predicted" else "95 % interval"
    for level in sorted(run.levels, key=lambda level: load_value(level.load)):
        value = _percentile(level, key, p)
        if value is None:
            continue
        low, high = _ends(run, level, key, p)
        label = f"{METRICS[key].label} {p} at {load_label(level.load)}: {value_label(key, value)}"
        row: Spec = {"x": load_value(level.load), "y": short(value / factor), "load": load_value(level.load),
                     "faint": without_interval(level.metrics[key], p)}  # fmt: skip
        if low is not None and high is not None:
            row |= {"low": short(low / factor), "high": short(high / factor)}
            label += f" ({words}: {band_label(key, (low, high))})"
        rows.append({**row, "tip": label})
    return rows


def _bands(rows: Sequence[tuple[Series, str, list[Spec]]], encoding: Spec) -> list[Spec]:
    """Intervals and bands: an area where neighbouring loads have one, else a bar."""
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
    values = [{"y": short(s.limit / factor)} for s in slos if s.limit / factor <= y.high]
    return [{"data": {"values": values}, "mark": mark, "encoding": {"y": encoding["y"]}}] if values else []


def _limit_labels(
    key: str, slos: Sequence[Slo], y: Axis, factor: float, width: float,
    paths: Sequence[Sequence[tuple[float, float]]],
) -> list[Label]:  # fmt: skip
    """Each promise beside its line, clear of points and curves where there is room."""
    marks = [mark for path in paths for mark in path]
    lines = [(*a, *b) for path in paths for a, b in pairwise(path)]
    found: list[Label] = []
    for slo in slos:
        at = y.length_px - y.at(slo.limit / factor)
        spots = tuple((px, py) for py in (at - 8, at + 9) for px in (4.0, -4.0))
        wish = Wish(text=f"{slo.statistic} ≤ {limit_label(key, slo.limit)}", spots=spots, colour=LIMIT)
        taken = [*marks, *((label.x + label.width_px / 2, label.y) for label in found)]
        free = place([wish], taken, width, y.length_px, lines)
        found.append(free[0] if free else wish.labels(width)[0])
    return found


def _end_labels(
    rows: Sequence[tuple[Series, str, list[Spec]]], y: Axis, width: float, *, subjects: bool
) -> list[Label]:
    """Which line is which, right of its last point; of equal ones the highest percentile on top."""
    several = len({each.label for each, _, _ in rows}) > 1
    ends = [(each, p, points[-1]) for each, p, points in reversed(rows) if points]
    moved = spread([y.length_px - y.at(row["y"]) for _, _, row in ends], gap=13, high=y.length_px)
    return [
        Label(text=f"{each.glyph} {_clipped(each.name) if subjects else p}" if several else p,
              x=width + 6, y=py, colour=each.colour if several else INK, bold=p == "p95")
        for (each, p, _), py in zip(ends, moved, strict=True)
    ]  # fmt: skip


def _clipped(name: str) -> str:
    """A name that fits beside a chart."""
    return name if len(name) <= LONGEST_NAME else f"{name[: LONGEST_NAME - 1]}…"
