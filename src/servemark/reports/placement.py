"""Puts labels beside marks without overlap. A label that finds no room is left out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from servemark.domain.record import Record

CHARACTER_PX = 6.0
LINE_PX = 13.0


class Label(Record, frozen=True, kw_only=True):
    """A text and the mark it belongs to; after placing, the left end and middle of the text."""

    text: str
    x: float
    y: float
    colour: str
    bold: bool = False


def place(labels: Sequence[Label], marks: Iterable[tuple[float, float]], width: float, height: float,
          lines: Iterable[tuple[float, float, float, float]] = ()) -> tuple[Label, ...]:  # fmt: skip
    """Labels in order of importance, each at the first free place around its mark.

    Args:
        labels: `x`, `y` are the mark's pixels from the upper left corner of the plot.
        marks: every mark to keep clear of.
        width: of the plot; labels stay inside.
        height: of the plot.
        lines: segments (x1, y1, x2, y2) to avoid where another place is free.
    """
    segments = list(lines)
    solid = [(x - 5, y - 5, x + 5, y + 5) for x, y in marks]
    placed: list[Label] = []
    for label in labels:
        long = CHARACTER_PX * len(label.text) * (1.08 if label.bold else 1.0)
        boxes = [
            (x, y - LINE_PX / 2, x + long, y + LINE_PX / 2)
            for x, y in _around(label.x, label.y, long)
            if x >= 0 and x + long <= width and LINE_PX / 2 <= y <= height - LINE_PX / 2
        ]
        free = [box for box in boxes if not any(_overlap(box, other) for other in solid)]
        if not free:
            continue
        box = min(free, key=lambda box: sum(_crosses(box, line) for line in segments))
        solid.append(box)
        placed.append(
            Label(text=label.text, x=box[0], y=(box[1] + box[3]) / 2, colour=label.colour, bold=label.bold)
        )
    return tuple(placed)


def spread(positions: Sequence[float], *, gap: float, high: float) -> list[float]:
    """Moves positions apart to at least `gap`, as little as possible, within 0..high; order kept."""
    order = sorted(range(len(positions)), key=lambda i: positions[i])
    moved = [0.0] * len(positions)
    clusters: list[tuple[list[int], float]] = []
    for i in order:
        members, centre = [i], positions[i]
        while clusters and clusters[-1][1] + gap * (len(clusters[-1][0]) + len(members)) / 2 > centre:
            members = clusters.pop()[0] + members
            centre = sum(positions[k] for k in members) / len(members)
            half = gap * (len(members) - 1) / 2
            centre = min(max(centre, half), max(high - half, half))
        clusters.append((members, centre))
    for members, centre in clusters:
        for rank, i in enumerate(members):
            moved[i] = centre + gap * (rank - (len(members) - 1) / 2)
    return moved


def _around(x: float, y: float, long: float) -> list[tuple[float, float]]:
    """Left end and middle of a text at eight places around a point, the best first."""
    return [
        (x + 9, y - 9), (x - 9 - long, y - 9), (x + 9, y + 10), (x - 9 - long, y + 10),
        (x - long / 2, y - 14), (x - long / 2, y + 14), (x + 10, y), (x - 10 - long, y),
    ]  # fmt: skip


def _overlap(a: tuple[float, ...], b: tuple[float, ...]) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


def _crosses(box: tuple[float, ...], line: tuple[float, float, float, float]) -> bool:
    """Whether a segment passes through the box (sampled at 16 points)."""
    x1, y1, x2, y2 = line
    return any(
        box[0] <= x1 + (x2 - x1) * k / 15 <= box[2] and box[1] <= y1 + (y2 - y1) * k / 15 <= box[3]
        for k in range(16)
    )
