"""Windows: answers that end at a length, prompts that lose their front."""

from __future__ import annotations

from servemark.diagnosis.defects import excerpts, failing, same_items
from servemark.diagnosis.observations import (
    Request,
    alone,
    facts,
    requests,
    share,
    shown_by,
    where,
    worst,
)
from servemark.diagnosis.rows import Seen
from servemark.domain.finding import Evidence
from servemark.domain.run import Level, RequestRecord, Run

FULL_RATIO = 0.95
"""An answer that ends with so much of the window used ended at it."""
CUT_RATIO = 0.05
CUT_TOKENS = 8
"""Codes of each request differ by a few tokens; a prompt that lost its front by more than this."""


def ended_at_length(level: Level) -> list[Request]:
    """Answers that a length ended, where an end of their own was due."""
    return requests(level, lambda record: record.outcome == "truncated" or bool(_length_defect(record)))


def at_cap(record: RequestRecord) -> bool:
    """At the cap that was asked for; else before it, at the end of a window."""
    return record.reason.startswith("no end within") or _length_defect(record) == "truncated_cap"


def _length_defect(record: RequestRecord) -> str:
    findings = record.judgement.findings if record.judgement else ()
    kinds = [each.check for each in findings if each.check in ("truncated_cap", "truncated_window")]
    return kinds[0] if kinds else ""


def answer_cap_too_small(run: Run) -> Seen | None:
    """Row 6: as many tokens as were asked for, and no end."""
    return _cut_at(run, cap=True)


def context_window_full(run: Run) -> Seen | None:
    """Row 6: fewer tokens than were asked for; the window was full."""
    return None if context_divided_among_slots(run) else _cut_at(run, cap=False)


def _cut_at(run: Run, *, cap: bool) -> Seen | None:
    def found(i: int) -> list[Request]:
        return [each for each in ended_at_length(run.levels[i]) if at_cap(each.record) is cap]

    at = worst(run, lambda i: share(len(found(i)), run.levels[i].requests_sent))
    if at is None:
        return None
    cut, level = found(at), run.levels[at]
    if not cap and 2 * len(_longer_alone(run, cut)) > len(cut):
        return _cut_by_load(run, at, cut)
    longest = max(each.record.output_tokens for each in cut)
    limit = "the cap of the request (max_tokens)" if cap else "the context window, short of the cap"
    evidence = [shown_by(run, at, cut, f"{len(cut)} ended by length, after up to {longest} tokens")]
    single = alone(run)
    if single is not None and single != at:
        evidence.append(shown_by(run, single, found(single), f"{len(found(single))} ended by length"))
    return Seen(
        claim=f"{len(cut)} of {level.requests_sent} answers end early {where(run, at)}: at {limit}.",
        confidence="certain",
        weight=share(len(cut), level.requests_sent),
        evidence=tuple(evidence),
        next_step=f"Ask with max_tokens of at least {2 * longest}." if cap else "",
    )


def _longer_alone(run: Run, cut: list[Request]) -> list[Request]:
    """Those whose item comes to its own end alone, after as many tokens or more: no window of one request ends it."""
    first = same_items(run)
    before = [(each, first.get(each.record.item or "")) for each in cut]
    return [
        each
        for each, other in before
        if other is not None
        and other.record.outcome == "complete"
        and other.record.output_tokens >= each.record.output_tokens
    ]


def _cut_by_load(run: Run, at: int, cut: list[Request]) -> Seen:
    longer, level = _longer_alone(run, cut), run.levels[at]
    return Seen(
        claim=f"{len(cut)} of {level.requests_sent} answers end early {where(run, at)}, short of their cap, though "
        f"{len(longer)} of these items come to their own end at the lowest load: a room that requests share, not the "
        "window of one.",
        confidence="likely",
        weight=share(len(cut), level.requests_sent),
        evidence=(shown_by(run, at, cut, f"{len(cut)} ended by length, no further than alone"),),
        next_step="Read how the engine shares its context (llama.cpp: --ctx-size, --parallel, --kv-unified; Ollama: "
        "num_ctx, OLLAMA_NUM_PARALLEL) and sample its KV usage during the run.",
        excerpts=excerpts(run, at, cut),
    )


