"""One request inside an engine."""

from __future__ import annotations

import msgspec

from servemark.simulation.prefixes import Prefix


class Sequence(msgspec.Struct, eq=False, kw_only=True):
    """A request on its way through one replica.

    `generated` and `computed` are up to date while the sequence waits or prefills. While it decodes, both
    follow from `finish` and the batch's step counter (see `batch.py`), so that a step touches no sequence.
    """

    input_tokens: int
    output_tokens: int
    """Tokens it will get."""
    prefix: Prefix | None = None
    """What the prefix cache may know of its prompt; None where nothing is cached."""
    generated: int = 0
    """Output tokens so far."""
    computed: int = 0
    """Tokens in the KV cache."""
    given: int = 0
    """Tokens whose KV cache comes with the request, from the replica that computed its prompt; not found
    again after a preemption."""
    held: int = 0
    """How many of its blocks are the first ones of `prefix`."""
    reserved: int = 0
    """Blocks taken at admission for the whole of its life; 0 = block by block as it grows."""
    cached: int = 0
    """Prompt tokens found in the prefix cache when first admitted."""
    finish: int = 0
    """Decoding: value of the batch's step counter at which the last token is out."""
    serial: int = 0
    """Decoding: its place in the order of admission."""
    preemptions: int = 0

    @property
    def target(self) -> int:
        """Tokens to compute before the next token can be sampled."""
        return self.input_tokens + self.generated
