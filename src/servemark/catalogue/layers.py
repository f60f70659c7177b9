"""The layers of a model, one by one, as its config.json describes them."""

from __future__ import annotations

from typing import NamedTuple

from servemark.catalogue.families import Family
from servemark.catalogue.fields import Fields
from servemark.domain.model import (
    Attention,
    AttentionKind,
    Dense,
    Feedforward,
    LatentAttention,
    LinearAttention,
    Moe,
)

_STATE_BYTES = {"float32": 4, "bfloat16": 2, "float16": 2}


class Layer(NamedTuple):
    """One layer; equal layers compare equal."""

    attention: AttentionKind
    feedforward: Feedforward | None


def layers_of(fields: Fields, family: Family) -> list[Layer]:
    """Every layer in order.

    Raises:
        InputError: a field is missing or makes no sense.
    """
    count = fields.count("num_hidden_layers", maximum=10_000)
    blocks = fields.per_layer("block_configs", count)
    if blocks is not None:
        return [_searched_layer(fields, block) for block in blocks]
    if fields.has("kv_lora_rank"):
        attention: list[AttentionKind] = [_latent(fields)] * count
    else:
        attention = _attention_layers(fields, family, count)
    return [Layer(part, _feedforward(fields, family, i)) for i, part in enumerate(attention)]


def _attention_layers(fields: Fields, family: Family, count: int) -> list[AttentionKind]:
    kinds = fields.per_layer("layer_types", count) or _layer_types(fields, family, count)
    kv_heads = fields.per_layer("num_key_value_heads_per_layer", count)
    layers: list[AttentionKind] = []
    for i, kind in enumerate(kinds):
        if kind == "linear_attention":
            layers.append(_linear(fields))
        elif kind in ("full_attention", "sliding_attention", "chunked_attention"):
            window = None if kind == "full_attention" else _window(fields)
            layers.append(_attention(fields, family, window, kv_heads[i] if kv_heads else None))
        else:
            raise fields.error(
                "layer_types", expected="full, sliding or linear attention", found=repr(kind)
            )
    return layers


def _window(fields: Fields) -> int | None:
    """The sliding window; None where it is no shorter than the context."""
    window = fields.count("sliding_window")
    return window if window < fields.count("max_position_embeddings") else None


def _layer_types(fields: Fields, family: Family, count: int) -> list[str]:
    """The kinds of the layers where config.json has no `layer_types`."""
    if fields.has("full_attention_interval"):
        every = fields.count("full_attention_interval")
        return ["linear_attention" if (i + 1) % every else "full_attention" for i in range(count)]
    if not fields.get("sliding_window") or not fields.flag("use_sliding_window", default=True):
        return ["full_attention"] * count
    if fields.has("max_window_layers"):
        first = fields.count("max_window_layers", minimum=0)
        return ["full_attention" if i < first else "sliding_attention" for i in range(count)]
    # without a pattern every layer slides: none comes up after the last
    every = fields.count("sliding_window_pattern", family.full_every or count + 1)
    return ["sliding_attention" if (i + 1) % every else "full_attention" for i in range(count)]


def _attention(fields: Fields, family: Family, window: int | None, kv_heads: object) -> Attention:
    heads = fields.count("num_attention_heads")
    bias = fields.flag("attention_bias") or fields.flag("bias")
    return Attention(
        heads=heads,
        kv_heads=_kv_heads(fields, heads, kv_heads),
        head_dim=_head_dim(fields, heads),
        window_tokens=window,
        qkv_bias=family.qkv_bias or bias,
        out_bias=family.out_bias or (bias and not family.qkv_bias_alone),
        qk_norm=family.qk_norm or fields.flag("use_qk_norm"),
        sinks=family.sinks,
        gated=fields.flag("attn_output_gate"),
    )


def _kv_heads(fields: Fields, heads: int, listed: object) -> int:
    """Key-value heads of one layer; `listed` is its own entry in a list per layer, or None."""
    name = "num_key_value_heads" if listed is None else "num_key_value_heads_per_layer"
    # Falcon writes multi-query attention as a flag and leaves the number at all heads
    multi_query = fields.flag("multi_query") and not fields.flag("new_decoder_architecture")
    kv_heads = listed if listed is not None else 1 if multi_query else fields.count(name, heads)
    if not isinstance(kv_heads, int) or not 0 < kv_heads <= heads or heads % kv_heads:
        raise fields.error(name, expected=f"a divisor of the {heads} attention heads", found=kv_heads)
    return kv_heads


def _head_dim(fields: Fields, heads: int) -> int:
    if fields.has("head_dim"):
        return fields.count("head_dim")
    hidden = fields.count("hidden_size")
    if hidden % heads:
        raise fields.error(
            "num_attention_heads", expected=f"a divisor of hidden_size {hidden}", found=heads
        )
    return hidden // heads


