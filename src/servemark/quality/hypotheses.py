"""H0: more concurrent requests have no harmful effect on failures, latency or answer quality.

The experiment behind it: every block visits every load once, in an order of its own; the items are shared out
over the blocks, and a block asks its items at each of its loads. Six blocks are the default: two loads cannot
reach a p-value of 5 % with fewer than five. The method is explained, with its error rates as measured, in
docs/statistics.md.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from servemark.domain.quality import (
    FAMILIES,
    Control,
    FamilyVerdict,
    LevelQuality,
    QualityVerdict,
)
from servemark.domain.run import Level
from servemark.domain.workload import Slo, Users, load_label, load_value
from servemark.quality.answer_table import AnswerTable, answer_table
from servemark.quality.controls import control_notes, control_of, noise_of
from servemark.quality.failures import failure_verdict
from servemark.quality.latencies import latency_verdict
from servemark.quality.losses import homogeneity, quality_verdict
from servemark.quality.rates import Asked, adjusted, level_qualities, paired_losses
from servemark.stats.resampling import FEWEST_BLOCKS


def verdict_on(
    levels: Sequence[Level],
    controls: Sequence[Level],
    *,
    suite: str,
    items: int,
    slos: Sequence[Slo] = (),
    margin_ratio: float = 0.03,
    alpha: float = 0.05,
    seed: int = 0,
) -> tuple[tuple[LevelQuality, ...], QualityVerdict]:
    """What each level came to (in the order of `levels`), and the verdict on each family of H0.

    Never raises for thin data: a family that cannot be tested is inconclusive and its sentence says why. The
    lowest load is the reference, whatever it is.

    Args:
        levels: one per load, with requests that carry `item`, `block`, `outcome`, `text` and, where complete,
            `judgement`. Warm-up requests are left out.
        controls: the lowest and the highest load measured again; told apart by their load.
        suite: its key.
        items: how many it has.
        slos: promises; those on latency and on failures, loss of quality enter the verdicts.
        margin_ratio: loss, or rise of failures, that must be ruled out.
        alpha: chance of a false "harmed" that is accepted, per family.
        seed: of permutations and bootstrap.
    """
    table = answer_table(levels, seed=seed)
    found = [pair for control in controls if (pair := control_of(levels, control, seed))]
    known = tuple(control for control, _ in found)
    losses = paired_losses(table, alpha)
    p_values = adjusted(losses)
    if len(table.loads) < 2 or not len(table.blocks):
        families = _untested(table)
    else:
        families = (
            failure_verdict(
                table,
                margin_ratio=margin_ratio,
                alpha=alpha,
                promised_ratio=_promised(slos, "failures_ratio"),
            ),
            latency_verdict(table, slos, alpha=alpha),
            quality_verdict(
                table,
                losses,
                p_values,
                noise=noise_of(known, alpha),
                margin_ratio=min(margin_ratio, _promised(slos, "quality_loss_ratio") or margin_ratio),
                alpha=alpha,
            ),
        )
    verdict = QualityVerdict(
        suite=suite,
        items=items,
        blocks=table.block_count if len(table.blocks) else 0,
        alpha=alpha,
        margin_ratio=margin_ratio,
        families=families,
        controls=known,
        homogeneity_p=homogeneity(table) if len(table.loads) > 1 else None,
        notes=(*_notes(table), *_bound_note(families), *control_notes(known, alpha)),
    )
    qualities = level_qualities(table, losses, p_values, _floors(found)) if levels else ()
    return qualities, verdict


def _promised(slos: Sequence[Slo], metric: str) -> float | None:
    """The strictest promise on a share."""
    return min((slo.limit for slo in slos if slo.metric == metric), default=None)


def _floors(found: Sequence[tuple[Control, Mapping[Asked, float]]]) -> dict[Asked, float]:
    """Net difference between two runs of one load: of the highest load, else of the lowest."""
    floors: dict[Asked, float] = {}
    for _, net in sorted(found, key=lambda pair: pair[0].kind == "noise"):
        floors |= net
    return floors


def _untested(table: AnswerTable) -> tuple[FamilyVerdict, ...]:
    why = "One load was measured: there is nothing to compare." if table.loads else "No load was measured."
    if len(table.loads) > 1:
        why = "No request was recorded."
    return tuple(
        FamilyVerdict(
            family=family,
            word="inconclusive",
            sentence=why,
            test="none",
            would_change="The same items at a second load.",
        )
        for family in FAMILIES
    )


def _bound_note(families: Sequence[FamilyVerdict]) -> list[str]:
    if not any(each.word == "not harmed" and each.family != "latency" for each in families):
        return []
    return [
        "The bounds that rule harm out take requests as independent as far as no block shows otherwise: harm that is "
        "rare and then strikes many requests at once can be missed."
    ]


def _notes(table: AnswerTable) -> list[str]:
    notes = []
    if table.loads and table.loads[0] != Users(users=1):
        notes.append(
            f"Nothing was asked alone: {load_label(table.loads[0])}, the lowest load, is the reference."
        )
    if len({load_value(load) for load in table.loads}) < len(table.loads):
        notes.append(
            "One load was given more than once as a level of its own; repetitions belong to the controls."
        )
    if table.block_count == 1:
        notes.append(
            "One block: what happened to come at the same time as a load cannot be told from the load, and "
            "intervals take requests as independent."
        )
    elif len(table.loads) == 2 and 1 < table.block_count < 5:
        notes.append(
            f"With {table.block_count} blocks and two loads no p-value can be below {0.5**table.block_count:.2g}: "
            "at least 5 blocks are needed."
        )
    if 1 < table.block_count < FEWEST_BLOCKS:
        notes.append(
            f"{table.block_count} blocks: intervals of percentiles are too narrow where whole blocks differ; "
            f"{FEWEST_BLOCKS} blocks carry them."
        )
    return notes
