"""The models: computed parameters against the published count, every spelling, every source."""

import datetime
import json
import sys
from collections import Counter

import pytest

from servemark.catalogue.architectures import find_model, model_catalogue
from servemark.catalogue.tables import table_names
from servemark.domain.model import PRECISIONS, Attention
from servemark.errors import InputError, MissingExtra, UnknownName, fold_name

MODELS = model_catalogue()
UNCOUNTED = {"aquila-7b"}
"""Models whose maker published no exact count; the reason stands in their file."""
MEASURED = {
    "Llama-3.1-70B": "llama-3.1-70b", "DeepSeek-R1": "deepseek-r1", "gpt-oss-120b": "gpt-oss-120b",
    "Llama-2-7b-hf": "llama-2-7b", "Qwen3.5-397B-A17B": "qwen3.5-397b-a17b",
    "Meta-Llama-3-8B": "llama-3-8b", "DeepSeek-V3": "deepseek-v3", "Llama-3.1-8B-Instruct": "llama-3.1-8b",
    "Mistral-7B-v0.1": "mistral-7b-v0.1", "Qwen3-235B-A22B-FP8": "qwen3-235b-a22b",
    "Mixtral-8x7B-v0.1": "mixtral-8x7b", "Kimi-K2.5": "kimi-k2.5", "Llama-2-70b-hf": "llama-2-70b",
    "Llama-3.3-70B": "llama-3.3-70b", "Llama-3.1-8B": "llama-3.1-8b", "GLM-5": "glm-5",
    "DeciLM-7B": "decilm-7b", "Qwen3-30B-A3B": "qwen3-30b-a3b", "Qwen2-72B": "qwen2-72b",
    "Llama-3-8B": "llama-3-8b", "GPT-J-6B": "gpt-j-6b", "Llama-2-7B": "llama-2-7b",
    "Llama-2-70B": "llama-2-70b", "Falcon-180B": "falcon-180b", "Llama-3-70B": "llama-3-70b",
    "Qwen3-235B-A22B": "qwen3-235b-a22b", "Mistral-7B": "mistral-7b-v0.1", "gpt-oss-20b": "gpt-oss-20b",
    "Aquila-7B": "aquila-7b", "bloom-7b1": "bloom-7b1", "gpt-j-6b": "gpt-j-6b", "llama-7b": "llama-7b",
    "opt-6.7b": "opt-6.7b", "Qwen1.5-7B": "qwen1.5-7b", "DeepSeek-R1-NVFP4": "deepseek-r1",
    "Qwen3-30B-A3B-Instruct-2507": "qwen3-30b-a3b", "Qwen3-32B": "qwen3-32b",
    "Qwen3-32B-NVFP4": "qwen3-32b", "DeepSeek-V3.1-NVFP4": "deepseek-v3",
}  # fmt: skip


@pytest.mark.parametrize("key", MODELS)
def test_computed_parameters_match_the_published_count(key):
    model = MODELS[key]
    if key in UNCOUNTED:
        assert model.published_params is None
        return
    assert model.params + model.unserved_params == pytest.approx(model.published_params, rel=0.005)


@pytest.mark.parametrize(
    ("key", "active"),
    [("gpt-oss-20b", 3.6e9), ("gpt-oss-120b", 5.1e9), ("mixtral-8x7b", 12.9e9), ("deepseek-r1", 37e9),
     ("qwen3-30b-a3b", 3.3e9), ("glm-5", 40e9), ("kimi-k2", 32e9)],
)  # fmt: skip
def test_active_parameters_match_the_published_count(key, active):
    # makers differ in whether the embedding counts, hence the wide bound
    assert MODELS[key].active_params == pytest.approx(active, rel=0.1)


def test_llama_3_1_8b_by_hand():
    model = find_model("llama-3.1-8b")
    attention = 4096 * (4096 + 2 * 1024) + 4096 * 4096
    layer = attention + 3 * 4096 * 14336 + 2 * 4096
    assert model.params == 32 * layer + 2 * 128256 * 4096 + 4096 == 8_030_261_248
    assert model.params * 2 // 2**20 == 15_316  # 15,317 MiB when rounded
    assert model.groups[0].attention == Attention(heads=32, kv_heads=8, head_dim=128)


@pytest.mark.parametrize(("spelling", "key"), MEASURED.items())
def test_every_model_of_the_published_measurements_is_found(spelling, key):
    assert find_model(spelling).key == key
    assert find_model(spelling.lower().replace("-", "_")).key == key


def test_a_hub_id_of_the_catalogue_needs_no_hub():
    assert find_model("meta-llama/Llama-3.1-8B").key == "llama-3.1-8b"
    assert find_model("meta-llama/Llama-3.1-8B-Instruct").key == "llama-3.1-8b"


def test_no_two_models_share_a_name():
    names = Counter(
        name
        for model in MODELS.values()
        for name in {fold_name(n) for n in (model.key, model.name, *model.aliases, model.hub_id)}
    )
    assert [name for name, count in names.items() if count > 1] == []


@pytest.mark.parametrize("key", MODELS)
def test_every_model_has_a_source_and_a_date(key):
    model = MODELS[key]
    assert len(model.source) > len("config.json") or key in UNCOUNTED
    assert datetime.date.fromisoformat(model.date) >= datetime.date(2026, 1, 1)
    assert model.dtype in PRECISIONS
    assert 512 <= model.max_context_tokens <= 2**20


def test_the_catalogue_covers_what_it_promises():
    assert table_names("models") == tuple(MODELS)
    assert len(MODELS) >= 30
    assert {m.kind for m in MODELS.values()} == {"decoder", "encoder"}


def test_an_unknown_model_gets_the_nearest_names():
    with pytest.raises(UnknownName) as caught:
        find_model("lama-3.1-8b", path="model")
    assert caught.value.nearest[0] == "llama-3.1-8b"


def test_a_local_folder_and_a_config_are_models(tmp_path):
    folder = tmp_path / "my-model"
    folder.mkdir()
    (folder / "config.json").write_text(
        json.dumps({
            "model_type": "llama", "vocab_size": 100, "hidden_size": 8, "num_hidden_layers": 2,
            "num_attention_heads": 2, "intermediate_size": 16, "max_position_embeddings": 64,
        })
    )  # fmt: skip
    model = find_model(str(folder))
    assert (model.key, model.layers, model.dtype) == ("my-model", 2, "bf16")
    assert find_model(str(folder / "config.json")) == model


def test_a_path_that_is_not_there_is_no_hub_id(tmp_path):
    with pytest.raises(InputError, match=r"a readable config\.json"):
        find_model(str(tmp_path / "gone"))


def test_a_hub_id_without_the_hub_says_which_extra_brings_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(MissingExtra, match=r"servemark\[hub\]"):
        find_model("somebody/some-model-7b")
