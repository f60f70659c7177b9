"""The paged KV cache: a pool of blocks, and the prefix cache inside it.

As in vLLM, a block is taken from the head of one queue of free blocks and returned to its tail. A full
prompt block with a known hash stays findable after it is freed, until the queue's head reaches it: that is
the prefix cache, and its LRU order. A sequence returns its blocks last block first, so that the tail of a
prompt is forgotten before the front.

Blocks without a hash are interchangeable, so they are only counted: neighbours in the queue are one entry.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence as Sequenced


def blocks_of(tokens: int, block_size: int) -> int:
    """Blocks that hold so many tokens."""
    return -(-tokens // block_size)


def block_keys(
    prefix_blocks: Sequenced[int], prefix_block_tokens: int, block_size: int, input_tokens: int
) -> list[int]:
    """Cache keys of a prompt's full engine blocks, from the hashes of its coarser trace blocks.

    An engine block is named by the hash of the trace block in which it ends, and by where in it. A hash
    stands for the prompt up to its block's end (as vLLM and Mooncake chain them), so this works for any
    ratio of the two block sizes. The last trace block may reach past the prompt.
    """
    known = min(len(prefix_blocks) * prefix_block_tokens, input_tokens)
    ends = range(block_size - 1, known // block_size * block_size, block_size)
    size = prefix_block_tokens
    return [prefix_blocks[end // size] * size + end % size for end in ends]


class BlockPool:
    """`total` blocks, of which `free` can be taken; freed blocks with a key can still be found."""

    __slots__ = ("_queue", "_refs", "_tail", "free", "total")

    def __init__(self, total: int) -> None:
        self.total = total
        self.free = total
        self._refs: dict[object, int] = {}
        """Key of a cached block -> sequences that hold it; 0 = free, but still findable."""
        self._queue: OrderedDict[object, int] = OrderedDict()
        """Free blocks, next to be taken first: key -> 1, or an anonymous entry -> how many.

        Empty as long as all free blocks are alike.
        """
        self._tail: object = None
        """The anonymous entry at the queue's end, if there is one."""

    def take(self, blocks: int) -> None:
        """Take blocks from the head of the queue (the caller has looked at `free`); evicts keys."""
        self.free -= blocks
        queue = self._queue
        if not queue:
            return
        refs = self._refs
        while blocks > 0:
            entry, count = queue.popitem(last=False)
            if count > blocks:
                queue[entry] = count - blocks
                queue.move_to_end(entry, last=False)
                return
            blocks -= count
            refs.pop(entry, None)

    def give(self, blocks: int) -> None:
        """Return blocks that have no key."""
        self.free += blocks
        queue = self._queue
        if not queue or not blocks:
            return
        if self._tail in queue:
            queue[self._tail] += blocks
        else:
            self._tail = object()
            queue[self._tail] = blocks

    def match(self, keys: list[int], most: int) -> tuple[int, int]:
        """How many leading keys (at most `most`) are cached, and how many of those blocks are free."""
        refs = self._refs
        hits = idle = 0
        for key in keys:
            if hits == most or key not in refs:
                break
            hits += 1
            if not refs[key]:
                idle += 1
        return hits, idle

    def hold(self, keys: list[int]) -> None:
        """Share cached blocks; those that were free no longer are."""
        refs, queue = self._refs, self._queue
        for key in keys:
            if not refs[key]:
                del queue[key]
                self.free -= 1
            refs[key] += 1

    def register(self, keys: list[int]) -> int:
        """Make blocks just taken findable, up to the first key that is cached already.

        Returns how many were registered; the other blocks stay without a key.
        """
        refs = self._refs
        for count, key in enumerate(keys):
            if key in refs:
                return count
            refs[key] = 1
        return len(keys)

    def release(self, keys: list[int], others: int) -> None:
        """Return a sequence's blocks, last first: `others` without a key behind those with one."""
        self.give(others)
        if not keys:
            return
        refs, queue = self._refs, self._queue
        if not queue and self.free:
            queue[object()] = self.free
        for key in reversed(keys):
            refs[key] -= 1
            if not refs[key]:
                queue[key] = 1
                self.free += 1
                self._tail = None
