"""What is left of an answer when only its prose counts."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from servemark.quality.prose import prose_of, runs_of, sentences_of, without_names, without_runs, words_of


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("It rained. ```x = 1\ny``` Then it stopped.", "It rained. Then it stopped."),
        ("Use `the key` now.", "Use now."),
        ("It is $x^2 + y$ high.", "It is high."),
        ("It is \\(x^2\\) high and \\frac{a}{b} wide.", "It is high and wide."),
        ("See https://example.org/a/b and www.example.org now.", "See and now."),
        ('He said "go home" and left.', "He said and left."),
        ("He said “go home” and ‘wait’ and left.", "He said and and left."),
        ("> a quoted line\nMine.", "Mine."),
        ("- first\n- second\n1. third\n(b) fourth", "first second third fourth"),
        ("**Bold** and _thin_", "Bold and thin"),
        ("It's the writer's house.", "It's the writer's house."),
        ('"It rained all day."', "It rained all day."),
        ('{"a": "It rained.", "b": ["All day."], "c": 3}', "It rained. All day."),
        ("Set max_num_seqs and gpu4u to {x}.", "Set and to ."),
    ],
)
def test_prose(text, left):
    assert " ".join(prose_of(text).split()) == left


def test_sentences():
    assert sentences_of("It rained. It stopped! Why? One: two; three – four\nfive") == [
        "It rained.", "It stopped!", "Why?", "One:", "two;", "three", "four", "five",
    ]  # fmt: skip
    assert sentences_of("雨来得太晚。庄稼歉收了。") == ["雨来得太晚。", "庄稼歉收了。"]


def test_names():
    assert without_names("The town of Kuala Lumpur grew") == "The town of grew"
    assert without_names("Kuala Lumpur grew") == "grew"
    assert without_names("Towns grew") == "Towns grew"


def test_runs():
    source = runs_of("the rain came much too late", 3)
    assert without_runs("We know the rain came early", source, 3) == "We know early"
    assert without_runs("The rain fell", source, 3) == "The rain fell"
    assert words_of("It's 3 o'clock, state-of-the-art") == ["It's", "o'clock", "state-of-the-art"]


@given(st.text(max_size=400))
def test_any_text(text):
    for sentence in sentences_of(prose_of(text)):
        assert sentence.strip()
        without_names(sentence)
