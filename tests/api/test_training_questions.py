"""Options of `plan --train` as people write them."""

import pytest

from servemark.api.training_questions import training_question
from servemark.errors import InputError, UnknownName


def asked(model="llama-3.1-8b", train="lora", **options):
    return training_question(model, train, {"tokens": "50M", **options})


def test_defaults():
    question = asked()
    assert question.tokens == 50_000_000
    assert question.counts == (1, 2, 4, 8, 16, 32, 64)
    assert question.batch_tokens == 65_536
    assert (question.recipe.method, question.recipe.rank, question.recipe.base) == ("lora", 16, "bf16")
    assert len(question.gpus) > 30
    assert {each.purchase for each in question.offers} == {"on-demand"}


def test_words_become_tokens_and_say_so():
    question = asked("20B", "full", tokens="277B words")
    assert question.tokens == round(277e9 * 1.3)
    assert "1.3 tokens per word" in question.tokens_source
    assert question.batch_tokens == 4_194_304


def test_quantities():
    question = asked(max_hours="8", budget="200usd", mfu="35%-45%", network="50GB/s", max_gpus=4)
    assert question.max_s == 8 * 3600
    assert asked(max_hours="3d").max_s == 3 * 86400
    assert question.budget_usd == 200
    assert question.mfu is not None
    assert (question.mfu.low, question.mfu.high) == pytest.approx((0.35, 0.45))
    assert question.network_bytes_per_s == 50e9
    assert question.counts == (1, 2, 4)
    assert asked(count="1,8").counts == (1, 8)


def test_the_optimizer_may_run_in_the_backward_pass():
    recipe = asked(train="full", optimizer="adamw-8bit+in-backward").recipe
    assert (recipe.optimizer, recipe.optimizer_in_backward) == ("adamw-8bit", True)
    assert not asked(train="full", optimizer="adamw-bf16").recipe.optimizer_in_backward


def test_qlora_means_nf4():
    assert asked(train="qlora").recipe.base == "nf4"


@pytest.mark.parametrize(
    ("options", "path"),
    [
        ({"tokens": None}, "tokens"),
        ({"tokens": "many"}, "tokens"),
        ({"tokens": "0"}, "tokens"),
        ({"train": "rlhf"}, "train"),
        ({"model": "lama-3.1-8b"}, "model"),
        ({"model": None}, "model"),
        ({"gpus": "l40x"}, "gpus"),
        ({"providers": "nowhere"}, "providers"),
        ({"max_hours": "0"}, "max_hours"),
        ({"max_hours": "soon"}, "max_hours"),
        ({"budget": "5000usd/month"}, "budget"),
        ({"budget": "-1"}, "budget"),
        ({"mfu": "140%"}, "mfu"),
        ({"mfu": "45%-35%"}, "mfu"),
        ({"sequence": "1M"}, "sequence"),
        ({"sequence": "2.5"}, "sequence"),
        ({"count": "0"}, "count"),
        ({"count": "two"}, "count"),
        ({"max_gpus": 0}, "max_gpus"),
        ({"rank": 0}, "rank"),
        ({"optimizer": "sgd"}, "optimizer"),
        ({"optimizer": "adamw-8bit+later"}, "optimizer"),
        ({"checkpointing": "some"}, "checkpointing"),
        ({"loss": "l2"}, "loss"),
        ({"network": "0"}, "network"),
        ({"took": "20d"}, "took"),
        ({"epochs": 3}, "epochs"),
    ],
)
def test_bad_input_is_one_line_that_names_the_option(options, path):
    with pytest.raises(InputError) as caught:
        asked(**options)
    assert caught.value.path == path
    assert "\n" not in str(caught.value)


def test_near_names_are_offered():
    with pytest.raises(UnknownName) as caught:
        asked(train="qlor")
    assert "qlora" in caught.value.nearest
