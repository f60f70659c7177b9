"""What became of the requests of a suite, and how much worse answers are than alone: two charts."""

from __future__ import annotations

import math
from collections.abc import Sequence

from servemark.domain.quality import LevelQuality
from servemark.domain.run import OUTCOMES, Level, Run
from servemark.domain.workload import load_label, load_value
from servemark.reports.bars import FAILURE_COLOURS, FAILURES_PX, ROW_PX, bar_layer, key_layers
from servemark.reports.drawing import Spec, chart_spec, point_layer, position, text_layers
from servemark.reports.labels import load_axis, percent
from servemark.reports.page import Chart, Series
from servemark.reports.palette import INK, LIMIT, MUTED, PARTS, REGION
from servemark.reports.placement import Label
from servemark.reports.scales import Axis, load_scale

USEFUL, DEFECTIVE = "useful", "complete, with a defect"
COLOURS = {
    USEFUL: PARTS[2],
    DEFECTIVE: LIMIT,
    **{k.replace("_", " "): c for k, c in FAILURE_COLOURS.items()},
}
PANEL_PX = (330.0, 170.0)
MOST_STEPS = 6


def judged_levels(run: Run) -> list[tuple[Level, LevelQuality]]:
    """Levels with answers to a suite, by load."""
    found = [(level, level.quality) for level in run.levels if level.quality is not None]
    return sorted(found, key=lambda pair: load_value(pair[0].load))


def outcome_parts(level: Level, quality: LevelQuality) -> dict[str, int]:
    """How many requests of a level ended in each way; they add up to those sent."""
    failed = {k.replace("_", " "): level.outcomes.get(k, 0) for k in OUTCOMES[1:]}
    return {USEFUL: quality.useful, DEFECTIVE: quality.complete - quality.useful, **failed}


def outcome_chart(run: Run, series: Series, name: str) -> Chart:
    """One bar per load, all requests sent: useful, defective, and failed by kind."""
    rows: list[Spec] = []
    texts: list[Label] = []
    judged = judged_levels(run)
    names = [load_label(level.load) for level, _ in judged]
    for i, (level, quality) in enumerate(judged):
        start, sent = 0.0, max(1, level.requests_sent)
        for part, count in outcome_parts(level, quality).items():
            if not count:
                continue
            end = start + 100 * count / sent
            tip = f"{names[i]}: {count:,} {part} of {level.requests_sent:,}"
            rows.append({"level": names[i], "start": round(start, 3), "end": round(end, 3),
                         "colour": COLOURS[part], "tip": tip})  # fmt: skip
            start = end
        useful = percent(quality.useful / sent)
        texts.append(Label(text=f"{useful} useful: {quality.useful:,} of {level.requests_sent:,}",
                           x=FAILURES_PX + 8, y=ROW_PX * (i + 0.5), colour=INK))  # fmt: skip
    ticks = (0.0, 25.0, 50.0, 75.0, 100.0)
    axis = Axis(
        title="% of requests sent", kind="linear", low=0.0, high=100.0, ticks=ticks, length_px=FAILURES_PX
    )
    bars = bar_layer(rows, axis, "level", names)
    seen = {row["colour"] for row in rows}
    key = {part: colour for part, colour in COLOURS.items() if colour in seen}
    return Chart(
        key=name,
        title=f"What became of the requests: {series.label}",
        caption="Useful: complete, and no check found a defect above minor.",
        text="; ".join(f"{n}: {t.text}" for n, t in zip(names, texts, strict=True)) + ".",
        spec=chart_spec(
            FAILURES_PX, ROW_PX * len(names), [bars, *key_layers(key), *text_layers(texts)]
        ),
    )  # fmt: skip


