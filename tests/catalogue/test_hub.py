"""The hub with the real client, kept away from the network."""

import json

import pytest

from servemark.catalogue.architectures import find_model
from servemark.catalogue.hub import download_config
from servemark.errors import InputError


@pytest.mark.needs("hub")
def test_offline_is_said_at_once_and_in_one_line(monkeypatch, tmp_path):
    import huggingface_hub.constants as constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(InputError) as caught:
        download_config("somebody/some-model-7b", path="model")
    assert "somebody/some-model-7b" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.needs("hub")
def test_a_cached_config_needs_no_network(monkeypatch, tmp_path):
    import huggingface_hub

    config = {"model_type": "llama", "vocab_size": 100, "hidden_size": 8, "num_hidden_layers": 2,
              "num_attention_heads": 2, "intermediate_size": 16, "max_position_embeddings": 64}  # fmt: skip
    file = tmp_path / "config.json"
    file.write_text(json.dumps(config))
    monkeypatch.setattr(huggingface_hub, "try_to_load_from_cache", lambda *_: str(file))
    model = find_model("somebody/some-model-7b")
    assert (model.key, model.name) == ("somebody/some-model-7b", "some-model-7b")
