"""Reading one config.json: fields under their several names, checked, with the path in every error."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from servemark.errors import InputError, nearest_names

NAMES: Final[dict[str, tuple[str, ...]]] = {
    "hidden_size": ("n_embd", "n_embed", "d_model", "dim"),
    "num_hidden_layers": ("n_layer", "num_layers", "n_layers"),
    "num_attention_heads": ("n_head", "n_heads"),
    "num_key_value_heads": ("num_kv_heads", "n_head_kv"),
    "intermediate_size": ("n_inner", "ffn_dim", "ffn_hidden_size", "hidden_dim"),
    "max_position_embeddings": ("n_positions", "seq_length", "n_ctx", "max_sequence_length"),
    "num_experts": ("num_local_experts", "n_routed_experts"),
    "num_experts_per_tok": ("experts_per_token", "num_experts_per_token"),
    "decoder_sparse_step": ("interleave_moe_layer_step",),
    "sliding_window": ("attention_chunk_size",),
    "attention_bias": ("use_qkv_bias",),
    "bias": ("use_bias",),
}
"""What older or other families call the same thing."""


class Fields:
    """The fields of one model's config, with the defaults of its family behind them."""

    def __init__(
        self, config: Mapping[str, Any], *, path: str, defaults: Mapping[str, Any] | None = None
    ) -> None:
        self.path = path
        self._config = {name: value for name, value in config.items() if value is not None}
        self._defaults = defaults or {}

    def get(self, name: str, default: Any = None) -> Any:
        """The value under the name or one of its other names; null counts as absent."""
        for each in (name, *NAMES.get(name, ())):
            if each in self._config:
                return self._config[each]
        return self._defaults.get(name, default)

    def has(self, name: str) -> bool:
        """Whether there is a value under the name."""
        return self.get(name) is not None

    def count(
        self, name: str, default: int | None = None, *, minimum: int = 1, maximum: int = 10**9
    ) -> int:  # fmt: skip
        """A whole number from `minimum` to `maximum`.

        Raises:
            InputError: missing without default, or no such number.
        """
        value = self.get(name, default)
        expected = f"a whole number >= {minimum}"
        if value is None:
            near = nearest_names(name, self._config)
            raise self.error(name, expected=expected, found="nothing", nearest=near)
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if not isinstance(value, int) or isinstance(value, bool) or value < minimum:
            raise self.error(name, expected=expected, found=repr(value))
        if value > maximum:
            raise self.error(name, expected=f"a whole number <= {maximum:,}", found=repr(value))
        return value

    def flag(self, name: str, default: bool = False) -> bool:
        """True or false."""
        value = self.get(name, default)
        if not isinstance(value, bool):
            raise self.error(name, expected="true or false", found=repr(value))
        return value

    def items(self, name: str) -> list[Any]:
        """A list; empty when absent."""
        value = self.get(name, [])
        if not isinstance(value, list):
            raise self.error(name, expected="a list", found=repr(value))
        return value

    def per_layer(self, name: str, layers: int) -> list[Any] | None:
        """A list with one entry per layer, or None when the config has none."""
        value = self.items(name) if self.has(name) else None
        if value is not None and len(value) != layers:
            raise self.error(name, expected=f"{layers} entries, one per layer", found=len(value))
        return value

    def error(
        self, name: str, *, expected: str, found: object, nearest: tuple[str, ...] = ()
    ) -> InputError:
        """The error for one field."""
        return InputError(f"{self.path}: {name}", expected=expected, found=found, nearest=nearest)
