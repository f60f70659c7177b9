"""Options of `guide` as people write them."""

import pytest

import servemark
from servemark.api.guidance import guide, monthly_dollars
from servemark.errors import InputError


def test_budgets():
    assert monthly_dollars("500usd/month") == 500
    assert monthly_dollars("500") == monthly_dollars(500) == 500
    assert monthly_dollars("0.5usd/h") == 365
    assert monthly_dollars("8760usd/year") == 730
    assert monthly_dollars(None) is None


@pytest.mark.parametrize(
    ("options", "path"),
    [
        ({"budget": "lots"}, "budget"),
        ({"budget": "0"}, "budget"),
        ({"budget": "-5usd/month"}, "budget"),
        ({"budget": "5usd/fortnight"}, "budget"),
        ({"for_": "cooking"}, "for"),
        ({"gpus": "l40x"}, "gpus"),
        ({"model": "lama"}, "model"),
        ({"model": "bge-m3"}, "model"),
        ({"providers": "nowhere"}, "providers"),
    ],
)
def test_bad_input_is_one_line_that_names_the_option(options, path):
    with pytest.raises(InputError) as caught:
        guide(**options)
    assert caught.value.path == path
    assert "\n" not in str(caught.value)


def test_only_the_topics_asked_for_in_their_order():
    found = guide(for_="speech, images", gpus="l40s")
    assert found.question.topics == ("images", "speech")
    assert [section.key for section in found.sections] == ["money", "images", "speech"]
    assert not any(section.brief for section in found.sections)


def test_without_topics_some_are_brief():
    found = guide(gpus="l40s")
    brief = {section.key for section in found.sections if section.brief}
    assert "graphics" in brief and "rule_fp8" in brief and "serving" not in brief


def test_it_is_public():
    assert servemark.guide is guide
