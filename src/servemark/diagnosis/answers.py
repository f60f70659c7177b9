"""Answers that are wrong in themselves: language, reasoning, leaks, echoes, emptiness."""

from __future__ import annotations

from collections.abc import Callable

from servemark.diagnosis.contexts import prompts_cut
from servemark.diagnosis.defects import Symptom, against_alone, excerpts, failing, margin_of, symptom
from servemark.diagnosis.observations import (
    Request,
    requests,
    share,
    shown_by,
    where,
    wilson,
    worst,
)
from servemark.diagnosis.rows import Rule, Seen
from servemark.domain.exchange import Check
from servemark.domain.finding import Evidence
from servemark.domain.run import Level, Run

OFF_ONE_BY_ONE = (
    "No prompt mends what load breaks: settle the other findings at this load, then ask the same items with one thing "
    "of the engine off at a time (prefix caching, CUDA graphs, speculative decoding)."
)
LEAST_WRONG = 3
"""Fewer wrong answers than that may be slips."""


def said_of(check: Check, what: str) -> Rule:
    """Rows 9 to 13: one defect, and whether it is there alone as well."""

    def rule(run: Run) -> Seen | None:
        seen = symptom(run, check)
        if seen is None:
            return None
        named = [*prompts_cut(run, seen.at), *failing(run.levels[seen.at], "cross_talk")]
        if {each.position for each in seen.hits} <= {each.position for each in named}:
            return None
        return Seen(
            claim=f"{what}: {against_alone(run, seen)}; {_part_of_load(seen)}.",
            confidence="likely" if seen.grows is False else "possible",
            weight=seen.ratio,
            evidence=_proofs(run, seen, check),
            next_step={True: OFF_ONE_BY_ONE, False: "", None: _ask_more(run)}[seen.grows],
            excerpts=excerpts(run, seen.at, seen.hits),
        )

    return rule


def _part_of_load(seen: Symptom) -> str:
    match seen.grows:
        case True:
            return "load has a part in it"
        case False:
            return "as much alone, so the model or the prompt, not the load"
        case None:
            return "whether load has a part in it cannot be said"


def _ask_more(run: Run) -> str:
    suite = run.quality.suite if run.quality else run.workload.suite or "exam"
    return f"servemark measure URL --suite {suite} --power says how many items would tell; ask them at 1 user too."


def _proofs(run: Run, seen: Symptom, check: Check) -> tuple[Evidence, ...]:
    """The words that prove it, first under load, then alone."""
    rows = [shown_by(run, seen.at, seen.hits, _proof(seen.hits[0], check))]
    if seen.alone_at is not None and seen.alone_at != seen.at and seen.alone_judged:
        words = f"{len(seen.alone_hits)} of {seen.alone_judged}"
        rows.append(shown_by(run, seen.alone_at, seen.alone_hits, words))
    return tuple(rows)


def _proof(found: Request, check: Check) -> str:
    findings = found.record.judgement.findings if found.record.judgement else ()
    defect = next(each for each in findings if each.check == check)
    quoted = f"'{defect.excerpt}'" if defect.excerpt else ""
    return ": ".join(part for part in (quoted, defect.detail) if part) or "as the check found"


def wrong_alone(run: Run) -> Seen | None:
    """Row 17: as many wrong answers alone as under load, which promises of losses do not see."""
    seen = symptom(run, "wrong_answer")
    if seen is None or seen.alone_at is None or seen.grows:
        return None
    wrong, judged = len(seen.alone_hits), seen.alone_judged
    if wrong < LEAST_WRONG or wilson(wrong, judged)[0] <= margin_of(run):
        return None
    return Seen(
        claim=f"{wrong} of {judged} answers are wrong at one user already: that is the model, the prompt or the key, "
        "not the load.",
        confidence="certain",
        weight=0.0,
        evidence=(
            shown_by(run, seen.alone_at, seen.alone_hits, _proof(seen.alone_hits[0], "wrong_answer")),
            Evidence(
                text=f"where it is worst: {against_alone(run, seen)}", source="requests", level=seen.at
            ),
        ),
    )


def cross_talk(run: Run) -> Seen | None:
    """Row 15: a code that stands in one prompt alone, in another request's answer."""
    at = worst(run, lambda i: len(failing(run.levels[i], "cross_talk")))
    if at is None:
        return None
    hits, level = failing(run.levels[at], "cross_talk"), run.levels[at]
    return Seen(
        claim=f"Answers hold what belongs to another request: {len(hits)} of {level.requests_sent} {where(run, at)}.",
        confidence="certain",
        weight=1.0,
        evidence=(shown_by(run, at, hits, _proof(hits[0], "cross_talk")),),
        excerpts=excerpts(run, at, hits),
    )


def empty_answers(run: Run) -> Seen | None:
    """Row 18: status 200, and nothing for the user."""
    at = worst(run, lambda i: share(len(_empty(run.levels[i])), run.levels[i].requests_sent))
    if at is None:
        return None
    level, hits = run.levels[at], _empty(run.levels[at])
    moved = [each for each in hits if each.record.reasoning]
    spent = [each for each in hits if each.record.output_tokens > 0]
    if moved:
        cause = f"{len(moved)} have their text in the reasoning field, where a parser put it"
    elif spent:
        cause = f"the server counts tokens for {len(spent)} of them: a parser took the text away"
    else:
        cause = "no token was made: the first was a stop token, or a filter took the answer"
    return Seen(
        claim=f"{len(hits)} of {level.requests_sent} answers are empty, with status 200, {where(run, at)}: {cause}.",
        confidence="certain" if moved else "likely",
        weight=share(len(hits), level.requests_sent),
        evidence=(shown_by(run, at, hits, hits[0].record.reason or cause),),
    )


def _empty(level: Level) -> list[Request]:
    without: Callable[[Request], bool] = lambda each: each.record.reason.startswith("200 without text")  # noqa: E731
    judged = {each.position for each in failing(level, "empty_answer")}
    return [each for each in requests(level) if each.position in judged or without(each)]
