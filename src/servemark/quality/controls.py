"""The A/A controls: what differs between two runs of one load, which no load can explain."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from servemark.domain.quality import Control
from servemark.domain.run import Level
from servemark.domain.workload import load_label, load_value
from servemark.quality.answer_table import answer_table, paired_loss
from servemark.quality.rates import Asked, changed_share, questions
from servemark.stats.pairs import mcnemar

DRIFT_FACTOR = 1.2
"""From this ratio of two medians of one load on, a note says that the system drifted."""


def control_of(
    levels: Sequence[Level], control: Level, seed: int
) -> tuple[Control, dict[Asked, float]] | None:
    """A repeated load against the first time, item by item, and per question the net difference of the two.

    None where that load was not measured before, or is neither the lowest nor the highest.
    """
    order = sorted(levels, key=lambda level: load_value(level.load))
    # with one load only, its repetition tells noise
    kind = "noise" if control.load == order[-1].load else "drift" if control.load == order[0].load else None
    first = next((level for level in order if level.load == control.load), None)
    if kind is None or first is None:
        return None
    table = answer_table([first, control], seed=seed, across_blocks=True)
    loss = paired_loss(table, table.spoilt, 1, 0.05)
    # net, as the losses that are held against it: what breaks at random flips both ways under any load
    floors: dict[Asked, float] = {
        asked: abs(float(change.mean()))
        for asked, values in questions(table).items()
        if len(change := (values[:, 1] - values[:, 0])[~np.isnan(values).any(axis=1)])
    }
    both = (table.failed == 0).all(axis=1)
    timed = ~np.isnan(table.e2e_s).any(axis=1)
    again = ~np.isnan(table.failed).any(axis=1)
    changed = changed_share(*table.rows)
    found = Control(
        kind=kind,
        load=control.load,
        pairs=int(both.sum()),
        changed_text=round((changed or 0.0) * int(both.sum())),
        broke=loss.broke,
        healed=loss.healed,
        difference=loss.difference,
        difference_interval=loss.interval,
        p_value=mcnemar(loss.broke, loss.healed, two_sided=True) if loss.pairs else None,
        failures=_two(table.failed[again].mean(axis=0)) if again.any() else None,
        e2e_p50_s=_two(np.median(table.e2e_s[timed], axis=0)) if timed.any() else None,
    )
    return found, floors


def noise_of(controls: Sequence[Control], alpha: float) -> float | None:
    """The largest net difference that two runs of one load showed: a loss must exceed it to count. None where no
    repetition counts.

    The full repetition of the highest load always counts, the short one of the lowest only where it is beyond
    chance: a handful of items differs by points for nothing.
    """
    return max(
        (
            abs(each.difference)
            for each in controls
            if each.difference is not None
            and (each.kind == "noise" or (each.p_value is not None and each.p_value <= alpha))
        ),
        default=None,
    )


def control_notes(controls: Sequence[Control], alpha: float) -> list[str]:
    """What the controls say against the experiment, or that there are none."""
    kinds = {each.kind for each in controls}
    notes = []
    if "noise" not in kinds:
        notes.append(
            "The highest load was not repeated: the noise floor between two equal runs is unknown."
        )
    if "drift" not in kinds:
        notes.append("The lowest load was not repeated at the end: drift over the run was not looked for.")
    for each in controls:
        where = f"{load_label(each.load)} was measured twice"
        if each.p_value is not None and each.p_value <= alpha:
            notes.append(
                f"{where} and answers differed beyond chance ({each.broke} lost, {each.healed} gained "
                f"of {each.pairs}): something other than load changed."
            )
        if each.e2e_p50_s and min(each.e2e_p50_s) > 0:
            ratio = each.e2e_p50_s[1] / each.e2e_p50_s[0]
            if max(ratio, 1 / ratio) >= DRIFT_FACTOR:
                notes.append(f"{where}: the second time took {ratio:.2g} times as long at the median.")
    return notes


def _two(values: np.ndarray) -> tuple[float, float] | None:
    one, other = values.tolist()
    return None if np.isnan(one) or np.isnan(other) else (one, other)