def loss_chart(run: Run, series: Series, name: str) -> Chart | None:
    """Paired loss of useful answers against the same items alone, with intervals, margin and noise floor."""
    points = [
        (level, quality.loss_ratio, quality.loss_interval)
        for level, quality in judged_levels(run)
        if quality.loss_ratio is not None
    ]
    if not points or run.quality is None:
        return None
    margin, width, height = 100 * run.quality.margin_ratio, *PANEL_PX
    ends = [100 * end for _, loss, interval in points for end in (loss, *(interval or ()))]
    noise = _noise(run)
    x = load_scale([load_value(level.load) for level, _, _ in points],
                   title=load_axis(points[0][0].load), length_px=width)  # fmt: skip
    y = points_axis([*ends, margin, *(noise or ())], title="loss against alone, points", length_px=height)
    encoding = position(x, y)
    layers: list[Spec] = []
    if noise is not None:
        layers.append(_strip(noise, x, encoding, REGION))
    layers.append(_rule(0.0, x, encoding, MUTED, ()))
    layers.append(_rule(margin, x, encoding, LIMIT, (4, 3)))
    for level, _, interval in points:
        if interval is not None:
            layers.append(_whisker(load_value(level.load), interval, encoding, series.colour))
    rows = [
        {"x": load_value(level.load), "y": round(100 * loss, 3), "tip": _loss_tip(level, loss, interval)}
        for level, loss, interval in points
    ]
    layers.append(point_layer(rows, encoding, series))
    word = Label(text=f"margin {margin:g} points", x=4, y=height - y.at(margin) - 8, colour=LIMIT)
    caption = "Bars: 95 % intervals of the paired difference. Above 0 is worse than alone."
    if noise is not None:
        caption += " Shaded: the same load measured twice (A/A)."
    return Chart(
        key=name,
        title=f"Loss of useful answers: {series.label}",
        caption=caption,
        text=" ".join(row["tip"] + "." for row in rows),
        spec=chart_spec(width, height, [*layers, *text_layers([word])]),
    )


def points_axis(values: Sequence[float], *, title: str, length_px: float) -> Axis:
    """A linear axis that may reach below zero, in round steps."""
    low, high = min(0.0, *values), max(0.0, *values)
    rough = (high - low or 1.0) / MOST_STEPS
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(m * power for m in (1, 2, 5, 10) if m * power >= rough * 0.999)
    first, last = math.floor(low / step), math.ceil(high / step)
    ticks = tuple(float(f"{i * step:.6g}") for i in range(first, last + 1))
    return Axis(title=title, kind="linear", low=ticks[0], high=ticks[-1], ticks=ticks, length_px=length_px)


def _noise(run: Run) -> tuple[float, float] | None:
    """Interval of the highest load against itself, in points."""
    found = next((c for c in run.quality.controls if c.kind == "noise"), None) if run.quality else None
    if found is None or found.difference_interval is None:
        return None
    return 100 * found.difference_interval[0], 100 * found.difference_interval[1]


def _loss_tip(level: Level, loss: float, interval: tuple[float, float] | None) -> str:
    words = f"{load_label(level.load)}: {points_label(loss)}"
    return words + (f" ({interval_label(interval)})" if interval else "")


def points_label(ratio: float) -> str:
    """A difference of two shares: `+2.5 points`, `0 points`."""
    value = 100 * ratio
    return "0 points" if abs(value) < 0.05 else f"{value:+.1f} points"


def interval_label(interval: tuple[float, float]) -> str:
    """`-0.8 to +3.1`, in points."""
    return f"{100 * interval[0]:+.1f} to {100 * interval[1]:+.1f}"


def _strip(ends: tuple[float, float], x: Axis, encoding: Spec, colour: str) -> Spec:
    rows = [{"x": x.low, "x2": x.high, "y": ends[0], "y2": ends[1]}]
    return {
        "data": {"values": rows},
        "mark": {"type": "rect", "fill": colour, "opacity": 1},
        "encoding": {**encoding, "x2": {"field": "x2"}, "y2": {"field": "y2"}},
    }


def _rule(y: float, x: Axis, encoding: Spec, colour: str, dash: tuple[int, ...]) -> Spec:
    mark: Spec = {"type": "rule", "stroke": colour, "strokeWidth": 1}
    if dash:
        mark["strokeDash"] = list(dash)
    return {
        "data": {"values": [{"x": x.low, "x2": x.high, "y": y}]},
        "mark": mark,
        "encoding": {**encoding, "x2": {"field": "x2"}},
    }


def _whisker(x: float, interval: tuple[float, float], encoding: Spec, colour: str) -> Spec:
    low, high = (round(100 * end, 3) for end in interval)
    return {
        "data": {"values": [{"x": x, "y": low, "y2": high}]},
        "mark": {"type": "rule", "stroke": colour, "strokeWidth": 1.5},
        "encoding": {**encoding, "y2": {"field": "y2"}},
    }
