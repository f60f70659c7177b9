"""The nearest miss, and remedies that hold when they are tried."""

import re

from msgspec.structs import replace

from servemark.api.training_questions import training_question
from servemark.planning.training import training_plan
from servemark.planning.training_misses import nearest_miss


def asked(model="llama-3.1-70b", train="full", **options):
    return training_question(model, train, {"tokens": "5M", **options})


def test_what_fits_but_is_too_slow_is_nearer_than_what_does_not_fit():
    found = training_plan(asked("llama-3.1-8b", "lora", gpus="l4,rtx-4080", count="1", max_hours="0.5"))
    assert {each.reason for each in found.rejected} >= {"does_not_fit", "slo"}
    assert found.nearest is not None and found.nearest.reason == "slo"


def test_nothing_with_a_measure_has_no_nearest():
    assert nearest_miss([]) is None


def test_more_gpus_as_a_remedy_do_fit():
    question = asked(gpus="h100-sxm", count="8")
    remedy = next(line for line in training_plan(question).remedies if re.match(r"\d+ x", line))
    count = int(remedy.split()[0])
    assert training_plan(replace(question, counts=(count,))).choice is not None
    assert training_plan(replace(question, counts=(count // 2,))).choice is None


def test_milder_recipes_as_remedies_do_fit():
    question = asked(gpus="h100-sxm", count="8")
    remedies = " ".join(training_plan(question).remedies)
    assert "8-bit AdamW" in remedies and "LoRA" in remedies
    milder = replace(question, recipe=replace(question.recipe, optimizer="adamw-8bit"))
    assert training_plan(milder).choice is not None


def test_a_larger_gpu_is_named():
    remedies = training_plan(asked(train="qlora", gpus="rtx-4090", count="1")).remedies
    assert any("is the smallest" in line for line in remedies)


def test_chunked_loss_is_the_mildest_remedy():
    question = asked("qwen2.5-7b", "lora", gpus="rtx-4090", count="1", sequence="8192")
    found = training_plan(question)
    assert found.choice is None
    assert found.remedies[0].startswith("chunked cross entropy")
    chunked = replace(question, recipe=replace(question.recipe, loss="chunked"))
    assert training_plan(chunked).choice is not None


def test_a_70b_on_48_gb_takes_short_sequences_or_small_moments():
    """QLoRA, arXiv 2305.14314, trained 65B on one 48 GB card with sequences of 512 tokens."""
    question = asked(train="qlora", gpus="l40s", count="1")
    found = training_plan(question)
    assert found.choice is None
    assert any(line.startswith("sequences of 512 tokens") for line in found.remedies)
    assert training_plan(replace(question, sequence_tokens=512)).choice is not None
    assert any(line.startswith("a chunked loss and 8-bit moments") for line in found.remedies)
    small = replace(question.recipe, optimizer="adamw-8bit", loss="chunked")
    assert training_plan(replace(question, recipe=small)).choice is not None
