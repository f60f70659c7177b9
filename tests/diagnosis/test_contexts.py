from made_runs import USERS, alter, clean_run, defect
from msgspec.structs import replace

from servemark.diagnosis.contexts import (
    answer_cap_too_small,
    context_divided_among_slots,
    context_shifted,
    context_window_full,
    prompt_cut_at_front,
    prompts_cut,
)
from servemark.domain.engine_sample import EngineFacts

SLOTS = EngineFacts(engine="llama.cpp", slots=8, context_tokens_per_slot=256, shared_pool=False)


def cut(record, reason, tokens):
    return replace(
        record,
        outcome="truncated",
        finish_reason="length",
        reason=reason,
        output_tokens=tokens,
        judgement=None,
    )


def everywhere(change, n=10, **fields):
    whole = clean_run(**fields)
    for users in USERS:
        whole = alter(whole, users, change, range(n))
    return whole


def at_cap(record):
    return cut(record, "no end within 64 tokens", 64)


def at_window(record):
    return cut(record, "finish reason length after 196 of 400 tokens", 196)


def test_the_cap_of_the_request():
    seen = answer_cap_too_small(everywhere(at_cap))
    assert (seen.confidence, seen.weight) == ("certain", 0.25)
    assert "max_tokens of at least 128" in seen.next_step
    assert context_window_full(everywhere(at_cap)) is None


def test_the_window_before_the_cap():
    whole = everywhere(at_window)
    assert "short of the cap" in context_window_full(whole).claim
    assert answer_cap_too_small(whole) is None and context_divided_among_slots(whole) is None


def test_a_window_that_the_same_items_alone_do_not_reach_is_a_shared_one():
    """Alone each item comes to its own end after 21 tokens; with 32 users ten end by length after 12."""
    early = alter(
        clean_run(), 32, lambda r: cut(r, "finish reason length after 12 of 400 tokens", 12), range(10)
    )
    seen = context_window_full(early)
    assert "a room that requests share, not the window of one" in seen.claim and seen.confidence == "likely"
    assert "10 of these items come to their own end" in seen.claim and seen.excerpts[0].item == "item-0"


def test_a_slots_share_of_the_context():
    # 60 + 196 = 256: just what a slot has
    whole = everywhere(at_window, facts=SLOTS)
    seen = context_divided_among_slots(whole)
    assert "divided among 8 slots, 256 tokens each: 10 of 40" in seen.claim
    assert seen.confidence == "certain" and "--parallel 8" in seen.next_step
    assert context_window_full(whole) is None


def test_a_slot_that_was_not_full_is_not_the_cause():
    roomy = replace(SLOTS, context_tokens_per_slot=4096)
    whole = everywhere(at_window, facts=roomy)
    assert context_divided_among_slots(whole) is None and context_window_full(whole) is not None
    assert (
        context_divided_among_slots(everywhere(at_window, facts=replace(SLOTS, shared_pool=True))) is None
    )
    assert context_divided_among_slots(everywhere(at_window, facts=replace(SLOTS, slots=1))) is None


def test_an_answer_defect_alone_tells_the_same():
    seen = answer_cap_too_small(everywhere(lambda r: defect(r, "truncated_cap", output_tokens=64)))
    assert seen.weight == 0.25


def test_a_prompt_that_the_server_counts_shorter_than_alone():
    whole = alter(clean_run(), 32, lambda r: replace(r, input_tokens=31, text="ok"), range(6))
    seen = prompt_cut_at_front(whole)
    assert (seen.confidence, seen.weight) == ("certain", 0.15)
    assert "item item-0: 60 prompt tokens alone, 31 here" in seen.evidence[0].text
    assert (
        seen.excerpts[0].alone == "The answer to question 0 is B." and seen.excerpts[0].under_load == "ok"
    )


def test_a_few_tokens_of_another_code_are_no_cut():
    whole = alter(clean_run(), 32, lambda r: replace(r, input_tokens=54), range(6))
    assert prompts_cut(whole, 2) == [] and prompt_cut_at_front(whole) is None
    longer = alter(clean_run(), 32, lambda r: replace(r, input_tokens=90), range(6))
    assert prompts_cut(longer, 2) == []


def test_a_server_that_does_not_count_says_nothing():
    whole = everywhere(lambda r: replace(r, input_tokens=None), n=40)
    assert prompt_cut_at_front(whole) is None


def test_a_needle_that_is_not_recalled_is_only_possible():
    whole = alter(
        clean_run(), 32, lambda r: defect(r, "lost_context", detail="needle at 10 % missing"), range(4)
    )
    seen = prompt_cut_at_front(whole)
    assert (seen.confidence, seen.weight) == ("possible", 0.1) and "needle at 10 %" in seen.evidence[0].text


def test_a_request_longer_than_its_slot_was_shifted():
    whole = alter(clean_run(facts=SLOTS), 32, lambda r: replace(r, output_tokens=240), range(10))
    seen = context_shifted(whole)
    assert "lost context in 10 of 40" in seen.claim and seen.confidence == "certain"
    assert "300 tokens" in seen.evidence[1].text
    # the needle that is gone with it has this cause, and no other
    lost = alter(whole, 32, lambda r: defect(r, "lost_context"), range(10))
    assert prompt_cut_at_front(lost) is None and context_shifted(lost) is not None


def test_a_request_that_just_fills_its_slot_was_not():
    whole = alter(clean_run(facts=SLOTS), 32, lambda r: replace(r, output_tokens=196), range(10))
    assert context_shifted(whole) is None
    unknown = replace(SLOTS, context_tokens_per_slot=None)
    assert (
        context_shifted(alter(clean_run(facts=unknown), 32, lambda r: replace(r, output_tokens=900)))
        is None
    )
