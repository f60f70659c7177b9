import json

import pytest

from servemark.calibration.model_names import model_finder, spellings
from servemark.catalogue.architectures import model_catalogue
from servemark.errors import InputError, UnknownName

CONFIG = {
    "model_type": "llama", "hidden_size": 1024, "num_hidden_layers": 4, "num_attention_heads": 8,
    "intermediate_size": 2048, "vocab_size": 32000, "max_position_embeddings": 4096,
}  # fmt: skip


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("meta-llama/Llama-3.1-8B-Instruct", "llama-3.1-8b"),
        ("LLAMA_3.1_8b", "llama-3.1-8b"),
        ("nvidia/Llama-3.3-70B-Instruct-FP8", "llama-3.3-70b"),
        ("Qwen/Qwen3-32B-FP8-dynamic", "qwen3-32b"),
        ("Meta-Llama-3-8B-hf", "llama-3-8b"),
        ("moonshotai/Kimi-K2.5-int4", "kimi-k2.5"),
    ],
)
def test_names_as_tables_write_them(name, key):
    assert model_finder()(name).key == key


def test_every_key_finds_its_own_model():
    find = model_finder()
    for key in model_catalogue():
        assert find(key).key == key


def test_unknown_names_are_refused_without_looking_elsewhere():
    with pytest.raises(UnknownName, match="nearest"):
        model_finder()("some-org/llama-3.1-9b")


def test_a_folder_adds_models_the_catalogue_lacks(tmp_path):
    (tmp_path / "mine-1b-hf").mkdir()
    (tmp_path / "mine-1b-hf" / "config.json").write_text(json.dumps(CONFIG))
    (tmp_path / "other-2b.json").write_text(json.dumps({**CONFIG, "num_hidden_layers": 8}))
    find = model_finder(tmp_path)
    assert find("acme/Mine-1B-Instruct").layers == 4
    assert find("other-2b").layers == 8
    assert find("other-2b").name == "other-2b"
    assert find("llama-3.1-8b").key == "llama-3.1-8b"


def test_a_config_that_makes_no_sense_concerns_only_its_own_rows(tmp_path):
    (tmp_path / "broken-1b.json").write_text(json.dumps({**CONFIG, "hidden_size": None}))
    (tmp_path / "fine-1b.json").write_text(json.dumps(CONFIG))
    find = model_finder(tmp_path)
    assert find("fine-1b").layers == 4
    with pytest.raises(InputError, match="hidden_size"):
        find("broken-1b")


def test_a_folder_that_is_none(tmp_path):
    with pytest.raises(InputError, match="a folder of"):
        model_finder(tmp_path / "none")


def test_spellings_grow_shorter():
    assert list(spellings("org/Name-7B-Instruct-2507-FP8")) == [
        "Name-7B-Instruct-2507-FP8", "Name-7B-Instruct-2507", "Name-7B-Instruct", "Name-7B",
    ]  # fmt: skip
