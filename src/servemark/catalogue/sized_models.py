"""A model of which only the size is known: the dense decoder that is usual for so many parameters."""

from __future__ import annotations

import re

from servemark.domain.model import Attention, Dense, LayerGroup, ModelArch
from servemark.errors import InputError
from servemark.units import parse

_SIZE = re.compile(r"\s*\d+(\.\d+)?\s*[mMbBtT]\s*")
ASPECT = 128
"""Hidden width over layers: GPT-3 175B 128, OPT 66B 144, BloombergGPT 110, GPT-NeoX 20B 140."""
VOCABULARY = 65_536
CONTEXT_TOKENS = 8_192


def is_size(name: str) -> bool:
    """Whether the name is a number of parameters: `50B`, `350M`."""
    return _SIZE.fullmatch(name) is not None


def sized_model(size: str, *, path: str = "model") -> ModelArch:
    """A dense decoder with exactly so many parameters and the proportions of GPT-3 (arXiv 2005.14165).

    Args:
        size: e.g. `50B`.
        path: field named in the error.

    Raises:
        InputError: no size from 100M to 10T.
    """
    params = round(parse(size, "tokens", path=path))
    if not 100e6 <= params <= 10e12:
        raise InputError(path, expected="a size from 100M to 10T, e.g. 50B", found=repr(size))
    # 12 L h^2 parameters in the layers, with L = h / ASPECT
    step = 1024 if params > 4e9 else 256
    hidden = max(step, round((params * ASPECT / 12) ** (1 / 3) / step) * step)
    layers = max(1, round((params - VOCABULARY * hidden) / (12 * hidden**2)))
    in_layers = params - VOCABULARY * hidden
    width = max(1, (in_layers // layers - 4 * hidden**2) // (2 * hidden))
    group = LayerGroup(
        count=layers,
        attention=Attention(heads=hidden // 128, kv_heads=hidden // 128, head_dim=128),
        feedforward=Dense(intermediate=width, gated=False),
    )
    whole = ModelArch(
        key=size.strip(),
        name=f"a {size.strip()} decoder",
        hidden=hidden,
        vocab=VOCABULARY,
        groups=(group,),
        tied_embeddings=True,
        max_context_tokens=CONTEXT_TOKENS,
        source="proportions of GPT-3, arXiv 2005.14165",
        date="2026-11-20",
    )
    return _filled(whole, params)


def _filled(model: ModelArch, params: int) -> ModelArch:
    """What rounding left over goes to the parameters outside the matrices."""
    fields = {name: getattr(model, name) for name in model.__struct_fields__}
    return ModelArch(**{**fields, "other_params": max(0, params - model.params)})
