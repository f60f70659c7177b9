"""A sweep without a suite: one level after the other."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from servemark.capacity.answer import capacity_of
from servemark.domain.run import Level, RequestRecord, Run
from servemark.domain.workload import ArrivalPlan
from servemark.load.driver import Extent
from servemark.measurement.prompts import PromptSource
from servemark.measurement.rig import Rig
from servemark.stats.verdicts import judge
from servemark.store.folders import RunWriter, open_level


async def play_levels(
    rig: Rig,
    run: Run,
    planned: Sequence[tuple[ArrivalPlan, Extent]],
    source: PromptSource,
    writer: RunWriter | None,
) -> Run:
    """The run with one level per plan; after a cancellation with those until then."""
    levels: list[Level] = []
    interrupted = False

    def keep(record: RequestRecord) -> None:
        if record.warmup:
            source.learn(record)
        if writer is not None:
            writer.request(len(levels), record)

    for index, (plan, extent) in enumerate(planned):
        if writer is not None:
            writer.level(index, open_level(plan.load))
        source.start(index, plan, extent.warmup)
        driven = await rig.play(index, plan, extent, source.prepare, keep)
        levels.append(judge(rig.summary(index, plan, driven), run.slos))
        if writer is not None:
            writer.level(index, levels[-1])
        if interrupted := driven.interrupted:
            break
    finished = len(levels) == len(planned) and not interrupted
    return replace(
        run,
        levels=tuple(levels),
        capacity=capacity_of(levels) if run.slos else None,
        provenance=replace(run.provenance, finished=finished),
    )
