"""What all charts share: the look, and the layers they are made of."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

from servemark.reports.page import Series
from servemark.reports.palette import GRID, INK, MUTED, PAPER
from servemark.reports.placement import Label
from servemark.reports.scales import Axis

Spec = dict[str, Any]

SCHEMA: Final = "https://vega.github.io/schema/vega-lite/v6.json"
FONT: Final = "system-ui, -apple-system, 'Segoe UI', 'Liberation Sans', Arial, sans-serif"
CONFIG: Final[Spec] = {
    "font": FONT,
    "view": {"stroke": None},
    "axis": {
        "domainColor": GRID, "gridColor": GRID, "tickColor": GRID, "tickSize": 4,
        "labelColor": MUTED, "labelFontSize": 11, "labelPadding": 4, "labelFlush": False,
        "labelOverlap": False, "titleColor": MUTED, "titleFontSize": 11, "titleFontWeight": "normal",
        "titlePadding": 8,
    },
    "text": {"fontSize": 11, "fill": INK},
}  # fmt: skip


def chart_spec(width: float, height: float, layers: Sequence[Spec]) -> Spec:
    """A layered chart of fixed size on a transparent ground."""
    return {
        "$schema": SCHEMA,
        "background": None,
        "config": CONFIG,
        "width": width,
        "height": height,
        "layer": list(layers),
    }


def position(x: Axis, y: Axis, *, x_grid: bool = False) -> Spec:
    """Encoding of fields `x` and `y` on two axes."""
    return {
        "x": {"field": "x", "type": "quantitative", "scale": x.scale(), "axis": x.axis(grid=x_grid)},
        "y": {
            "field": "y", "type": "quantitative", "scale": y.scale(),
            "axis": y.axis(grid=True, domain=False, ticks=False),
        },
    }  # fmt: skip


def line_layer(rows: Sequence[Spec], encoding: Spec, colour: str, width: float = 1.5,
               dash: Sequence[int] = ()) -> Spec:  # fmt: skip
    """A line through rows in order of load."""
    mark: Spec = {"type": "line", "stroke": colour, "strokeWidth": width, "clip": True}
    if dash:
        mark["strokeDash"] = list(dash)
    order = {"field": "load", "type": "quantitative"}
    return {"data": _values(rows, "x", "y", "load"), "mark": mark, "encoding": {**encoding, "order": order}}


def point_layer(rows: Sequence[Spec], encoding: Spec, series: Series, *, size: float = 46,
                faint: bool = False) -> Spec:  # fmt: skip
    """Marks of one run: filled when measured, hollow when predicted."""
    area = (
        size if series.filled else round(1.5 * size)
    )  # a filled mark on a hollow one leaves its rim visible
    mark: Spec = {
        "type": "point", "filled": True, "shape": series.shape, "size": area, "opacity": 1,
        "fill": series.colour if series.filled else PAPER, "stroke": series.colour, "strokeWidth": 1.5,
    }  # fmt: skip
    if faint:
        mark |= {"fill": GRID if series.filled else PAPER, "stroke": MUTED, "strokeWidth": 1}
    tip = {"field": "tip", "type": "nominal"}
    return {"data": _values(rows, "x", "y", "tip"), "mark": mark, "encoding": {**encoding, "tooltip": tip}}


def _values(rows: Sequence[Spec], *fields: str) -> Spec:
    """Inline data: only the fields that a layer draws."""
    return {"values": [{field: row[field] for field in fields} for row in rows]}


def text_layers(labels: Iterable[Label], *, align: str = "left") -> list[Spec]:
    """Texts at pixel positions; one layer per weight."""
    layers: list[Spec] = []
    by_weight: dict[bool, list[Spec]] = {}
    for each in labels:
        row = {"px": round(each.x, 1), "py": round(each.y, 1), "text": each.text, "colour": each.colour}
        by_weight.setdefault(each.bold, []).append(row)
    for bold, rows in by_weight.items():
        layers.append(
            {
                "data": {"values": rows},
                "mark": {
                    "type": "text", "align": align, "baseline": "middle",
                    "fontWeight": 600 if bold else "normal",
                },
                "encoding": {
                    "x": {"field": "px", "type": "quantitative", "scale": None, "axis": None},
                    "y": {"field": "py", "type": "quantitative", "scale": None, "axis": None},
                    "text": {"field": "text", "type": "nominal"},
                    "color": {"field": "colour", "type": "nominal", "scale": None},
                },
            }
        )  # fmt: skip
    return layers


def short(value: float) -> float:
    """Five digits: more than any pixel shows, and a smaller file."""
    return float(f"{value:.5g}")
