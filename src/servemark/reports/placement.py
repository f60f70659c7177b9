"""Puts labels beside marks without overlap. A label that finds no room is left out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from msgspec.structs import replace

from servemark.domain.record import Record

_Box = tuple[float, float, float, float]
CHARACTER_PX = 6.5
LINE_PX = 13.0


class Label(Record, frozen=True, kw_only=True):
    """A text at a place: its left end and middle, in pixels from the upper left corner of the plot."""

    text: str
    x: float
    y: float
    colour: str
    bold: bool = False

    @property
    def width_px(self) -> float:
        """A little more than the text takes."""
        return CHARACTER_PX * len(self.text) * (1.08 if self.bold else 1.0)


class Wish(Record, frozen=True, kw_only=True):
    """A text that wants a place: beside one of some marks, or at one of some spots."""

    text: str
    colour: str
    bold: bool = False
    marks: tuple[tuple[float, float], ...] = ()
    spots: tuple[tuple[float, float], ...] = ()
    """Left end and middle of the text; a negative x counts from the right end of the plot."""

    def labels(self, width: float) -> list[Label]:
        """Every label this could become, the best first."""
        plain = Label(text=self.text, x=0, y=0, colour=self.colour, bold=self.bold)
        long = plain.width_px
        places = [(x if x >= 0 else width + x - long, y) for x, y in self.spots]
        places += [place for x, y in self.marks for place in _around(x, y, long)]
        return [replace(plain, x=x, y=y) for x, y in places]


def place(wishes: Sequence[Wish], marks: Iterable[tuple[float, float]], width: float, height: float,
          lines: Iterable[tuple[float, float, float, float]] = ()) -> tuple[Label, ...]:  # fmt: skip
    """Labels in order of importance, each at the best free place.

    Args:
        wishes: the most important first.
        marks: every mark to keep clear of.
        width: of the plot; labels stay inside.
        height: of the plot.
        lines: segments (x1, y1, x2, y2), crossed only where no other place is free.
    """
    segments = list(lines)
    solid: list[_Box] = [(x - 6, y - 6, x + 6, y + 6) for x, y in marks]
    placed: list[Label] = []
    for wish in wishes:
        free = [
            label
            for label in wish.labels(width)
            if _inside(_box(label), width, height)
            and not any(_overlap(_box(label), each) for each in solid)
        ]
        if free:
            best = min(free, key=lambda label: sum(_crosses(_box(label), line) for line in segments))
            solid.append(_box(best))
            placed.append(best)
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


def _box(label: Label) -> _Box:
    return (label.x, label.y - LINE_PX / 2, label.x + label.width_px, label.y + LINE_PX / 2)


def _inside(box: _Box, width: float, height: float) -> bool:
    return box[0] >= 0 and box[1] >= 0 and box[2] <= width and box[3] <= height


def _overlap(a: _Box, b: _Box) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


def _crosses(box: _Box, line: _Box) -> bool:
    """Whether a segment passes through the box (Liang and Barsky, 1984)."""
    x1, y1, x2, y2 = line
    enters, leaves = 0.0, 1.0
    for start, way, low, high in ((x1, x2 - x1, box[0], box[2]), (y1, y2 - y1, box[1], box[3])):
        if way == 0:
            if not low <= start <= high:
                return False
            continue
        near, far = sorted(((low - start) / way, (high - start) / way))
        enters, leaves = max(enters, near), min(leaves, far)
    return enters <= leaves
