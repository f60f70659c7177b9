"""The order of an experiment: which items are asked at which load in which block."""

from __future__ import annotations

import random
from collections.abc import Sequence

from servemark.domain.record import Record
from servemark.domain.workload import Load, Users, load_value
from servemark.errors import InputError

DEFAULT_BLOCKS = 6
FEWEST_BLOCKS, FEWEST_OF_TWO = 3, 5
"""Two loads can be told apart by blocks from five on (2^-5 is below 5 %), more loads from three on."""


def default_blocks(items: int, loads: Sequence[Load]) -> int:
    """Six, or as few as give every visit as many items as users, but not fewer than can tell loads apart.

    Below that the fillers, which keep up the load, outnumber what is judged.
    """
    users = max((load.users for load in loads if isinstance(load, Users)), default=1)
    fewest = FEWEST_BLOCKS if len(loads) > 2 else FEWEST_OF_TWO
    return min(items, max(fewest, min(DEFAULT_BLOCKS, items // users)))


class Segment(Record, frozen=True, kw_only=True):
    """One visit to one load: some items, all asked there without a pause."""

    rows: int
    """Where its rows go: index into the levels of the run and, behind these, its controls."""
    load: Load
    block: int
    items: tuple[int, ...]
    """Positions in the suite, in the order in which they are asked."""


def control_loads(loads: Sequence[Load]) -> tuple[Load, ...]:
    """What is measured twice: the lowest load (drift) and, where it is another, the highest (noise)."""
    lowest, highest = min(loads, key=load_value), max(loads, key=load_value)
    return (lowest,) if lowest == highest else (lowest, highest)


def plan_segments(
    loads: Sequence[Load], items: int, *, blocks: int, seed: int, controls: bool
) -> tuple[Segment, ...]:
    """The whole experiment, in the order in which it is run.

    The items are dealt into `blocks` parts as equal as can be, in an order of the seed; each block visits
    every load once, in an order of its own, and asks the same items in the same order at each. Controls: in
    every block the highest load is visited a second time, and the last block ends with the first block's
    items at the lowest load once more.

    Args:
        loads: levels of the run; a control goes behind them, drift first.
        items: how many the suite holds.
        blocks: at most as many as items.
        seed: of the dealing and of the orders.
        controls: measure them at all.

    Raises:
        InputError: fewer than one block, or no item.
    """
    if items < 1:
        raise InputError("suite", expected="at least one item", found="none")
    if blocks < 1:
        raise InputError("blocks", expected="at least 1", found=blocks)
    order = random.Random(f"{seed} items")
    dealt = order.sample(range(items), items)
    parts = [tuple(dealt[start::blocks]) for start in range(min(blocks, items))]
    again = list(enumerate(control_loads(loads), len(loads))) if controls else []
    segments: list[Segment] = []
    for block, part in enumerate(parts):
        visits = [*enumerate(loads), *again[1:]]
        random.Random(f"{seed} {block}").shuffle(visits)
        segments += [Segment(rows=rows, load=load, block=block, items=part) for rows, load in visits]
    for rows, lowest in again[:1]:
        segments.append(Segment(rows=rows, load=lowest, block=len(parts) - 1, items=parts[0]))
    return tuple(segments)
