"""The experiment on answers under load: the same items at every load, in randomised blocks, with controls."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec.structs import replace

from servemark.domain.exchange import Suite
from servemark.domain.record import Record
from servemark.domain.run import CpuShare, Lag, Level, RequestRecord, Run
from servemark.domain.workload import ArrivalPlan, Load, Replay, Users, Workload
from servemark.errors import InputError
from servemark.load.driver import DrivenLevel, Extent, send_p99_s
from servemark.measurement.answers import CANARY
from servemark.measurement.judgements import DEFAULT_MARGIN_RATIO, load_checks
from servemark.measurement.questions import Questions, canary_of, segment_plan, suite_items
from servemark.measurement.rig import Rig
from servemark.measurement.segments import DEFAULT_BLOCKS, Segment, control_loads, plan_segments
from servemark.store.folders import RunWriter, open_level
from servemark.traffic.arrivals import arrival_plan


class Experiment(Record, frozen=True, kw_only=True):
    """What is asked, and what harm has to be ruled out. Handed to `measure_endpoint(..., experiment=...)`.

    Each item of the suite is asked once at every load (paired). `Run.levels[i].requests` then hold `item`,
    `block`, `nonce`, `text`, `reasoning`, `judgement`; warm-up requests and the fillers that keep up the
    concurrency until the last judged request of a segment has ended are flagged `warmup` and not judged.
    `Run.controls` is empty, or holds two levels: the lowest load again with the first block's items at the end
    of the last block (drift), and the highest load again with all items, in every block (noise).
    """

    suite: Suite
    blocks: int = DEFAULT_BLOCKS
    controls: bool = True
    margin_ratio: float = DEFAULT_MARGIN_RATIO
    alpha: float = 0.05


class Visit(Record, frozen=True, kw_only=True):
    """A segment, ready to be played."""

    segment: Segment
    plan: ArrivalPlan
    extent: Extent


def plan_visits(
    experiment: Experiment, loads: Sequence[Load], *, seed: int, warmup: int | None
) -> tuple[Visit, ...]:
    """Every visit to a load, in the order of the experiment.

    Raises:
        InputError: no load, one twice, a trace, a suite without items or with two of one id, impossible quantities.
    """
    if not loads:
        raise InputError("loads", expected="at least one load", found="none")
    if any(isinstance(load, Replay) for load in loads):
        raise InputError(
            "suite", expected="users or a rate to ask it at", found="a trace or a traffic profile"
        )
    if len(set(loads)) < len(loads):
        raise InputError(
            "loads", expected="each load once (what is repeated is a control)", found="one twice"
        )
    if warmup is not None and warmup < 0:
        raise InputError("warmup", expected="at least 0", found=warmup)
    for load in loads:
        arrival_plan(load, Workload(), seed=seed, requests=1)  # refuses impossible loads and seeds
    items = suite_items(experiment.suite)
    if len({item.id for item in items}) < len(items):
        raise InputError("suite", expected="items with an id of their own each", found="two of one id")
    segments = plan_segments(
        loads, len(items), blocks=experiment.blocks, seed=seed, controls=experiment.controls
    )
    planned = [segment_plan(segment, items, seed=seed, warmup=warmup) for segment in segments]
    return tuple(
        Visit(segment=segment, plan=plan, extent=extent)
        for segment, (plan, extent) in zip(segments, planned, strict=True)
    )


def opened(run: Run, experiment: Experiment, loads: Sequence[Load]) -> Run:
    """The run with its questions, and all its levels and controls begun."""
    again = control_loads(loads) if experiment.controls else ()
    suite, endpoint = experiment.suite, run.endpoint
    if endpoint is not None and (canary := canary_of(run, suite)):
        endpoint = replace(endpoint, settings=endpoint.settings | {CANARY: canary})
    return replace(
        run,
        endpoint=endpoint,
        items=suite_items(suite),
        notes=run.notes + _remarks(experiment, loads),
        levels=tuple(open_level(load) for load in loads),
        controls=tuple(open_level(load) for load in again),
    )


def _remarks(experiment: Experiment, loads: Sequence[Load]) -> tuple[str, ...]:
    """How the experiment was laid out."""
    suite, blocks = experiment.suite, min(experiment.blocks, len(experiment.suite.items))
    again = "; the lowest load again at the end, the highest twice" if experiment.controls else ""
    notes = [
        f"suite {suite.key}, {len(suite.items)} items, each asked once at every load; {blocks} blocks, each "
        f"visits every load in an order of its own{again}"
    ]
    users = max((load.users for load in loads if isinstance(load, Users)), default=1)
    if len(suite.items) < blocks * users:
        notes.append(
            f"fewer items a block ({len(suite.items) // blocks}) than users ({users}): requests that are not "
            "judged keep up the load, and take most of the time"
        )
    return tuple(notes)


async def play_visits(
    rig: Rig,
    run: Run,
    visits: Sequence[Visit],
    suite: Suite,
    extra_body: Mapping[str, Any] | None,
    writer: RunWriter | None,
) -> Run:
    """The run with what was measured; `provenance.finished` is false where it was cancelled on the way."""
    load_checks()
    questions = Questions(run, suite, extra_body)
    blocks = 1 + max(visit.segment.block for visit in visits)
    rows: list[list[RequestRecord]] = [[] for _ in (*run.levels, *run.controls)]
    driven: list[list[DrivenLevel]] = [[] for _ in rows]
    whole = True
    for visit in visits:
        at, block = visit.segment.rows, visit.segment.block
        kept, first = rows[at], len(rows[at])
        questions.at(at, first)

        def keep(record: RequestRecord, at: int = at, block: int = block, first: int = first) -> None:
            record = replace(record, index=first + record.index, block=block)
            rows[at].append(record)
            if writer is not None:
                writer.request(at, record)

        played = await rig.play(
            at, visit.plan, visit.extent, questions.prepare, keep, block=block, blocks=blocks
        )
        driven[at].append(replace(played, requests=tuple(kept[first:])))
        if played.interrupted:
            whole = False
            break
    levels = [_level(rig, at, level, driven[at]) for at, level in enumerate((*run.levels, *run.controls))]
    return replace(
        run,
        levels=tuple(levels[: len(run.levels)]),
        controls=tuple(levels[len(run.levels) :]),
        provenance=replace(run.provenance, finished=whole),
    )


def _level(rig: Rig, rows: int, level: Level, driven: Sequence[DrivenLevel]) -> Level:
    """All visits to one load as one level; as it was opened where there was none."""
    if not driven:
        return level
    requests = tuple(record for each in driven for record in each.requests)
    together = DrivenLevel(
        requests=requests,
        start_s=driven[0].start_s,
        end_s=driven[-1].end_s,
        cut=sum(each.cut for each in driven),
        interrupted=any(each.interrupted for each in driven),
        lag=lag_over(driven),
        cpu=mean_cpu(driven),
    )
    plan = ArrivalPlan(load=level.load, seed=0, requests=())
    return rig.summary(rows, plan, together)


def lag_over(driven: Sequence[DrivenLevel]) -> Lag:
    """The instrument's error over all visits, as of one level, and the most that was in flight.

    The largest of their percentiles would be the one worst moment: a visit can be short. The loop's gauge has run
    on from visit to visit, so the last one's is that of all.
    """
    lags = [each.lag for each in driven]
    server = [lag.server_p99_s for lag in lags if lag.server_p99_s is not None]
    return replace(
        lags[-1],
        send_p99_s=send_p99_s(record for each in driven for record in each.requests),
        server_p99_s=max(server, default=None),
        peak_in_flight=max(lag.peak_in_flight for lag in lags),
        reduced_accuracy=any(lag.reduced_accuracy for lag in lags),
    )


def mean_cpu(driven: Sequence[DrivenLevel]) -> CpuShare:
    """Cores over all visits, each weighted by its time."""
    weights = [max(each.end_s - each.start_s, 1e-9) for each in driven]

    def mean(values: Sequence[float]) -> float:
        return sum(w * value for w, value in zip(weights, values, strict=True)) / sum(weights)

    engine = [each.cpu.engine_cores for each in driven]
    known = [cores for cores in engine if cores is not None]
    return CpuShare(
        client_cores=mean([each.cpu.client_cores for each in driven]),
        engine_cores=mean(known) if len(known) == len(engine) else None,
        machine_cores=driven[0].cpu.machine_cores,
    )
