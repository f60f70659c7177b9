"""The sequences that decode, advanced many steps at once.

Every member gets one token a step, so nothing about a single member needs to change from step to step: it
stores the step at which it will be done, and its context follows from the step counter. A member takes a
block whenever its context is a multiple of the block size; members whose context is congruent do so in the
same steps, so one counter per remainder (`phases`) tells the blocks due in any step.
"""

from __future__ import annotations

from heapq import heappop, heappush
from typing import Generic, TypeVar

from servemark.simulation.sequence import Sequence

S = TypeVar("S", bound=Sequence)


class Batch(Generic[S]):
    """Decoding sequences in the order of admission.

    Args:
        block_size: tokens of a block.
        grows: False when members hold all their blocks from the start.
    """

    __slots__ = (
        "_due", "_ends", "_finishes", "_grows", "_phases", "_serial", "_size", "context_tokens", "members", "step",
    )  # fmt: skip

    def __init__(self, block_size: int, *, grows: bool) -> None:
        self.step = 0
        """Steps done so far."""
        self.context_tokens = 0
        """Sum of the members' cached tokens."""
        self.members: dict[int, S] = {}
        """By serial, which rises: the newest is last."""
        self._serial = self._ends = 0
        """Of the newest member; sum of the members' `finish`."""
        self._size = block_size
        self._grows = grows
        self._phases = [0] * (2 * block_size)
        """Written twice over, so that a slice of it never wraps round."""
        self._due: dict[int, list[int]] = {}
        """Value of the step counter -> serials of the members that are done then."""
        self._finishes: list[int] = []
        """Heap of the keys of `_due`; keys that are gone are stale."""

    def join(self, seq: S) -> None:
        """A sequence whose tokens so far are computed, but for the one just sampled."""
        self._serial = seq.serial = serial = self._serial + 1
        seq.finish = finish = self.step + seq.output_tokens - seq.generated
        self.members[serial] = seq
        self._ends += finish
        self.context_tokens += seq.computed
        if self._grows:
            phase = (self.step - seq.computed) % self._size
            self._phases[phase] += 1
            self._phases[phase + self._size] += 1
        if finish in self._due:
            self._due[finish].append(serial)
        else:
            self._due[finish] = [serial]
            heappush(self._finishes, finish)

    def remove(self, seq: S) -> None:
        """Take a member out before it is done; brings its `generated` and `computed` up to date."""
        due = self._due[seq.finish]
        due.remove(seq.serial)
        if not due:
            del self._due[seq.finish]
        self._leave(seq)

    def _leave(self, seq: S) -> None:
        del self.members[seq.serial]
        self._ends -= seq.finish
        seq.generated = seq.output_tokens - (seq.finish - self.step)
        seq.computed = computed = seq.input_tokens + seq.generated - 1
        self.context_tokens -= computed
        if self._grows:
            phase = (self.step - computed) % self._size
            self._phases[phase] -= 1
            self._phases[phase + self._size] -= 1

    @property
    def tokens_to_come(self) -> int:
        """Output tokens that the members have yet to write."""
        return self._ends - self.step * len(self.members)

    def newest(self) -> S:
        """The member admitted last."""
        return self.members[next(reversed(self.members))]

    def advance(self, steps: int) -> list[S]:
        """So many steps pass, at most up to the next finish; removes and returns who is done then."""
        self.step = step = self.step + steps
        self.context_tokens += steps * len(self.members)
        heap = self._finishes
        if not heap or heap[0] > step:
            return []
        done: list[S] = []
        while heap and heap[0] <= step:
            for serial in self._due.pop(heappop(heap), ()):
                seq = self.members[serial]
                self._leave(seq)
                done.append(seq)
        return done

    def blocks_due(self, steps: int = 1) -> int:
        """Blocks that the next `steps` steps take."""
        size, phases = self._size, self._phases
        at = self.step % size
        if steps == 1:
            return phases[at]
        if steps < size:
            return sum(phases[at : at + steps])
        whole = steps // size * len(self.members) if self._grows else 0
        return whole + sum(self._phases[at : at + steps % size])

    def steps_alike(self, blocks: int) -> int:
        """Steps until the next member is done, or until `blocks` blocks are used up."""
        heap, members, size = self._finishes, len(self.members), self._size
        while heap[0] not in self._due:
            heappop(heap)
        most = heap[0] - self.step
        if members * (most // size + 1) <= blocks or not self._grows:
            return most
        cycles, left = divmod(blocks, members)
        steps = cycles * size
        at = self.step % size
        while steps < most and self._phases[at] <= left:
            left -= self._phases[at]
            at += 1
            steps += 1
        return min(steps, most)
