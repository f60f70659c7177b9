"""A Hugging Face config.json -> `ModelArch`."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from servemark.catalogue.checkpoint_dtype import checkpoint_dtype
from servemark.catalogue.families import FAMILIES, Family
from servemark.catalogue.fields import Fields
from servemark.catalogue.layers import Layer, layers_of
from servemark.domain.model import LayerGroup, ModelArch
from servemark.errors import InputError, UnknownName


def read_config(path: Path) -> ModelArch:
    """The model of a local folder with a config.json, or of a config.json itself.

    Raises:
        InputError: not there, not JSON, or a field that is missing or makes no sense.
    """
    file = path / "config.json" if path.is_dir() else path
    try:
        config = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(str(file), expected="a readable config.json", found=error.strerror) from None
    except ValueError as error:
        raise InputError(str(file), expected="JSON", found=error) from None
    name = path.resolve().name if path.is_dir() else path.resolve().parent.name
    return parse_config(config, key=name, name=name, path=str(file))


def parse_config(config: Mapping[str, Any], *, key: str, name: str, path: str = "config.json") -> ModelArch:
    """The architecture that a parsed config.json describes.

    A multimodal config counts its text part alone (`text_config`, or what others call it).

    Args:
        config: the JSON object.
        key: what the catalogue calls it.
        name: what people call it.
        path: file named in errors.

    Raises:
        InputError: a field is missing or makes no sense, as `config.json: num_attention_heads`.
        UnknownName: a `model_type` that is not known.
    """
    if not isinstance(config, Mapping):
        raise InputError(path, expected="a JSON object", found=type(config).__name__)
    text = _text_part(config)
    family = _family(text, path)
    fields = Fields(text, path=path, defaults=family.defaults)
    layers = layers_of(fields, family)
    hidden, vocab = fields.count("hidden_size"), fields.count("vocab_size")
    if fields.count("word_embed_proj_dim", hidden) != hidden:
        raise fields.error(
            "word_embed_proj_dim",
            expected=f"embeddings as wide as the model, {hidden}",
            found=fields.get("word_embed_proj_dim"),
        )
    norm = hidden * (2 if family.layer_norm else 1)
    return ModelArch(
        key=key,
        name=name,
        kind=family.kind,
        hidden=hidden,
        vocab=vocab,
        groups=_groups(layers, norm * _norms(fields, family)),
        tied_embeddings=fields.flag("tie_word_embeddings", default=family.tied),
        other_params=_other_params(fields, family, norm),
        prediction_layers=_prediction_layers(fields),
        max_context_tokens=fields.count("max_position_embeddings"),
        dtype=checkpoint_dtype(text, path=path),
    )


def _prediction_layers(fields: Fields) -> int:
    """Heads for multi-token prediction (DeepSeek, GLM; Qwen under another name)."""
    name = "mtp_num_hidden_layers" if fields.has("mtp_num_hidden_layers") else "num_nextn_predict_layers"
    return fields.count(name, 0, minimum=0)


def _text_part(config: Mapping[str, Any]) -> Mapping[str, Any]:
    """The fields of the language model, before those of the whole."""
    for name in ("text_config", "llm_config", "language_config"):
        if isinstance(config.get(name), dict):
            return {**config, **{k: v for k, v in config[name].items() if v is not None}}
    return config


def _family(config: Mapping[str, Any], path: str) -> Family:
    kind = config.get("model_type")
    if not isinstance(kind, str):
        raise InputError(f"{path}: model_type", expected="a known model type", found=repr(kind))
    if kind not in FAMILIES:
        raise UnknownName(f"{path}: model_type", kind="a known model type", name=kind, known=FAMILIES)
    return FAMILIES[kind]


def _norms(fields: Fields, family: Family) -> int:
    """Norms of one layer; the first Falcons share one between attention and feed-forward."""
    shared = fields.flag("parallel_attn") and not fields.flag("new_decoder_architecture")
    return 1 if shared else family.norms


def _groups(layers: list[Layer], norm_params: int) -> tuple[LayerGroup, ...]:
    """Equal layers together, in the order in which each kind first occurs."""
    return tuple(
        LayerGroup(count=n, attention=each.attention, feedforward=each.feedforward, norm_params=norm_params)
        for each, n in Counter(layers).items()
    )


def _other_params(fields: Fields, family: Family, norm: int) -> int:
    """Final norm, positions, token types, embedding norm, pooler, bias of the head."""
    hidden = fields.count("hidden_size")
    # an encoder ends with the norm of its last layer, so its embedding norm takes the final norm's place
    count = norm * (1 + (family.embedding_norm and family.kind == "decoder"))
    if family.positions is not None:
        count += hidden * (fields.count("max_position_embeddings") + family.positions)
    if family.kind == "encoder" and family.pooler:
        count += hidden * fields.count("type_vocab_size", 2) + hidden * hidden + hidden
    return count + fields.count("vocab_size") * family.head_bias