def context_divided_among_slots(run: Run) -> Seen | None:
    """Row 7: the context was divided by the number of slots, and a slot's share is too small."""
    known = facts(run)
    room, slots = known.context_tokens_per_slot, known.slots
    if room is None or slots is None or slots < 2 or known.shared_pool is True:
        return None

    def found(i: int) -> list[Request]:
        cut = [each for each in ended_at_length(run.levels[i]) if not at_cap(each.record)]
        return [each for each in cut if _held(each.record) >= FULL_RATIO * room]

    at = worst(run, lambda i: share(len(found(i)), run.levels[i].requests_sent))
    if at is None:
        return None
    cut = found(at)
    most = max(_held(each.record) for each in cut)
    return Seen(
        claim=f"The context is divided among {slots} slots, {room:,} tokens each: {len(cut)} of "
        f"{run.levels[at].requests_sent} answers end at the end of their slot {where(run, at)}.",
        confidence="certain",
        weight=share(len(cut), run.levels[at].requests_sent),
        evidence=(
            Evidence(text=f"the engine gives each of {slots} slots {room:,} tokens", source="settings"),
            shown_by(
                run, at, cut, f"prompt and answer came to {most:,} tokens, then the answer ended by length"
            ),
        ),
        next_step=f"Give every slot what a request needs: llama.cpp --ctx-size {slots} x tokens per request with "
        f"--parallel {slots}; Ollama num_ctx is per request, OLLAMA_NUM_PARALLEL multiplies it.",
    )


def _held(record: RequestRecord) -> int:
    return (record.input_tokens or 0) + record.output_tokens


def prompts_cut(run: Run, index: int) -> list[Request]:
    """Requests whose prompt the server counts shorter than the same item's prompt alone."""
    first = same_items(run)
    cut: list[Request] = []
    for each in requests(run.levels[index], lambda record: record.item in first):
        before, here = first[each.record.item or ""].record.input_tokens, each.record.input_tokens
        if before is not None and here is not None and here < before - max(CUT_TOKENS, CUT_RATIO * before):
            cut.append(each)
    return cut


def prompt_cut_at_front(run: Run) -> Seen | None:
    """Row 7: the server reads fewer tokens than were sent, or answers as if it had."""
    at = worst(run, lambda i: len(prompts_cut(run, i)))
    if at is not None:
        return _counted_cut(run, at)
    if context_shifted(run):
        return None
    at = worst(run, lambda i: len(failing(run.levels[i], "lost_context")))
    if at is None:
        return None
    lost, level = failing(run.levels[at], "lost_context"), run.levels[at]
    detail = next(each.detail for each in _judged(lost[0].record) if each.check == "lost_context")
    return Seen(
        claim=f"{len(lost)} of {level.requests_sent} answers do not know the front of their prompt {where(run, at)}; "
        "cut by the server, or overlooked by the model.",
        confidence="possible",
        weight=share(len(lost), level.requests_sent),
        evidence=(shown_by(run, at, lost, detail or "what the prompt began with is not recalled"),),
        excerpts=excerpts(run, at, lost),
    )


def _judged(record: RequestRecord):
    return record.judgement.findings if record.judgement else ()


def _counted_cut(run: Run, at: int) -> Seen:
    cut, level, first = prompts_cut(run, at), run.levels[at], same_items(run)
    example = cut[0].record
    before = first[example.item or ""].record.input_tokens
    text = f"item {example.item}: {before} prompt tokens alone, {example.input_tokens} here, as the server counts"
    known = facts(run)
    evidence = [shown_by(run, at, cut, text)]
    if known.context_tokens_per_slot is not None:
        words = f"a slot holds {known.context_tokens_per_slot:,} tokens"
        evidence.append(Evidence(text=words, source="settings"))
    return Seen(
        claim=f"The server drops the front of {len(cut)} of {level.requests_sent} prompts without an error "
        f"{where(run, at)}.",
        confidence="certain",
        weight=share(len(cut), level.requests_sent),
        evidence=tuple(evidence),
        excerpts=excerpts(run, at, cut),
    )


def context_shifted(run: Run) -> Seen | None:
    """Row 8: a request held more tokens than its slot has, so the oldest were dropped."""
    room = facts(run).context_tokens_per_slot
    if room is None:
        return None

    def found(i: int) -> list[Request]:
        # one token past the window is the end itself: only its key and value would not fit
        over = requests(run.levels[i], lambda record: record.outcome in ("complete", "truncated"))
        return [each for each in over if each.record.input_tokens and _held(each.record) > room + 1]

    at = worst(run, lambda i: share(len(found(i)), run.levels[i].requests_sent))
    if at is None:
        return None
    over, level = found(at), run.levels[at]
    most = max(_held(each.record) for each in over)
    return Seen(
        claim=f"Context shift: lost context in {len(over)} of {level.requests_sent} requests {where(run, at)}, which "
        f"outgrew their slot of {room:,} tokens; the oldest tokens, the instructions among them, were dropped.",
        confidence="certain",
        weight=share(len(over), level.requests_sent),
        evidence=(
            Evidence(text=f"a slot holds {room:,} tokens", source="settings"),
            shown_by(run, at, over, f"prompt and answer came to {most:,} tokens, and no error was given"),
        ),
        excerpts=excerpts(run, at, over),
    )
