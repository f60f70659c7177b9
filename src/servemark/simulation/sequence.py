"""One request inside an engine."""

from __future__ import annotations


class Sequence:
    """A request on its way through one replica.

    `generated` and `computed` are up to date while the sequence waits or prefills. While it decodes, both
    follow from `finish` and the batch's step counter (see `batch.py`), so that a step touches no sequence.
    """

    __slots__ = (
        "cached", "computed", "finish", "generated", "held", "input_tokens", "keys", "output_tokens",
        "preemptions", "reserved", "serial",
    )  # fmt: skip

    def __init__(self, input_tokens: int, output_tokens: int) -> None:
        self.input_tokens = input_tokens
        self.output_tokens = output_tokens
        self.keys: list[int] = []
        """Prefix-cache keys of the leading full prompt blocks; empty where nothing is cached."""
        self.generated = 0
        """Output tokens so far."""
        self.computed = 0
        """Tokens in the KV cache."""
        self.held = 0
        """How many of the first `keys` this sequence holds in the cache."""
        self.reserved = 0
        """Blocks taken at admission for the whole of its life; 0 = block by block as it grows."""
        self.cached = 0
        """Prompt tokens found in the prefix cache when first admitted."""
        self.finish = 0
        """Decoding: value of the batch's step counter at which the last token is out."""
        self.serial = 0
        """Decoding: its place in the order of admission."""
        self.preemptions = 0

    @property
    def target(self) -> int:
        """Tokens to compute before the next token can be sampled."""
        return self.input_tokens + self.generated
