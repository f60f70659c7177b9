import pytest

from servemark.catalogue.architectures import find_model
from servemark.domain.deployment import Speculation
from servemark.physics.drafts import draft_bytes, draft_cache_bytes, draft_deployment
from servemark.physics.kv_layout import sequence_cache_bytes
from servemark.physics.memory import memory_budget

EAGLE = Speculation(method="eagle", tokens=3, acceptance_ratio=0.7)


def test_ngrams_draft_without_a_model(deploy):
    ngram = Speculation(method="ngram", tokens=4, acceptance_ratio=0.5)
    deployment = deploy("llama-3.1-8b", "l40s", speculative=ngram)
    assert draft_deployment(deployment) is None
    assert draft_bytes(deployment) == draft_cache_bytes(deployment, 1600) == 0


def test_a_head_is_one_layer_with_the_models_head(deploy):
    deployment = deploy("llama-3.1-8b", "l40s", speculative=EAGLE)
    head = draft_deployment(deployment).model
    assert (head.layers, head.hidden, head.vocab) == (1, 4096, 128256)
    layer = 2 * (head.layer_params + 2 * 4096**2)
    assert draft_bytes(deployment) == pytest.approx(layer, rel=1e-3)
    # one of 32 layers more in the cache
    assert draft_cache_bytes(deployment, 1600) == pytest.approx(sequence_cache_bytes(deployment, 1600) / 32)


def test_a_draft_model_brings_its_weights_and_its_cache(deploy):
    draft = Speculation(method="draft", tokens=5, acceptance_ratio=0.7, draft=find_model("llama-3.2-1b"))
    plain = memory_budget(deploy("llama-3.1-8b", "l40s"))
    both = memory_budget(deploy("llama-3.1-8b", "l40s", speculative=draft))
    # bf16, embedding and head tied
    assert both.weights_bytes - plain.weights_bytes == pytest.approx(2 * 1.236e9, rel=0.01)
    # 16 layers of 8 heads of 64 beside 32 of 8 heads of 128
    assert both.kv_bytes_per_token / plain.kv_bytes_per_token == pytest.approx(1.25)
