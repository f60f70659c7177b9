"""Needles stand where their tags say."""

from collections import Counter

from servemark.quality.needles import COPIES, DEPTHS, WORD_LENGTHS, needle_items

ITEMS = needle_items()


def test_every_language_depth_and_length_equally_often():
    places = Counter((item.tags[1], item.tags[2], item.tags[3]) for item in ITEMS)
    assert len(places) == 2 * len(DEPTHS) * len(WORD_LENGTHS)
    assert set(places.values()) == {COPIES}


def test_the_needle_stands_at_its_depth_once():
    for item in ITEMS:
        depth = int(item.tags[2].removeprefix("depth-"))
        before, code, after = item.context.partition(item.answer)
        assert code and item.recalls[0] in code
        assert item.messages[-1].content.count(item.recalls[0]) == 1
        share = 100 * len(before.split()) / (len(before.split()) + len(after.split()))
        # a sentence of at most 20 words more or less
        assert abs(share - depth) <= 100 * 20 / len(item.context.split())


def test_the_text_is_as_long_as_said():
    for item in ITEMS:
        words = int(item.tags[3].removeprefix("words-"))
        assert words <= len(item.context.split()) <= words + 40


def test_no_code_stands_in_two_prompts():
    codes = [item.recalls[0] for item in ITEMS]
    assert len({code[-4:] for code in codes}) == len(codes)


def test_a_front_part_is_mixed():
    front = ITEMS[:24]
    assert {item.expected_language for item in front} == {"en", "ms"}
    assert len({item.tags[2] for item in front}) == len(DEPTHS)
    assert len({item.tags[3] for item in front}) == len(WORD_LENGTHS)
