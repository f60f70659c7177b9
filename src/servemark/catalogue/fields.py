"""Reading one config.json: fields under their several names, checked, with the path in every error."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from servemark.errors import InputError, nearest_names

NAMES: Final[dict[str, tuple[str, ...]]] = {
    "hidden_size": ("n_embd", "n_embed", "d_model"),
    "num_hidden_layers": ("n_layer", "num_layers"),
    "num_attention_heads": ("n_head",),
    "num_key_value_heads": ("num_kv_heads", "n_head_kv"),
    "intermediate_size": ("n_inner", "ffn_dim", "ffn_hidden_size"),
    "max_position_embeddings": ("n_positions", "seq_length", "n_ctx", "max_sequence_length"),
    "num_experts": ("num_local_experts", "n_routed_experts"),
    "num_experts_per_tok": ("experts_per_token", "num_experts_per_token"),
}
"""What older or other families call the same thing."""


class Fields:
    """The fields of one model's config, with the defaults of its family behind them."""

    def __init__(
        self, config: Mapping[str, Any], *, path: str, defaults: Mapping[str, Any] | None = None
    ) -> None:
        self._config = {**(defaults or {}), **{k: v for k, v in config.items() if v is not None}}
        self.path = path

    def get(self, name: str, default: Any = None) -> Any:
        """The value under the name or one of its other names."""
        for each in (name, *NAMES.get(name, ())):
            if each in self._config:
                return self._config[each]
        return default

    def count(self, name: str, default: int | None = None, *, minimum: int = 1) -> int:
        """A whole number, at least `minimum`.

        Raises:
            InputError: missing without default, or no such number.
        """
        value = self.get(name, default)
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if value is None:
            near = nearest_names(name, self._config)
            raise self.error(name, expected=f"a whole number >= {minimum}", found="nothing", nearest=near)
        if not isinstance(value, int) or isinstance(value, bool) or value < minimum:
            raise self.error(name, expected=f"a whole number >= {minimum}", found=repr(value))
        return value

    def flag(self, name: str, default: bool = False) -> bool:
        """True or false."""
        value = self.get(name, default)
        if not isinstance(value, bool):
            raise self.error(name, expected="true or false", found=repr(value))
        return value

    def per_layer(self, name: str, layers: int) -> list[Any] | None:
        """A list with one entry per layer, or None when the config has none."""
        value = self.get(name)
        if value is None:
            return None
        if not isinstance(value, list) or len(value) != layers:
            found = f"{len(value)} entries" if isinstance(value, list) else repr(value)
            raise self.error(name, expected=f"a list of {layers} entries, one per layer", found=found)
        return value

    def error(
        self, name: str, *, expected: str, found: object, nearest: tuple[str, ...] = ()
    ) -> InputError:
        """The error for one field."""
        return InputError(f"{self.path}: {name}", expected=expected, found=found, nearest=nearest)
