"""What a model is: groups of equal layers, each an attention and a feed-forward part.

A decoder with sliding windows, a mixture of experts whose first layers are dense, a hybrid of linear
and full attention or an encoder are all the same record with different groups; nothing downstream
asks for a model's family.
"""

from __future__ import annotations

from typing import Final, Literal

from servemark.domain.record import Record


class Attention(Record, tag="attention", frozen=True, kw_only=True):
    """Multi-head (kv_heads = heads), grouped-query or multi-query (kv_heads = 1) attention."""

    heads: int
    kv_heads: int
    head_dim: int
    window_tokens: int | None = None
    """Sliding window: a token sees at most so many; None = full attention."""
    qkv_bias: bool = False
    out_bias: bool = False
    qk_norm: bool = False
    sinks: bool = False
    """One learned sink logit per head (gpt-oss)."""
    gated: bool = False
    """An output gate as wide as the queries (Qwen 3.5)."""
    extra_params: int = 0


class LatentAttention(Record, tag="latent", frozen=True, kw_only=True):
    """Multi-head latent attention (MLA, DeepSeek): the cache holds one latent per token and layer."""

    heads: int
    q_lora_rank: int | None
    kv_lora_rank: int
    qk_nope_head_dim: int
    qk_rope_head_dim: int
    v_head_dim: int
    extra_params: int = 0
    """Parameters of an attached indexer (sparse attention) per layer, if any."""
    index_tokens: int | None = None
    """Top-k of a sparse indexer: prefill and decode attend to at most so many tokens."""


class LinearAttention(Record, tag="linear", frozen=True, kw_only=True):
    """Linear or state-space attention: a state of constant size per sequence, no KV per token."""

    params: int
    """Parameters per layer."""
    state_bytes: float
    """State per sequence and layer, in bytes."""


class Dense(Record, tag="dense", frozen=True, kw_only=True):
    """A feed-forward block; `gated` has three matrices (SwiGLU), otherwise two."""

    intermediate: int
    gated: bool = True
    bias: bool = False


class Moe(Record, tag="moe", frozen=True, kw_only=True):
    """A mixture of experts with top-k routing."""

    experts: int
    experts_per_token: int
    intermediate: int
    shared_intermediate: int = 0
    """Width of the shared expert(s), which every token visits."""
    shared_gate: bool = False
    gated: bool = True
    bias: bool = False
    router_bias: bool = False


AttentionKind = Attention | LatentAttention | LinearAttention
Feedforward = Dense | Moe


class LayerGroup(Record, frozen=True, kw_only=True):
    """`count` equal layers (not necessarily adjacent)."""

    count: int
    attention: AttentionKind
    feedforward: Feedforward | None
    norm_params: int = 0
    """Parameters of all norms of one layer."""


class ModelArch(Record, frozen=True, kw_only=True):
    """The architecture of one model: everything memory and step time depend on."""

    key: str
    name: str
    aliases: tuple[str, ...] = ()
    hub_id: str | None = None
    kind: Literal["decoder", "encoder"] = "decoder"
    hidden: int
    vocab: int
    groups: tuple[LayerGroup, ...]
    tied_embeddings: bool = False
    other_params: int = 0
    """Positions, token types, final norm, biases, pooler: what is in no layer and no matrix above."""
    unserved_params: int = 0
    """Published with the checkpoint but not loaded for text (a vision tower, prediction heads)."""
    prediction_layers: int = 0
    """Multi-token prediction heads that come with the checkpoint; not modelled."""
    max_context_tokens: int
    dtype: str = "bf16"
    """Precision of the published checkpoint: a key of `PRECISIONS`."""
    published_params: float | None = None
    """The count its maker states, to check ours against."""
    source: str = ""
    date: str = ""

    @property
    def layers(self) -> int:
        return sum(g.count for g in self.groups)

    @property
    def embedding_params(self) -> int:
        """Input embedding and output head together (once when tied)."""
        return self.vocab * self.hidden * (1 if self.tied_embeddings else 2)

    @property
    def layer_params(self) -> int:
        """All layers, every expert counted."""
        return sum(g.count * group_params(g, self.hidden) for g in self.groups)

    @property
    def params(self) -> int:
        """Everything that is loaded to serve text."""
        return self.layer_params + self.embedding_params + self.other_params

    @property
    def checkpoint_params(self) -> int:
        """Everything in the published checkpoint: what `published_params` counts."""
        return self.params + self.unserved_params

    @property
    def active_params(self) -> int:
        """Parameters one token passes through: routed experts counted k times, not all."""
        active = sum(g.count * group_params(g, self.hidden, active=True) for g in self.groups)
        return active + self.vocab * self.hidden + self.other_params

    @property
    def feedforward_kind(self) -> Literal["dense", "moe"]:
        """`moe` as soon as one group routes tokens to experts."""
        return "moe" if any(isinstance(g.feedforward, Moe) for g in self.groups) else "dense"

    @property
    def attention_kind(self) -> str:
        """Attention kinds of the groups: `gqa`, `mha`, `mla`, `gqa+sliding`, `linear+gqa` ..."""
        return "+".join(sorted({attention_kind(g.attention) for g in self.groups}))


