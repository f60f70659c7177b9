"""The paged KV cache: a pool of blocks, and the prefix cache inside it.

As in vLLM, a block is taken from the head of one queue of free blocks and returned to its tail. A full
prompt block with a known hash stays findable after it is freed, until the queue's head reaches it: that is
the prefix cache, and its LRU order. A sequence returns its blocks last block first, so that the tail of a
prompt is forgotten before the front.

Blocks without a hash are interchangeable, so they are only counted. What one sequence returned is one entry
of the queue (a `_Run`); a block that is found again leaves its run by a mark, not by a search.
"""

from __future__ import annotations

from collections import deque
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
    size = prefix_block_tokens
    known = min(len(prefix_blocks) * size, input_tokens) // block_size
    parts, rest = divmod(size, block_size)
    if rest:
        ends = range(block_size - 1, known * block_size, block_size)
        return [prefix_blocks[end // size] * size + end % size for end in ends]
    keys: list[int] = []
    for prefix in prefix_blocks:
        keys.extend(range(prefix * parts, (prefix + 1) * parts))
    del keys[known:]
    return keys


class _Run:
    """Free blocks that were returned together: `plain` ones first, then those with `keys`, last first."""

    __slots__ = ("keys", "mark", "plain")

    def __init__(self, mark: int, plain: int, keys: list[int]) -> None:
        self.mark = mark
        self.plain = plain
        self.keys = keys


class BlockPool:
    """`total` blocks, of which `free` can be taken; freed blocks with a key can still be found."""

    __slots__ = ("_entries", "_marks", "_queue", "_state", "free", "total")

    def __init__(self, total: int) -> None:
        self.total = total
        self.free = total
        self._state: dict[int, int] = {}
        """Key of a cached block -> how many sequences hold it, or the (negative) mark of its run."""
        self._queue: deque[_Run] = deque()
        """Free blocks, next to be taken first. Empty as long as all free blocks are alike."""
        self._marks = 0
        self._entries = 0
        """Keys in all runs, left ones included."""

    def take(self, blocks: int) -> None:
        """Take blocks from the head of the queue (the caller has looked at `free`); forgets their keys."""
        self.free -= blocks
        queue = self._queue
        while blocks and queue:
            run = queue[0]
            plain = min(blocks, run.plain)
            run.plain -= plain
            blocks -= plain
            if blocks:
                blocks -= self._forget(run, blocks)
            if not run.plain and not run.keys:
                queue.popleft()

    def give(self, blocks: int) -> None:
        """Return blocks that have no key."""
        self.free += blocks
        if self._queue:
            if self._queue[-1].keys:
                self._queue.append(_Run(0, 0, []))
            self._queue[-1].plain += blocks

    def match(self, keys: list[int], most: int) -> tuple[int, int]:
        """How many leading keys (at most `most`) are cached, and how many of those blocks are free."""
        state = self._state
        hits = idle = 0
        for key in keys:
            if hits == most or key not in state:
                break
            hits += 1
            if state[key] < 0:
                idle += 1
        return hits, idle

    def hold(self, keys: list[int]) -> None:
        """Share cached blocks; those that were free no longer are."""
        state = self._state
        for key in keys:
            holders = state[key]
            if holders < 0:
                self.free -= 1
                holders = 0
            state[key] = holders + 1

    def register(self, keys: list[int]) -> int:
        """Make blocks just taken findable, up to the first key that is cached already.

        Returns how many were registered; the other blocks stay without a key.
        """
        state = self._state
        fresh = dict.fromkeys(keys, 1)
        if len(fresh) == len(keys) and state.keys().isdisjoint(fresh):
            state.update(fresh)
            return len(keys)
        for count, key in enumerate(keys):
            if key in state:
                return count
            state[key] = 1
        return len(keys)

    def release(self, keys: list[int], others: int) -> None:
        """Return a sequence's blocks, last first: `others` without a key behind those with one."""
        state = self._state
        if not self._queue and self.free:
            self._queue.append(_Run(0, self.free, []))
        shared = [key for key in keys if state[key] > 1]
        for key in shared:
            state[key] -= 1
        if shared:
            kept = set(shared)
            keys = [key for key in keys if key not in kept]
        self._marks -= 1
        state.update(dict.fromkeys(keys, self._marks))
        self._queue.append(_Run(self._marks, others, keys))
        self.free += len(keys) + others
        self._entries += len(keys)
        if self._entries > 4 * self.total:
            self._tidy()

    def _forget(self, run: _Run, blocks: int) -> int:
        """Take up to so many blocks with keys from a run; returns how many."""
        keys, mark, state = run.keys, run.mark, self._state
        taken = 0
        while keys and taken < blocks:
            last = keys[taken - blocks :]
            del keys[taken - blocks :]
            self._entries -= len(last)
            for key in [key for key in last if state.get(key) == mark]:
                del state[key]
                taken += 1
        return taken

    def _tidy(self) -> None:
        """Drop from the runs what has left them, so that the queue stays as small as the pool."""
        state = self._state
        for run in self._queue:
            run.keys = [key for key in run.keys if state.get(key) == run.mark]
        self._queue = deque(run for run in self._queue if run.plain or run.keys)
        self._entries = sum(len(run.keys) for run in self._queue)
