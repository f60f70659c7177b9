"""llama.cpp's slots: what they hold, and what pool they have."""

from pathlib import Path

import pytest

from servemark.client.slots import Slot, decode_props, decode_slots, slot_facts, with_slots
from servemark.domain.engine_sample import EngineFacts, EngineSample

DATA = Path(__file__).with_name("data")


def slots(mode):
    return decode_slots((DATA / f"llamacpp-2026.10.11549-{mode}-slots.json").read_bytes())


def props():
    return decode_props((DATA / "llamacpp-2026.10.11549-shared-props.json").read_bytes())


def test_five_busy_slots_of_a_shared_pool():
    facts = slot_facts(EngineFacts(engine="llama.cpp"), slots=slots("shared"), shared_pool=True)
    sample = with_slots(EngineSample(at_s=1.0), slots("shared"), facts)
    # as the file has them; the newer build counts the first token of two answers in
    assert sample.kv_used_tokens == 75 + 82 + 105 + 96 + 76
    assert sample.kv_used_ratio == 434 / 512
    assert sample.running == 5


def test_eight_busy_slots_of_which_two_have_begun():
    facts = slot_facts(EngineFacts(), slots=slots("split"), shared_pool=False)
    sample = with_slots(EngineSample(at_s=1.0, running=9), slots("split"), facts)
    assert sample.kv_used_tokens == 76 + 106
    assert (sample.kv_used_ratio, sample.running) == (182 / 2048, 9)


def test_prompts_that_wait_for_room_make_no_pool_fuller_than_full():
    busy = [Slot(n_ctx=512, is_processing=True, n_prompt_tokens=90)] * 8
    sample = with_slots(EngineSample(at_s=1.0), busy, EngineFacts(kv_pool_tokens=512))
    assert (sample.kv_used_tokens, sample.kv_used_ratio) == (720, 1.0)


@pytest.mark.parametrize(
    ("slot", "held"),
    [
        (Slot(n_ctx=256), 0),
        (Slot(n_ctx=256, n_prompt_tokens=90, n_prompt_tokens_processed=90), 0),
        (Slot(n_ctx=256, is_processing=True, n_prompt_tokens=106, n_prompt_tokens_processed=75), 106),
    ],
)
def test_only_busy_slots_hold_tokens(slot, held):
    assert slot.held_tokens == held


@pytest.mark.parametrize("following", ['[{"n_decoded": 31}]', '{"n_decoded": 31}'])
def test_older_builds_count_the_answer_apart_from_the_prompt(following):
    (slot,) = decode_slots(
        f'[{{"n_ctx": 256, "is_processing": true, "n_prompt_tokens": 75, "n_prompt_tokens_processed": 70,'
        f' "n_prompt_tokens_cache": 5, "next_token": {following}}}]'
    )
    assert slot.held_tokens == 106


@pytest.mark.parametrize(
    ("shared", "context", "pool"),
    [(True, None, 512), (True, 4096, 4096), (True, 100, 512), (False, 512, 8 * 512), (None, 512, None)],
)
def test_the_pool_is_known_where_sharing_is(shared, context, pool):
    facts = slot_facts(EngineFacts(), slots=slots("shared"), shared_pool=shared, context_tokens=context)
    assert (facts.slots, facts.context_tokens_per_slot, facts.max_model_len) == (8, 512, 512)
    assert (facts.shared_pool, facts.kv_pool_tokens) == (shared, pool)


def test_one_slot_has_the_pool_to_itself():
    facts = slot_facts(EngineFacts(), slots=[Slot(n_ctx=1024)])
    assert (facts.shared_pool, facts.kv_pool_tokens) == (None, 1024)


def test_where_slots_are_hidden_the_props_tell():
    facts = slot_facts(EngineFacts(engine="llama.cpp"), props=props())
    assert (facts.slots, facts.context_tokens_per_slot, facts.kv_pool_tokens) == (8, 512, None)
    assert facts.template.startswith("{% for message in messages %}")
    assert facts.version == "b0-unknown"


def test_without_either_nothing_is_known():
    assert slot_facts(EngineFacts()) == EngineFacts()
