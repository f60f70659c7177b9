"""Exact tasks: their keys follow from their prompts."""

import json
import re
from collections import Counter

import jsonschema
import pytest

from servemark.quality.tasks import EACH, task_items

ITEMS = [item for seed in range(3) for item in task_items(seed)]


def of(kind, language=None):
    return [
        item for item in ITEMS if item.tags[1] == kind and (language is None or item.tags[2] == language)
    ]


def numbers(text):
    return [int(each) for each in re.findall(r"\d+", text)]


def test_kinds_and_languages_equally_often_and_in_turn():
    one = task_items(5)
    assert set(Counter(item.tags[1:] for item in one).values()) == {EACH}
    assert len({item.tags[1:] for item in one[:8]}) == 8


def test_a_copy_is_its_prompt():
    for item in of("copy"):
        assert item.key == item.answer == item.messages[-1].content
        assert item.format == "exact"


@pytest.mark.parametrize("language", ["en", "ms"])
def test_sums_come_out(language):
    for number, item in enumerate(of("arithmetic", language)):
        asked = numbers(item.messages[-1].content)
        match number % EACH % 3:
            case 0:
                a, p, b, q = asked
                right = a * p + b * q
            case 1:
                a, p, b, q, paid = asked
                right = paid - a * p - b * q
            case _:
                p, a, q, b = asked
                right = abs(a * p - b * q)
        assert int(item.key) == right > 0
        assert numbers(item.answer)[-1] == right


def test_what_is_extracted_stands_once_in_the_record():
    for item in of("extraction"):
        assert item.context.count(item.key) == 1
        # the row that holds it is of the person who is asked for
        (row,) = [line for line in item.context.splitlines() if item.key in line]
        name = row.split(";")[0].split(": ")[1]
        assert name in item.messages[-1].content.splitlines()[-1]


def test_objects_follow_their_schema_and_their_record():
    for item in of("json"):
        order = json.loads(item.key)
        jsonschema.validate(order, item.schema)
        for name in ("order", "customer", "town"):
            assert order[name] in item.context
        assert f"RM{order['price_rm']:.2f}" in item.context
        assert str(order["boxes"]) in item.context
        negated = "has not paid" in item.context or "belum membayar" in item.context
        assert order["paid"] is not negated
