"""From the raw rows of an experiment to judgements, verdicts and the answer."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from servemark.capacity.answer import capacity_of
from servemark.domain.exchange import Judgement
from servemark.domain.quality import LevelQuality
from servemark.domain.run import Level, RequestRecord, Run
from servemark.domain.workload import FixedLength, Workload
from servemark.measurement.answers import answers_of
from servemark.measurement.segments import control_loads
from servemark.quality.crosstalk import owners_of
from servemark.quality.hypotheses import verdict_on
from servemark.quality.judging import judge_exchange
from servemark.quality.tongues import likely_languages
from servemark.stats.summary import summarise
from servemark.stats.verdicts import judge

DEFAULT_MARGIN_RATIO = 0.03


def judged(run: Run, *, margin_ratio: float | None = None, alpha: float = 0.05) -> Run:
    """The run with what the checks say of every answer, what each level came to, and the verdicts.

    It needs nothing but the run: one whose process was killed can be judged when it is read. Warm-up
    requests and fillers are not judged, but whose code turns up in another's answer is known of them too.

    Args:
        run: with its questions.
        margin_ratio: loss that has to be ruled out; None: what is promised of the loss, else 3 %.
        alpha: chance of a false "harmed", by family.
    """
    if margin_ratio is None:
        promised = (slo.limit for slo in run.slos if slo.metric == "quality_loss_ratio")
        margin_ratio = next(promised, DEFAULT_MARGIN_RATIO)
    if not any(level.requests for level in run.levels):
        return run
    # a load that was never come to has no counts yet
    begun = [
        level if level.outcomes else summarise(level.load, ()) for level in (*run.levels, *run.controls)
    ]
    levels = _with_judgements(run, begun)
    own, controls = levels[: len(run.levels)], levels[len(run.levels) :]
    qualities, verdict = verdict_on(
        own,
        controls,
        suite=run.workload.suite or "",
        items=len(run.items),
        slos=run.slos,
        margin_ratio=margin_ratio,
        alpha=alpha,
        seed=run.provenance.seed,
    )
    lowest = control_loads([level.load for level in own])[0]
    judged_levels = tuple(
        judge(replace(level, quality=_reference(quality) if level.load == lowest else quality), run.slos)
        for level, quality in zip(own, qualities, strict=True)
    )
    return replace(
        run,
        workload=_counted(run),
        levels=judged_levels,
        controls=controls,
        quality=verdict,
        capacity=capacity_of(judged_levels) if run.slos else None,
    )


def load_checks() -> None:
    """Load what the checks read from disk (a model of languages, unpacked into the folder for temporary files).

    Before a run, so that a disk which is full at its end does not cost what was measured.
    """
    likely_languages("Good morning", frozenset({"en", "ms"}))


def _reference(quality: LevelQuality) -> LevelQuality:
    """Of the load that the others are compared with: no loss, by definition, where anything completed."""
    return replace(quality, loss_ratio=0.0) if quality.complete else quality


def _counted(run: Run) -> Workload:
    """The lengths as the server counted them, on average; as they stand where it does not count."""
    rows = [
        each
        for level in run.levels
        for each in level.requests
        if not each.warmup and each.outcome == "complete" and each.input_tokens
    ]
    if not rows:
        return run.workload
    asked, told = sum(each.input_tokens or 0 for each in rows), sum(each.output_tokens for each in rows)
    return replace(
        run.workload,
        input=FixedLength(tokens=round(asked / len(rows))),
        output=FixedLength(tokens=max(1, round(told / len(rows)))),
    )


def _with_judgements(run: Run, levels: Sequence[Level]) -> tuple[Level, ...]:
    answers = answers_of(run)
    owners = owners_of([each.exchange for each in answers])
    found = {
        (each.rows, each.record.index): judge_exchange(each.exchange, owners=owners)
        for each in answers
        if not each.record.warmup
    }
    return tuple(
        replace(
            level,
            requests=tuple(_judged(record, found.get((rows, record.index))) for record in level.requests),
        )
        for rows, level in enumerate(levels)
    )


def _judged(record: RequestRecord, judgement: Judgement | None) -> RequestRecord:
    return record if judgement is None else replace(record, judgement=judgement)
