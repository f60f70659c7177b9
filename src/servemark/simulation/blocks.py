"""The paged KV cache: a pool of blocks, and the prefix cache inside it.

As in vLLM, a block is taken from the head of one queue of free blocks and returned to its tail. A full
prompt block with a known hash stays findable after it is freed, until the queue's head reaches it: that is
the prefix cache, and its LRU order. A sequence returns its blocks last block first, so that the tail of a
prompt is forgotten before the front. Blocks without a hash are interchangeable, so they are only counted.
"""

from __future__ import annotations

from collections import deque

from servemark.simulation.prefixes import Node, Prefix, Segment


def blocks_of(tokens: int, block_size: int) -> int:
    """Blocks that hold so many tokens."""
    return -(-tokens // block_size)


class _Run:
    """Free blocks that came back together: `plain` ones first, then the segments, last one first."""

    __slots__ = ("plain", "segments")

    def __init__(self, plain: int, segments: list[Segment]) -> None:
        self.plain = plain
        self.segments = segments


class BlockPool:
    """`total` blocks, of which `free` can be taken; freed blocks with a hash can still be found."""

    __slots__ = ("_nodes", "_queue", "_segments", "free", "total")

    def __init__(self, total: int) -> None:
        self.total = total
        self.free = total
        self._nodes: dict[int, Node] = {}
        """The cached hashes."""
        self._queue: deque[_Run] = deque()
        """Free blocks, next to be taken first. Empty as long as all free blocks are alike."""
        self._segments = 0
        """Segments in the queue, those found again (and empty since) included."""

    def take(self, blocks: int) -> None:
        """Take blocks from the head of the queue (the caller has looked at `free`); forgets hashes."""
        self.free -= blocks
        queue = self._queue
        if not queue:
            return
        while blocks and queue:
            run = queue[0]
            plain = min(blocks, run.plain)
            run.plain -= plain
            blocks -= plain
            while blocks and run.segments:
                blocks -= self._forget(run.segments, blocks)
            if not run.plain and not run.segments:
                queue.popleft()

    def give(self, blocks: int) -> None:
        """Return blocks that have no hash."""
        self.free += blocks
        if self._queue:
            if self._queue[-1].segments:
                self._queue.append(_Run(0, []))
            self._queue[-1].plain += blocks

    def match(self, prefix: Prefix, most: int) -> tuple[int, int]:
        """How many leading blocks (at most `most`) are cached, and how many of those are free."""
        most = min(most, prefix.blocks)
        hits = free = 0
        for each in prefix.hashes:
            node = self._nodes.get(each)
            if node is None:
                break
            found = min(node.cached, prefix.parts, most - hits)
            hits += found
            free += max(0, found - node.held)
            if found < prefix.parts:
                break
        return hits, free

    def hold(self, prefix: Prefix, blocks: int) -> None:
        """Share the first cached blocks of a prompt; those that were free no longer are."""
        for each, _, high in prefix.pieces(0, blocks):
            self.free -= self._nodes[each].hold(high)

    def register(self, prefix: Prefix, first: int, last: int) -> int:
        """Make a prompt's blocks from `first` up to `last`, just taken, findable, up to one that is already.

        The sequence holds those before `first`. Returns how many were registered; the others have no hash.
        """
        count = 0
        for each, low, high in prefix.pieces(first, last):
            node = self._nodes.get(each)
            if node is None:
                node = self._nodes[each] = Node(each)
            elif node.cached > low:
                break
            node.extend(low, high)
            count += high - low
        return count

    def release(self, prefix: Prefix, held: int, others: int) -> None:
        """Return a sequence's blocks, last first: `others` without a hash behind the first `held`."""
        if not self._queue and self.free:
            self._queue.append(_Run(self.free, []))
        run = _Run(others, [])
        self.free += others
        for each, _, high in prefix.pieces(0, held):
            segment = self._nodes[each].release(high)
            if segment is not None:
                self.free += segment.high - segment.low
                run.segments.append(segment)
        self._queue.append(run)
        self._segments += len(run.segments)
        if self._segments > 4 * self.total:
            self._tidy()

    def _forget(self, segments: list[Segment], blocks: int) -> int:
        """Take up to so many blocks of the last segment; returns how many."""
        segment = segments[-1]
        taken = min(blocks, segment.high - segment.low)
        if taken:
            node = segment.node
            node.forget(taken)
            if not node.cached:
                del self._nodes[node.key]
        if segment.low == segment.high:
            segments.pop()
            self._segments -= 1
        return taken

    def _tidy(self) -> None:
        """Drop empty segments, so that the queue stays as small as the pool."""
        for run in self._queue:
            run.segments = [segment for segment in run.segments if segment.low < segment.high]
        self._queue = deque(run for run in self._queue if run.plain or run.segments)
        self._segments = sum(len(run.segments) for run in self._queue)
