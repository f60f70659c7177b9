"""What the prefix cache knows of a prompt, and of the blocks behind one hash.

Traces name a prompt by the hashes of blocks (512 tokens in Mooncake's) that are larger than the engine's
(16). The engine blocks behind one hash are always held, freed and forgotten from the back, so a cached hash
needs no record of each: counts tell how many are cached and how many are held, and the free ones between
lie in the pool's queue as a few segments.
"""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Sequence as Sequenced
from typing import NamedTuple


class Prefix(NamedTuple):
    """The leading full blocks of a prompt."""

    hashes: Sequenced[int]
    """One for each `parts` engine blocks; it stands for the prompt up to there."""
    parts: int
    blocks: int
    """Full engine blocks; the last hash may reach past them."""

    def pieces(self, first: int, last: int) -> Iterator[tuple[int, int, int]]:
        """The engine blocks from `first` up to `last`: hash, and which of its blocks, from where to where."""
        while first < last:
            index, low = divmod(first, self.parts)
            high = min(self.parts, low + last - first)
            yield self.hashes[index], low, high
            first += high - low


def prefix_of(
    prefix_blocks: Sequenced[int], prefix_block_tokens: int, block_size: int, input_tokens: int
) -> Prefix:
    """A prompt's prefix in engine blocks, from the hashes of its trace blocks.

    Where the sizes do not divide, an engine block is named by the trace block in which it ends, and by where
    in it: a hash stands for the prompt up to its block's end (as vLLM and Mooncake chain them).
    """
    size = prefix_block_tokens
    blocks = min(len(prefix_blocks) * size, input_tokens) // block_size
    parts, rest = divmod(size, block_size)
    if not rest:
        return Prefix(prefix_blocks, parts, blocks)
    ends = range(block_size - 1, blocks * block_size, block_size)
    return Prefix([prefix_blocks[end // size] * size + end % size for end in ends], 1, blocks)


class Segment:
    """Free blocks of one node, from `low` up to `high`, at one place in the queue."""

    __slots__ = ("high", "low", "node")

    def __init__(self, node: Node, low: int, high: int) -> None:
        self.node = node
        self.low = low
        self.high = high


class Node:
    """The cached blocks of one hash: those up to `held` in use, the others free."""

    __slots__ = ("_free", "_holders", "cached", "held", "key")

    def __init__(self, key: int) -> None:
        self.key = key
        self.cached = 0
        self.held = 0
        """The most blocks that one sequence holds."""
        self._holders: dict[int, int] = {}
        """Blocks held -> by how many sequences."""
        self._free: list[Segment] = []
        """Highest and oldest first."""

    def hold(self, blocks: int) -> int:
        """One sequence more holds the first `blocks`; returns how many of these were free."""
        self._holders[blocks] = self._holders.get(blocks, 0) + 1
        gained = blocks - self.held
        if gained <= 0:
            return 0
        self.held = blocks
        while self._free and self._free[-1].low < blocks:
            segment = self._free[-1]
            segment.low = min(blocks, segment.high)
            if segment.low == segment.high:
                self._free.pop()
        return gained

    def extend(self, low: int, high: int) -> None:
        """A sequence that holds the first `low` blocks, all that are cached, adds more up to `high`."""
        if low:
            self._drop(low)
        self._holders[high] = 1
        self.cached = self.held = high

    def release(self, blocks: int) -> Segment | None:
        """A sequence lets go of the first `blocks`; returns those that nobody holds now."""
        self._drop(blocks)
        if blocks < self.held:
            return None
        self.held = max(self._holders, default=0)
        if self.held == blocks:
            return None
        segment = Segment(self, self.held, blocks)
        self._free.append(segment)
        return segment

    def forget(self, blocks: int) -> None:
        """The last `blocks`, all of the oldest segment or part of it, are in use for something else."""
        self.cached -= blocks
        segment = self._free[0]
        segment.high -= blocks
        if segment.low == segment.high:
            del self._free[0]

    def _drop(self, blocks: int) -> None:
        if self._holders[blocks] == 1:
            del self._holders[blocks]
        else:
            self._holders[blocks] -= 1
