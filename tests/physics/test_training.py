"""Memory of training: every part by hand, the published cases, and what must never fall or rise."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from servemark.catalogue.architectures import find_model
from servemark.domain.model import LinearAttention
from servemark.domain.training import Layout, Recipe
from servemark.errors import InputError
from servemark.physics.training import (
    BASE_BYTES,
    CONTEXT_BYTES,
    kept_bytes_per_token,
    params_per_gpu,
    training_memory,
)
from servemark.units import GB

LLAMA_8B = find_model("llama-3.1-8b")
LLAMA_70B = find_model("llama-3.1-70b")
ALONE = Layout()
METHODS = [
    Recipe(method="full"),
    Recipe(method="lora"),
    Recipe(method="lora", trainable_embeddings=True),
    Recipe(method="qlora", base="nf4"),
]


def memory(model, recipe, layout=ALONE, tokens=2048):
    return training_memory(model, recipe, layout, sequence_tokens=tokens)


def test_mixed_precision_takes_sixteen_bytes_per_parameter():
    found = memory(LLAMA_8B, Recipe(method="full"), Layout(accumulation=8), tokens=1)
    state = found.weights_bytes + found.gradients_bytes + found.optimizer_bytes
    assert state == pytest.approx(16 * LLAMA_8B.params)
    assert found.weights_bytes == pytest.approx(2 * LLAMA_8B.params)
    assert found.optimizer_bytes == pytest.approx(12 * LLAMA_8B.params)


@pytest.mark.parametrize(("optimizer", "each"), [("adamw-mixed", 16), ("adamw-bf16", 8), ("adamw-8bit", 6)])
def test_state_by_optimizer(optimizer, each):
    found = memory(LLAMA_8B, Recipe(method="full", optimizer=optimizer), Layout(accumulation=2), tokens=1)
    state = found.weights_bytes + found.gradients_bytes + found.optimizer_bytes
    assert state == pytest.approx(each * LLAMA_8B.params)


def test_full_70b_needs_1120_gb_before_activations_and_eight_cards_of_80_gb_have_640():
    whole = memory(LLAMA_70B, Recipe(method="full"), Layout(accumulation=2), tokens=1)
    state = whole.weights_bytes + whole.gradients_bytes + whole.optimizer_bytes
    # 70.55e9 parameters x 16 bytes; of 70e9 it is 1,120
    assert state / GB == pytest.approx(70.55 * 16, rel=1e-3)
    for layout in (Layout(data=8, zero=3), Layout(tensor=8)):
        found = memory(LLAMA_70B, Recipe(method="full"), layout)
        assert found.total_bytes.low > 85e9


def test_qlora_of_70b_does_not_fit_24_gb_not_even_its_weights():
    found = memory(LLAMA_70B, Recipe(method="qlora", base="nf4"), tokens=512)
    matrices = LLAMA_70B.layer_params - 80 * 2 * 8192
    # embedding and head in 16 bits, and adapters of 16 x (in + out)
    adapters = 80 * 16 * ((8192 + 8192) * 2 + (8192 + 1024) * 2 + 3 * (8192 + 28672))
    by_hand = matrices * 0.5159 + 2 * 2 * 128256 * 8192 + 2 * adapters
    assert found.weights_bytes == pytest.approx(by_hand, rel=1e-3)
    assert found.weights_bytes > 36e9
    assert found.total_bytes.low > 25.3e9


def test_nf4_with_double_quantization():
    # 4 bits, 8 bits per 64 values, 32 bits per 256 x 64 values
    assert BASE_BYTES["nf4"] * 8 == pytest.approx(4 + 8 / 64 + 32 / 16384)


def test_adapters_by_hand():
    params = params_per_gpu(LLAMA_8B, Recipe(method="lora", rank=16), Layout())
    attention = (4096 + 4096) + 2 * (4096 + 1024) + (4096 + 4096)
    feedforward = 3 * (4096 + 14336)
    assert params.adapters == 32 * 16 * (attention + feedforward) == 41_943_040


def test_activations_without_checkpointing_are_18_h_plus_10_f():
    model = find_model("llama-2-7b")
    kept = kept_bytes_per_token(model, Recipe(checkpointing="none"), Layout())
    assert kept == 32 * (18 * 4096 + 10 * 11008)
    full = kept_bytes_per_token(model, Recipe(checkpointing="full"), Layout())
    assert full == 32 * 2 * 4096
    assert kept_bytes_per_token(model, Recipe(checkpointing="offloaded"), Layout()) == 0
    assert full < kept_bytes_per_token(model, Recipe(checkpointing="selective"), Layout()) < kept


def test_a_plain_loss_takes_12_bytes_per_logit_and_is_the_peak():
    found = memory(find_model("qwen-7b"), Recipe(rank=64), Layout(accumulation=8), tokens=8192)
    assert found.peak_of == "loss"
    assert found.peak_bytes == 12 * 151936 * 8192
    chunked = memory(find_model("qwen-7b"), Recipe(rank=64, loss="chunked"), Layout(accumulation=8), 8192)
    assert chunked.total_bytes.value < found.total_bytes.value


def test_the_slope_of_the_published_qwen_7b_column():
    # 20.1 GB at 256 tokens, 36.6 GB at 8,192: 2.08 MB per token; ours is 2 h L + 12 V
    recipe, layout = Recipe(rank=64), Layout(accumulation=8)
    model = find_model("qwen-7b")
    long, short = (memory(model, recipe, layout, n).allocated_bytes for n in (8192, 1024))
    assert (long - short) / 7168 == pytest.approx(2 * 4096 * 32 + 12 * 151936)


def test_without_accumulation_gradients_and_logits_are_never_there_together():
    recipe = Recipe(method="full", optimizer="adamw-bf16", loss="chunked")
    once, often = (memory(LLAMA_8B, recipe, Layout(accumulation=n)) for n in (1, 8))
    assert once.allocated_bytes < often.allocated_bytes
    fused = memory(LLAMA_8B, replace(recipe, optimizer_in_backward=True))
    assert fused.gradients_bytes == 0
    assert fused.allocated_bytes < once.allocated_bytes


def test_zero_divides_what_its_stage_says():
    recipe = Recipe(method="full")
    none, *stages = (memory(LLAMA_8B, recipe, Layout(data=8, zero=z, accumulation=2), 1) for z in range(4))
    assert stages[0].optimizer_bytes == pytest.approx(none.optimizer_bytes / 8)
    assert stages[0].gradients_bytes == pytest.approx(none.gradients_bytes)
    assert stages[1].gradients_bytes == pytest.approx(none.gradients_bytes / 8)
    layer = LLAMA_8B.layer_params / 32
    gathered = 2 * 2 * layer * 7 / 8
    assert stages[2].weights_bytes == pytest.approx(none.weights_bytes / 8 + gathered)


def test_the_interval_is_none_to_a_quarter_of_waste():
    found = memory(LLAMA_8B, Recipe())
    assert found.total_bytes.low == found.allocated_bytes + CONTEXT_BYTES
    assert found.total_bytes.high == pytest.approx(1.25 * found.allocated_bytes + CONTEXT_BYTES)


def test_an_encoder_has_no_logits():
    found = memory(find_model("bert-large-uncased"), Recipe(method="full"), tokens=512)
    assert found.peak_of != "loss" or found.peak_bytes == 0
    assert found.total_bytes.value < 10e9


def test_linear_attention_is_refused_by_name():
    group = replace(LLAMA_8B.groups[0], attention=LinearAttention(params=1, state_bytes=1.0))
    with pytest.raises(InputError, match="linear attention"):
        memory(replace(LLAMA_8B, groups=(group,)), Recipe(checkpointing="none"))


@given(
    recipe=st.sampled_from(METHODS),
    tokens=st.integers(1, 16384),
    micro=st.integers(1, 8),
    accumulation=st.integers(1, 8),
    data=st.sampled_from([2, 4, 8, 64]),
)
def test_monotone(recipe, tokens, micro, accumulation, data):
    layout = Layout(data=data, micro_batch=micro, accumulation=accumulation)
    usual = memory(LLAMA_8B, recipe, layout, tokens)
    more = memory(LLAMA_8B, recipe, layout, tokens + 1)
    assert more.total_bytes.value >= usual.total_bytes.value
    assert usual.total_bytes.low <= usual.total_bytes.value <= usual.total_bytes.high
    stages = [memory(LLAMA_8B, recipe, replace(layout, zero=z), tokens).total_bytes.value for z in range(4)]
    assert stages == sorted(stages, reverse=True)
    kinds = [
        memory(LLAMA_8B, replace(recipe, checkpointing=kind), layout, tokens).total_bytes.value
        for kind in ("none", "selective", "full")
    ]
    assert kinds[1] <= kinds[0]
    assert kinds[2] <= kinds[0]
    wider = memory(LLAMA_8B, recipe, replace(layout, tensor=2), tokens)
    assert wider.total_bytes.value <= usual.total_bytes.value


@given(tokens=st.integers(1, 8192), data=st.sampled_from([2, 4, 8, 64]))
def test_stage_three_never_takes_more_for_a_model_of_many_layers(tokens, data):
    # two of 80 gathered layers weigh less than what one half of the ranks gives up
    layout = Layout(data=data, accumulation=2)
    two, three = (memory(LLAMA_70B, Recipe(method="full"), replace(layout, zero=z), tokens) for z in (2, 3))
    assert three.total_bytes.value <= two.total_bytes.value
