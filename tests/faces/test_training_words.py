"""The training plan as people and programs read it."""

import json
from io import StringIO

import pytest
from rich.console import Console

from servemark.api.training_questions import training_question
from servemark.faces.documents import encode
from servemark.faces.training_words import print_training_plan, training_plan_document, training_sentence
from servemark.planning.training import training_plan


def plan(model="llama-3.1-8b", train="lora", **options):
    return training_plan(training_question(model, train, {"tokens": "50M", **options}))


def printed(found, width=100):
    text = StringIO()
    print_training_plan(found, Console(file=text, width=width, highlight=False, markup=False))
    return text.getvalue()


EXAMPLE = plan(gpus="rtx-4090,l40s", max_hours="8")


def test_the_sentence_is_the_first_line_and_says_it_all():
    sentence = training_sentence(EXAMPLE)
    for word in ("Llama 3.1 8B", "LoRA", "50M tokens", "x", " h for $", "/h", "seen 20"):
        assert word in sentence
    assert " ".join(printed(EXAMPLE).split()).startswith(" ".join(sentence.split())[:60])


@pytest.mark.parametrize("width", [80, 120, 200])
def test_it_keeps_within_the_width(width):
    assert max(map(len, printed(EXAMPLE, width).splitlines())) <= width


def test_it_shows_where_memory_and_time_go():
    text = " ".join(printed(EXAMPLE).split())
    for word in (
        "weights",
        "gradients",
        "optimizer",
        "activations",
        "context",
        "MFU",
        "start-up",
        "why the others",
    ):
        assert word in text
    assert "498 ways judged" in text


def test_nothing_feasible_names_the_nearest_and_what_would_do():
    text = " ".join(printed(plan("llama-3.1-70b", "full", gpus="h100-sxm", count="8")).split())
    assert "no way keeps the limits" in text
    assert "1,129 GB on all 8" in text
    assert "would do: 32 x H100" in text


def test_a_published_run_is_put_beside_others():
    found = plan(
        "20B", "full", tokens="277B words", gpus="a100-sxm-80gb", count="560", took="20d", mfu="40%"
    )
    text = " ".join(printed(found).split())
    assert "268,800 GPU-hours and implies an MFU of 14.7%" in text
    assert "less than any of the published runs" in text


def test_the_document_counts_every_way():
    document = json.loads(encode(training_plan_document(EXAMPLE)))
    assert document["schema"] == "servemark.training_plan/1"
    listed = len(document["alternatives"]) + len(document["rejected"]) + 1
    assert document["candidates_evaluated"] == listed
    choice = document["choice"]
    assert choice["total_s"]["low"] <= choice["total_s"]["value"] <= choice["total_s"]["high"]
    assert choice["bill"]["offer"]["observed"] and choice["bill"]["usd_per_hour"] > 0
    for each in document["rejected"]:
        assert each["reason"] in ("does_not_fit", "slo", "budget", "unsupported", "dominated")
        assert each["deployment"] and each["detail"]


def test_many_gpus_are_shortened_on_the_terminal_only():
    found = plan()
    text = printed(found)
    assert "more with --json" in text
    assert len(text.splitlines()) < 80