def _latent(fields: Fields) -> LatentAttention:
    rank = fields.count("q_lora_rank") if fields.has("q_lora_rank") else None
    extra, top = 0, None
    if fields.has("index_topk"):
        top, width = fields.count("index_topk"), fields.count("index_head_dim")
        heads, hidden = fields.count("index_n_heads"), fields.count("hidden_size")
        # queries from the latent, one key with its LayerNorm, a weight per head
        extra = (rank or hidden) * heads * width + hidden * width + 2 * width + hidden * heads
    return LatentAttention(
        heads=fields.count("num_attention_heads"),
        q_lora_rank=rank,
        kv_lora_rank=fields.count("kv_lora_rank"),
        qk_nope_head_dim=fields.count("qk_nope_head_dim"),
        qk_rope_head_dim=fields.count("qk_rope_head_dim"),
        v_head_dim=fields.count("v_head_dim"),
        extra_params=extra,
        index_tokens=top,
    )


def _linear(fields: Fields) -> LinearAttention:
    """Gated delta net (Qwen3-Next, Qwen 3.5): a causal convolution and one matrix of state per head."""
    hidden, kernel = fields.count("hidden_size"), fields.count("linear_conv_kernel_dim")
    key_dim, value_dim = fields.count("linear_key_head_dim"), fields.count("linear_value_head_dim")
    value_heads = fields.count("linear_num_value_heads")
    keys = fields.count("linear_num_key_heads") * key_dim
    values = value_heads * value_dim
    mixed = 2 * keys + values
    projections = hidden * (mixed + values) + hidden * 2 * value_heads + values * hidden
    small = mixed * kernel + 2 * value_heads + value_dim
    state_dtype = fields.get("mamba_ssm_dtype", "bfloat16")
    if state_dtype not in _STATE_BYTES:
        raise fields.error("mamba_ssm_dtype", expected=" or ".join(_STATE_BYTES), found=state_dtype)
    state = value_heads * key_dim * value_dim * _STATE_BYTES[state_dtype] + mixed * (kernel - 1) * 2
    return LinearAttention(params=projections + small, state_bytes=float(state))


def _feedforward(fields: Fields, family: Family, layer: int) -> Feedforward:
    bias = family.mlp_bias or fields.flag("mlp_bias") or fields.flag("bias")
    dense_first = fields.count("first_k_dense_replace", 0, minimum=0)
    sparse_step = fields.count("decoder_sparse_step", 1)
    dense = layer < dense_first or layer in fields.items("mlp_only_layers") or (layer + 1) % sparse_step
    if dense or not fields.has("num_experts"):
        hidden = fields.count("hidden_size")
        default = fields.get("intermediate_size", None if family.gated else 4 * hidden)
        # Llama 4 gives its dense layers a width of their own
        width = fields.count("intermediate_size_mlp", default)
        return Dense(intermediate=width, gated=family.gated, bias=bias)
    experts, k = fields.count("num_experts"), fields.count("num_experts_per_tok")
    if k > experts:
        raise fields.error("num_experts_per_tok", expected=f"at most the {experts} experts", found=k)
    width = fields.count("moe_intermediate_size", fields.get("intermediate_size"))
    shared = fields.count("n_shared_experts", 0, minimum=0) * width
    return Moe(
        experts=experts,
        experts_per_token=k,
        intermediate=width,
        shared_intermediate=fields.count("shared_expert_intermediate_size", shared, minimum=0),
        shared_gate=family.shared_gate,
        bias=family.expert_bias,
        router_bias=family.router_bias,
    )


def _searched_layer(fields: Fields, block: object) -> Layer:
    """A layer found by architecture search (Nemotron): its own heads and width, or neither."""
    heads, hidden = fields.count("num_attention_heads"), fields.count("hidden_size")
    part, ffn = (_part(fields, block, name) for name in ("attention", "ffn"))
    attention: AttentionKind = LinearAttention(params=0, state_bytes=0.0)
    if part.flag("replace_with_linear"):
        attention = LinearAttention(params=hidden * hidden, state_bytes=0.0)
    elif not part.flag("no_op"):
        kv_heads = heads // part.count("n_heads_in_group", maximum=heads)
        attention = Attention(heads=heads, kv_heads=kv_heads, head_dim=_head_dim(fields, heads))
    if ffn.flag("no_op"):
        return Layer(attention, None)
    if ffn.flag("replace_with_linear"):
        # one square matrix, written as two halves
        return Layer(attention, Dense(intermediate=hidden // 2, gated=False))
    if ffn.has("intermediate_size"):
        return Layer(attention, Dense(intermediate=ffn.count("intermediate_size")))
    factor = ffn.get("ffn_mult")
    if not isinstance(factor, (int, float)) or not 0 < factor < 1000:
        raise ffn.error("ffn_mult", expected="a number above 0", found=repr(factor))
    return Layer(attention, Dense(intermediate=-(-int(2 * factor * hidden / 3) // 256) * 256))


def _part(fields: Fields, block: object, name: str) -> Fields:
    part = block.get(name) if isinstance(block, dict) else None
    if not isinstance(part, dict):
        raise fields.error("block_configs", expected=f"an object with {name} per layer", found=repr(block))
    return Fields(part, path=f"{fields.path}: block_configs.{name}")