def attention_kind(attention: AttentionKind) -> str:
    """The field's short word for one layer's attention."""
    match attention:
        case LatentAttention():
            return "mla"
        case LinearAttention():
            return "linear"
        case Attention(window_tokens=window) if window is not None:
            return "sliding"
        case Attention(heads=heads, kv_heads=kv_heads):
            return "mha" if heads == kv_heads else "mqa" if kv_heads == 1 else "gqa"


def attention_params(attention: AttentionKind, hidden: int) -> int:
    """Parameters of one layer's attention: projections, biases, query/key norms."""
    match attention:
        case Attention(heads=h, kv_heads=kv, head_dim=d):
            q, k = h * d, kv * d
            n = hidden * (q + 2 * k) + q * hidden + (hidden * q if attention.gated else 0)
            n += (q + 2 * k) * attention.qkv_bias + hidden * attention.out_bias
            return n + 2 * d * attention.qk_norm + h * attention.sinks + attention.extra_params
        case LatentAttention(heads=h, q_lora_rank=rank, kv_lora_rank=kv):
            qk = attention.qk_nope_head_dim + attention.qk_rope_head_dim
            n = hidden * rank + rank + rank * h * qk if rank else hidden * h * qk
            n += hidden * (kv + attention.qk_rope_head_dim) + kv
            n += kv * h * (attention.qk_nope_head_dim + attention.v_head_dim)
            return n + h * attention.v_head_dim * hidden + attention.extra_params
        case LinearAttention(params=n):
            return n


def feedforward_params(part: Feedforward | None, hidden: int, *, active: bool = False) -> int:
    """Parameters of one layer's feed-forward part; `active` counts only the k routed experts."""
    match part:
        case None:
            return 0
        case Dense(intermediate=f, gated=gated, bias=bias):
            return (3 if gated else 2) * hidden * f + bias * ((2 if gated else 1) * f + hidden)
        case Moe(experts=experts, experts_per_token=k, intermediate=f, gated=gated, bias=bias):
            expert = (3 if gated else 2) * hidden * f + bias * ((2 if gated else 1) * f + hidden)
            shared = (3 if gated else 2) * hidden * part.shared_intermediate
            router = hidden * experts + experts * part.router_bias + hidden * part.shared_gate
            return (k if active else experts) * expert + shared + router


def group_params(group: LayerGroup, hidden: int, *, active: bool = False) -> int:
    """Parameters of one layer of the group."""
    parts = attention_params(group.attention, hidden)
    return parts + feedforward_params(group.feedforward, hidden, active=active) + group.norm_params


class Precision(Record, frozen=True, kw_only=True):
    """A number format for weights or KV cache."""

    key: str
    bytes_per_value: float
    """Stored bytes per value, scales included."""
    compute: str
    """Key into `Gpu.dense_flop_per_s` where the unit exists; else the maths runs in 16 bits."""
    quantized: bool = False
    """Quantized checkpoints keep embeddings, head and norms in 16 bits."""
    covers: Literal["layers", "experts", "all"] = "layers"
    """What a quantized checkpoint stores in this format: the matrices of all layers; the routed experts
    alone (gpt-oss); or the embeddings too (GGUF files)."""


PRECISIONS: Final[dict[str, Precision]] = {
    p.key: p
    for p in (
        Precision(key="fp32", bytes_per_value=4.0, compute="fp32"),
        Precision(key="bf16", bytes_per_value=2.0, compute="bf16"),
        Precision(key="fp16", bytes_per_value=2.0, compute="fp16"),
        Precision(key="fp8", bytes_per_value=1.0, compute="fp8", quantized=True),
        Precision(key="int8", bytes_per_value=1.0, compute="int8", quantized=True),
        # 4-bit values in groups of 128 with a 16-bit scale and a 4-bit zero point
        Precision(key="int4", bytes_per_value=0.5 + 2.5 / 128, compute="bf16", quantized=True),
        # NVFP4: one FP8 scale per 16 values; MXFP4: one 8-bit exponent per 32
        Precision(key="fp4", bytes_per_value=0.5 + 1 / 16, compute="fp4", quantized=True),
        Precision(
            key="mxfp4", bytes_per_value=0.5 + 1 / 32, compute="fp4", quantized=True, covers="experts"
        ),
        # llama.cpp's mix averages 4.85 bits per weight over a Llama's matrices
        Precision(key="q4_k_m", bytes_per_value=4.85 / 8, compute="fp16", quantized=True, covers="all"),
    )
}
"""Number formats by key. Sources: OCP Microscaling spec v1.0 (MXFP4), NVIDIA NVFP4 notes."""
