"""What the families of models do not write into config.json: biases, norms, defaults."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final, Literal, NamedTuple


class Family(NamedTuple):
    """Traits of one `model_type`. The default is Llama: RMS norms, gated feed-forward, no bias."""

    kind: Literal["decoder", "encoder"] = "decoder"
    qkv_bias: bool = False
    out_bias: bool = False
    qkv_bias_alone: bool = False
    """`attention_bias` means queries, keys and values, not the output projection."""
    mlp_bias: bool = False
    head_bias: bool = False
    gated: bool = True
    layer_norm: bool = False
    """LayerNorm (weight and bias) instead of RMSNorm (weight)."""
    norms: int = 2
    """Norms of one layer, each as wide as the model."""
    qk_norm: bool = False
    tied: bool = False
    """Whether the head is the embedding when config.json does not say."""
    positions: int | None = None
    """Learned positions: rows beyond `max_position_embeddings`; None = none learned."""
    embedding_norm: bool = False
    pooler: bool = True
    """Encoders: token types before the first layer and a pooler behind the last."""
    full_every: int | None = None
    """With a sliding window: every so many layers one attends to everything; None = all slide."""
    shared_gate: bool = False
    router_bias: bool = False
    expert_bias: bool = False
    sinks: bool = False
    defaults: Mapping[str, Any] = MappingProxyType({})
    """Values that the family's config.json may leave out."""


_LLAMA = Family()
_LATENT = Family(router_bias=True)
_GPT = Family(
    qkv_bias=True, out_bias=True, mlp_bias=True, gated=False, layer_norm=True, tied=True,
)  # fmt: skip
_BERT = _GPT._replace(kind="encoder", embedding_norm=True, positions=0)
_QWEN_DEFAULTS = {"use_sliding_window": False}
_QWEN2 = Family(qkv_bias=True, defaults=_QWEN_DEFAULTS)
_QWEN3 = Family(qk_norm=True, defaults=_QWEN_DEFAULTS)
_QWEN_HYBRID = _QWEN3._replace(
    shared_gate=True, defaults={"attn_output_gate": True, "full_attention_interval": 4}
)
_GEMMA3 = Family(
    norms=4, qk_norm=True, tied=True, full_every=6,
    defaults={
        "vocab_size": 262208, "max_position_embeddings": 131072, "num_attention_heads": 8,
        "num_key_value_heads": 4, "head_dim": 256,
    },
)  # fmt: skip

FAMILIES: Final[dict[str, Family]] = {
    "llama": _LLAMA,
    "aquila": _LLAMA,
    "granite": _LLAMA,
    "mistral": _LLAMA,
    "mixtral": _LLAMA,
    "phi3": _LLAMA,
    "deci": _LLAMA,
    "nemotron-nas": _LLAMA,
    "internlm2": _LLAMA,
    "ernie4_5": _LLAMA,
    "smollm3": Family(tied=True),
    "seed_oss": Family(qkv_bias_alone=True),
    "stablelm": Family(layer_norm=True, qkv_bias_alone=True),
    # three layers of four attend within a chunk of the context
    "llama4_text": Family(full_every=4, defaults={"n_shared_experts": 1, "sliding_window": 8192}),
    "olmo2": Family(qk_norm=True),
    "olmo3": Family(qk_norm=True, full_every=4),
    "cohere": Family(norms=1, tied=True),
    "cohere2": Family(norms=1, tied=True, full_every=4),
    "qwen2": _QWEN2,
    "qwen2_vl": _QWEN2,
    "qwen2_vl_text": _QWEN2,
    "qwen2_5_vl": _QWEN2,
    "qwen2_5_vl_text": _QWEN2,
    "qwen2_moe": _QWEN2._replace(shared_gate=True),
    "qwen3": _QWEN3,
    "qwen3_vl_text": _QWEN3,
    "qwen3_moe": _QWEN3,
    "qwen3_vl_moe_text": _QWEN3,
    "qwen3_next": _QWEN_HYBRID,
    "qwen3_5": _QWEN_HYBRID,
    "qwen3_5_text": _QWEN_HYBRID,
    "qwen3_5_moe": _QWEN_HYBRID,
    "qwen3_5_moe_text": _QWEN_HYBRID,
    "gemma": Family(tied=True),
    "gemma2": Family(norms=4, tied=True, full_every=2),
    "gemma3_text": _GEMMA3,
    "gpt_oss": Family(sinks=True, router_bias=True, expert_bias=True, full_every=2),
    "deepseek_v2": Family(),
    "deepseek_v3": _LATENT,
    "deepseek_v32": _LATENT,
    "kimi_k2": _LATENT,
    "kimi_k25": _LATENT,
    "glm_moe_dsa": _LATENT,
    "glm": Family(qkv_bias_alone=True),
    "glm4": Family(norms=4, qkv_bias_alone=True),
    "glm4_moe": Family(qkv_bias_alone=True, router_bias=True),
    "starcoder2": _GPT,
    "gpt_bigcode": _GPT._replace(positions=0),
    "phi": _GPT._replace(norms=1, tied=False, head_bias=True),
    "gptj": _GPT._replace(norms=1, tied=False, head_bias=True, qkv_bias=False, out_bias=False),
    "gpt_neox": _GPT._replace(tied=False),
    "gpt2": _GPT._replace(positions=0),
    "opt": _GPT._replace(positions=2),
    "bloom": _GPT._replace(embedding_norm=True, defaults={"max_position_embeddings": 2048}),
    "falcon": Family(
        gated=False, layer_norm=True, tied=True, defaults={"max_position_embeddings": 2048}
    ),
    "bert": _BERT,
    "distilbert": _BERT._replace(pooler=False),
    "roberta": _BERT,
    "camembert": _BERT,
    "xlm-roberta": _BERT,
}  # fmt: skip
"""Traits by `model_type`. Source: the modelling code of Hugging Face Transformers, 2026-11."""
