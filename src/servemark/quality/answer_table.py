"""The requests of several levels, item by item and load by load: what the hypotheses are tested on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from servemark.domain.exchange import CHECKS, Check
from servemark.domain.quality import Interval
from servemark.domain.run import Level, RequestRecord
from servemark.domain.workload import Load, Users, load_label, load_value
from servemark.stats.pairs import difference_interval, mcnemar
from servemark.stats.resampling import block_weights, ratio_interval_over_blocks

Floats = NDArray[np.float64]
Key = tuple[int, str, int]


@dataclass(frozen=True, eq=False)
class AnswerTable:
    """Units (an item in its block) by loads, the loads rising; NaN where there is nothing to judge."""

    loads: tuple[Load, ...]
    positions: tuple[int, ...]
    """Where each load stands in the levels that the table was made of."""
    rows: tuple[tuple[RequestRecord | None, ...], ...]
    """By load, then by unit."""
    blocks: NDArray[np.intp]
    """Index of the block of each unit, 0, 1, ..."""
    seed: int

    @cached_property
    def block_count(self) -> int:
        """At least 1, so that nothing divides by it in vain."""
        return int(self.blocks.max(initial=0)) + 1

    @cached_property
    def weights(self) -> Floats:
        """Bootstrap draws of blocks, the same for every figure of the experiment."""
        return block_weights(self.block_count, self.seed)

    @cached_property
    def axis(self) -> Floats:
        """The loads as numbers."""
        return np.array([load_value(load) for load in self.loads])

    @cached_property
    def scores(self) -> Floats:
        """Doublings of load, centred: the scores of every trend."""
        doublings = np.log2(self.axis)
        return doublings - doublings.mean()

    @cached_property
    def failed(self) -> Floats:
        """1 where a request did not complete."""
        return self._filled(lambda row: float(row.outcome != "complete"))

    @cached_property
    def spoilt(self) -> Floats:
        """1 where a complete answer is of no use: a defect above minor."""
        return self._filled(
            lambda row: (
                float(not row.judgement.is_useful)
                if row.outcome == "complete" and row.judgement
                else np.nan
            )
        )

    @cached_property
    def e2e_s(self) -> Floats:
        """Last token after sending, of complete requests."""
        return self._filled(
            lambda row: (
                row.last_token_s - row.sent_s
                if row.outcome == "complete" and row.last_token_s is not None and row.sent_s is not None
                else np.nan
            )
        )

    @cached_property
    def defects(self) -> dict[Check, Floats]:
        """By check that applied anywhere: 1 where a complete answer has that defect."""
        found = np.full((len(CHECKS), len(self.blocks), len(self.loads)), np.nan)
        places: dict[str, int] = {check: i for i, check in enumerate(CHECKS)}
        for j, column in enumerate(self.rows):
            for i, row in enumerate(column):
                if row is None or row.outcome != "complete" or row.judgement is None:
                    continue
                for check in row.judgement.passed:
                    found[places[check], i, j] = 0.0
                for finding in row.judgement.findings:
                    found[places[finding.check], i, j] = 1.0
        return {check: found[i] for i, check in enumerate(CHECKS) if not np.isnan(found[i]).all()}

    def _filled(self, value) -> Floats:
        columns = [[np.nan if row is None else value(row) for row in column] for column in self.rows]
        return np.array(columns, dtype=np.float64).reshape(len(self.loads), len(self.blocks)).T

    def label(self, column: int) -> str:
        return load_label(self.loads[column])

    @property
    def alone(self) -> str:
        """The lowest load in words: only one user is alone."""
        return "alone" if self.loads[0] == Users(users=1) else f"at {self.label(0)}, the lowest load"

    def over_blocks(self, values: Floats) -> Floats:
        """Sum over the units of each block."""
        return np.bincount(self.blocks, weights=np.nan_to_num(values), minlength=self.block_count).astype(
            np.float64
        )

    def complete(self, column: int) -> tuple[list[RequestRecord], NDArray[np.intp]]:
        """The complete requests of a load, and the block of each."""
        chosen = np.flatnonzero(self.failed[:, column] == 0)
        rows = self.rows[column]
        return [row for i in chosen.tolist() if (row := rows[i]) is not None], self.blocks[chosen]


def answer_table(levels: Sequence[Level], *, seed: int = 0, across_blocks: bool = False) -> AnswerTable:
    """Warm-up is left out, and what belongs to no item where anything does.

    A unit is an item in a block; asked again in the same block (a closed loop that wraps round) it is a unit
    of its own, paired with the same repetition at the other loads.

    Args:
        levels: in any order.
        seed: of the bootstrap.
        across_blocks: pair an item whatever block it was asked in (for controls).
    """
    order = sorted(range(len(levels)), key=lambda i: load_value(levels[i].load))
    measured = [[row for row in levels[i].requests if not row.warmup] for i in order]
    if any(row.item is not None for column in measured for row in column):
        measured = [[row for row in column if row.item is not None] for column in measured]
    units: dict[Key, int] = {}
    owners: list[int] = []
    placed: list[dict[int, RequestRecord]] = []
    for column in measured:
        seen: Counter[tuple[int, str]] = Counter()
        cells: dict[int, RequestRecord] = {}
        for row in sorted(column, key=lambda row: row.block) if across_blocks else column:
            name = (0 if across_blocks else row.block, row.item or f"#{row.index}")
            key = (*name, seen[name])
            seen[name] += 1
            unit = units.setdefault(key, len(units))
            if unit == len(owners):
                owners.append(row.block)
            cells[unit] = row
        placed.append(cells)
    blocks = np.unique(owners, return_inverse=True)[1] if owners else np.empty(0)
    return AnswerTable(
        loads=tuple(levels[i].load for i in order),
        positions=tuple(order),
        rows=tuple(tuple(cells.get(i) for i in range(len(units))) for cells in placed),
        blocks=blocks.astype(np.intp),
        seed=seed,
    )


@dataclass(frozen=True)
class PairedLoss:
    """One column against the lowest load, on the units that both have."""

    pairs: int
    broke: int
    healed: int
    p_value: float
    interval: Interval | None
    bound: float | None
    """One-sided upper bound at 1 - alpha."""

    @property
    def difference(self) -> float | None:
        return (self.broke - self.healed) / self.pairs if self.pairs else None

    @property
    def discordant_ratio(self) -> float:
        return (self.broke + self.healed) / self.pairs if self.pairs else 0.0


def paired_loss(table: AnswerTable, values: Floats, column: int, alpha: float) -> PairedLoss:
    """What broke and what healed between the lowest load and another.

    Interval and bound are the wider of Tango's score interval, which knows that a rate of 0 may be more, and
    of the bootstrap over blocks, which knows that requests go wrong together.
    """
    change = values[:, column] - values[:, 0]
    both = ~np.isnan(change)
    broke, healed, pairs = int((change > 0).sum()), int((change < 0).sum()), int(both.sum())
    totals, counts = table.over_blocks(change), table.over_blocks(both.astype(np.float64))

    def interval(confidence: float) -> Interval | None:
        over_blocks = ratio_interval_over_blocks(totals, counts, table.weights, confidence)
        return _hull(difference_interval(broke, healed, pairs, confidence), over_blocks, least=-1.0)

    one_sided = interval(1 - 2 * alpha)
    return PairedLoss(
        pairs=pairs,
        broke=broke,
        healed=healed,
        p_value=mcnemar(broke, healed),
        interval=interval(0.95),
        bound=None if one_sided is None else one_sided[1],
    )


def share_interval(table: AnswerTable, hits: Floats, interval: Interval | None) -> Interval | None:
    """The wider of a binomial interval and the bootstrap over blocks of the share of 1 among 0 and 1."""
    counts = table.over_blocks((~np.isnan(hits)).astype(np.float64))
    over_blocks = ratio_interval_over_blocks(table.over_blocks(hits), counts, table.weights)
    return _hull(interval, over_blocks, least=0.0)


def _hull(one: Interval | None, other: Interval | None, *, least: float) -> Interval | None:
    """The wider of both at each end, between the least possible value and 1."""
    known = [each for each in (one, other) if each is not None]
    if not known:
        return None
    return max(least, min(low for low, _ in known)), min(1.0, max(high for _, high in known))
