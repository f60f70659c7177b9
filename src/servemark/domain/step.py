"""The seam between physics and the simulator: how long one engine step takes.

The simulator's clock counts integer picoseconds, so that jumping over equal steps gives exactly what
stepping one by one gives. A step time is therefore integer valued, and during pure decoding it is
affine in the total context, with at most one kink (where sliding windows are full).
"""

from __future__ import annotations

from typing import NamedTuple, Protocol


class DecodeCost(NamedTuple):
    """Time of a step with a fixed number of decoding sequences and nothing else.

    `t(C) = base_ps + slope_ps * min(C, kink_tokens) + late_slope_ps * max(0, C - kink_tokens)`
    with `C` the sum over the sequences of the tokens in their cache that the step reads.
    `kink_tokens` is None where the slope never changes.
    """

    base_ps: int
    slope_ps: int
    kink_tokens: int | None = None
    late_slope_ps: int = 0

    def at(self, context_tokens: int) -> int:
        """Duration of one step in picoseconds."""
        if self.kink_tokens is None or context_tokens <= self.kink_tokens:
            return self.base_ps + self.slope_ps * context_tokens
        late = self.late_slope_ps * (context_tokens - self.kink_tokens)
        return self.base_ps + self.slope_ps * self.kink_tokens + late


class StepTime(Protocol):
    """How long a step takes, as a pure function of the batch."""

    def decode(self, decodes: int) -> DecodeCost:
        """Cost of a step that decodes one token for each of `decodes` (>= 1) sequences."""
        ...

    def mixed(
        self, decodes: int, context_tokens: int, prefill_tokens: int, prefill_pairs: int,
        prompts: int,
    ) -> int:  # fmt: skip
        """Duration in picoseconds of a step with a prefill part.

        Args:
            decodes: sequences that decode one token each.
            context_tokens: sum of their cached tokens.
            prefill_tokens: prompt tokens computed in this step (cached prefix not counted).
            prefill_pairs: sum over the computed prompt tokens of the tokens each attends to
                (cached prefix and itself included): the causal attention work.
            prompts: number of prompts that this step computes a part of.
        """
        ...
