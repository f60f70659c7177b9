"""Conversations that overlap and tell their code words early."""

from collections import defaultdict
from itertools import pairwise

from msgspec.structs import replace

from servemark.quality.conversations import memory_items
from servemark.quality.judging import judge_all
from servemark.quality.model_answers import answered

ITEMS = memory_items()
TALKS = defaultdict(list)
for _item in ITEMS:
    TALKS[_item.tags[2]].append(_item)


def test_forty_conversations_of_three_items_each():
    assert len(TALKS) == 40
    assert {len(items) for items in TALKS.values()} == {3}


def test_a_later_item_holds_the_whole_history_of_the_earlier_one():
    for items in TALKS.values():
        for earlier, later in pairwise(items):
            assert later.messages[: len(earlier.messages)] == earlier.messages
            assert later.messages[len(earlier.messages)].content == earlier.answer


def test_roles_take_turns():
    for item in ITEMS:
        roles = [each.role for each in item.messages]
        assert roles == ["system", *["user", "assistant"] * ((len(roles) - 2) // 2), "user"]


def test_turns_between_telling_and_asking():
    for items in TALKS.values():
        between = []
        for item in items:
            (told,) = [
                i
                for i, each in enumerate(item.messages)
                if each.role == "user" and item.recalls[0] in each.content
            ]
            between.append((len(item.messages) - 1 - told) // 2 - 1)
        assert between == [3, 5, 8]


def test_the_code_is_told_once_and_the_assistant_never_repeats_it_before_it_is_asked():
    for item in ITEMS:
        assert sum(item.recalls[0] in each.content for each in item.messages) == 1


def test_items_of_different_conversations_and_languages_follow_each_other():
    for one, other in pairwise(ITEMS):
        assert one.tags[2] != other.tags[2]
    assert [item.expected_language for item in ITEMS[:4]] == ["en", "ms", "en", "ms"]


def test_a_code_of_another_conversation_is_cross_talk_and_one_of_its_own_is_not():
    exchanges = [answered(item, max_tokens=64) for item in ITEMS]
    strange = [
        replace(each, answer=f"I think it was {ITEMS[i - 1].recalls[0]}.")
        for i, each in enumerate(exchanges)
    ]
    assert all(each.failed("cross_talk") for each in judge_all(strange))
    own = {id(item): items for items in TALKS.values() for item in items}
    mixed_up = [
        replace(each, answer=f"I think it was {own[id(item)][(int(item.id[-1])) % 3].recalls[0]}.")
        for each, item in zip(exchanges, ITEMS, strict=True)
    ]
    judged = judge_all(mixed_up)
    assert not any(each.failed("cross_talk") for each in judged)
    assert all(each.failed("lost_context") for each in judged)
