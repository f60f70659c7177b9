"""Which ways of spreading a run are tried."""

from msgspec.structs import replace

from servemark.api.training_questions import training_question
from servemark.planning.training_settings import settings

QUESTION = training_question("llama-3.1-8b", "lora", {"tokens": "50M", "gpus": "l40s"})


def tried(question, gpus):
    return list(settings(question, gpus))


def test_one_gpu_is_not_spread():
    found = tried(QUESTION, 1)
    assert {layout.gpus for _, layout in found} == {1}
    assert {layout.zero for _, layout in found} == {0}
    assert {recipe.checkpointing for recipe, _ in found} == {"none", "selective", "full"}
    assert {layout.micro_batch for _, layout in found} == {1, 2, 4, 8, 16}


def test_a_step_keeps_its_tokens_while_the_ranks_can_share_it():
    for gpus in (1, 2, 4, 8, 16, 32):
        for _, layout in tried(QUESTION, gpus):
            tokens = layout.data * layout.micro_batch * layout.accumulation * 2048
            assert tokens == 65_536
    assert {
        layout.data * layout.accumulation for _, layout in tried(QUESTION, 64) if layout.tensor == 1
    } == {64}


def test_every_layout_has_all_gpus():
    for gpus in (2, 8, 64):
        assert {layout.gpus for _, layout in tried(QUESTION, gpus)} == {gpus}


def test_4_bit_matrices_are_not_cut_and_frozen_weights_have_no_stage_two():
    qlora = replace(QUESTION, recipe=replace(QUESTION.recipe, method="qlora", base="nf4"))
    assert {layout.tensor for _, layout in tried(qlora, 8)} == {1}
    assert {layout.zero for _, layout in tried(QUESTION, 4)} == {0, 3}
    full = replace(QUESTION, recipe=replace(QUESTION.recipe, method="full"))
    assert {layout.zero for _, layout in tried(full, 4)} == {1, 2, 3}


def test_pipelines_are_for_several_servers():
    assert {layout.pipeline for _, layout in tried(QUESTION, 8)} == {1}
    assert {layout.pipeline for _, layout in tried(QUESTION, 64)} == {1, 2, 4, 8}


def test_one_kind_of_checkpointing_on_request():
    asked = replace(QUESTION, checkpointing="full")
    assert {recipe.checkpointing for recipe, _ in tried(asked, 1)} == {"full"}


def test_a_gradient_that_is_applied_at_once_is_not_accumulated():
    fused = replace(QUESTION, recipe=replace(QUESTION.recipe, optimizer_in_backward=True))
    assert {layout.accumulation for _, layout in tried(fused, 1)} == {1}
