"""The guide as people and programs read it."""

import json
from io import StringIO

import pytest
from rich.console import Console

from servemark.api.guidance import guide
from servemark.faces.documents import encode
from servemark.faces.guidance_words import guide_document, print_guide

FOUND = guide(budget="500usd/month")


def printed(found, width=100):
    text = StringIO()
    print_guide(found, Console(file=text, width=width, highlight=False, markup=False))
    return text.getvalue()


@pytest.mark.parametrize("width", [80, 120, 200])
def test_it_keeps_within_the_width(width):
    assert max(map(len, printed(FOUND, width).splitlines())) <= width


def test_the_first_line_says_what_the_money_is_worth():
    assert printed(FOUND).startswith("$500 a month is $0.68 an hour.")


def test_brief_topics_show_their_finding_alone():
    text = printed(FOUND)
    assert "FP8 needs compute capability 8.9. " in text
    assert "weights alone: half the bytes" not in text
    assert "servemark guide --for graphics,genome,rules" in text
    assert "weights alone: half the bytes" in printed(guide(for_="rules"))


def test_appended_figures_stand_behind_their_model():
    text = " ".join(printed(FOUND).split())
    assert "llama-3.1-8b, " in text and " users" in text


def test_the_document_has_every_row_under_its_key():
    document = json.loads(encode(guide_document(FOUND)))
    assert document["schema"] == "servemark.guide/1"
    assert document["budget_usd_per_month"] == 500
    sections = {section["key"]: section for section in document["sections"]}
    assert len(sections) == 12
    row = sections["images"]["rows"][0]
    assert (
        row["s_per_image_bf16"] is None or row["s_per_image_bf16"]["low"] < row["s_per_image_bf16"]["high"]
    )
    for section in sections.values():
        for row in section["rows"]:
            assert set(row) == {column["key"] for column in section["columns"]}
    assert all(share["offer"]["observed"] for share in document["shares"])
