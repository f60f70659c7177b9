"""Continuous batching: who is in the next step.

vLLM V1's rule: one token budget a step; running sequences first, one token for each that decodes, then the
prompt that is only partly computed; then waiting requests first come first served, while budget, sequences
and blocks last. A decoding sequence that finds no block preempts the newest, which goes back to the front
of the queue and is computed anew; nobody is admitted in such a step. Prompts are cut to the budget, so at
most one is ever partly computed, and it is the newest. Without chunked prefill a prompt waits until it fits
whole into what a step's budget leaves.

SGLang's rule (and vLLM V0's): as long as there are prompts to compute, steps compute nothing else, and the
decoding sequences pause.
"""

from __future__ import annotations

from collections import deque
from typing import Generic

from servemark.domain.deployment import EngineConfig
from servemark.domain.step import StepTime
from servemark.simulation.batch import Batch, S
from servemark.simulation.blocks import BlockPool, blocks_of
from servemark.simulation.policies import policy_of
from servemark.simulation.prefixes import Prefix


class Scheduler(Generic[S]):
    """The queue, the batch and the blocks of one replica.

    Raises:
        InputError: see `policies.policy_of`.
    """

    def __init__(self, engine: EngineConfig, kv_blocks: int) -> None:
        self.policy = policy_of(engine, kv_blocks)
        self.pool = BlockPool(self.policy.blocks)
        self.batch: Batch[S] = Batch(self.policy.block_size, grows=not self.policy.reserves)
        self.waiting: deque[S] = deque()
        self.partial: S | None = None
        """The one sequence whose prompt is partly computed."""
        self.preempted: list[S] = []
        """By the last `schedule`."""
        self.broken: list[S] = []
        """By the last `schedule` (llama.cpp's shared context)."""
        self.settled = True
        """Whether those that wait keep waiting, until one arrives or finishes or a block is missing."""
        self.prefix_queries = 0
        """Prompt tokens looked up in the prefix cache, and how many of them were there."""
        self.prefix_hits = 0
        self.alone = self.policy.alone
        self.max_num_seqs = engine.max_num_seqs
        self._budget = engine.max_num_batched_tokens
        self._size = self.policy.block_size
        self.taken = 0
        """Blocks that the members of the batch took for the scheduled step already."""

    @property
    def running(self) -> int:
        """Sequences that hold blocks, between steps."""
        return len(self.batch.members) + (self.partial is not None)

    def schedule(self) -> list[tuple[S, int]]:
        """Take the blocks of the next step.

        Returns the sequences whose prompts it computes, with the number of tokens; all members of the
        batch decode in it as well, unless it computes prompts and these are computed alone.
        """
        if self.preempted or self.broken:
            self.preempted, self.broken = [], []
        batch = self.batch
        prompts: list[tuple[S, int]] = []
        self.settled = True
        if self.alone and (self.partial is not None or self.waiting):
            budget = self._budget
            if self.partial is not None:
                budget -= self._continue(self.partial, budget, prompts)
            self._admit(prompts, budget)
            if prompts:
                return prompts
        while (due := batch.blocks_due()) > self.pool.free:
            self._make_room()
        self.pool.take(due)
        self.taken = due
        if not self.alone:
            budget = self._budget
            if self.partial is not None:
                budget -= self._continue(self.partial, budget - len(batch.members), prompts)
            if self.waiting and not self.preempted:
                self._admit(prompts, budget - len(batch.members))
        if self.preempted:
            self.settled = False
        return prompts

    def decoded(self, steps: int) -> list[S]:
        """`steps` equal steps without prompts are over, the first of them scheduled (or nothing waited).

        Returns the sequences that are done, oldest first; their blocks are free again.
        """
        self.pool.take(self.batch.blocks_due(steps) - self.taken)
        self.taken = 0
        done = self.batch.advance(steps)
        for seq in done:
            self._release(seq)
        return done

    def prefilled(self, prompts: list[tuple[S, int]]) -> tuple[list[S], list[S]]:
        """The scheduled step, with prompts, is over.

        Returns the sequences whose prompts are computed, each with one token more, and the sequences that
        are done, oldest first; the blocks of these are free again.
        """
        batch = self.batch
        done = [] if self.alone else batch.advance(1)
        complete: list[S] = []
        self.partial = None
        self.taken = 0
        for seq, tokens in prompts:
            seq.computed += tokens
            if seq.computed < seq.input_tokens + seq.generated:
                self.partial = seq
                continue
            seq.generated += 1
            complete.append(seq)
            if seq.generated == seq.output_tokens:
                done.append(seq)
            else:
                batch.join(seq)
        for seq in done:
            self._release(seq)
        return complete, done

    def duration_ps(self, step_time: StepTime, prompts: list[tuple[S, int]]) -> int:
        """How long the scheduled step takes (0 when there is nothing to do)."""
        batch = self.batch
        members = len(batch.members)
        if not prompts:
            return step_time.decode(members).at(batch.context_tokens) if members else 0
        total = pairs = 0
        for seq, tokens in prompts:
            total += tokens
            pairs += tokens * (2 * seq.computed + tokens + 1) // 2
        if self.alone:
            return step_time.mixed(0, 0, total, pairs, len(prompts))
        return step_time.mixed(members, batch.context_tokens, total, pairs, len(prompts))

    def drop(self, seq: S) -> None:
        """Forget a sequence, wherever it is (between steps)."""
        if seq is self.partial:
            self.partial = None
        elif self.batch.members.get(seq.serial) is seq:
            self.batch.remove(seq)
        else:
            self.waiting.remove(seq)
            return
        self._release(seq)

    def _continue(self, seq: S, budget: int, prompts: list[tuple[S, int]]) -> int:
        """The next part of a partly computed prompt; returns its tokens."""
        tokens = min(seq.target - seq.computed, budget)
        if not seq.reserved:
            need = blocks_of(seq.computed + tokens, self._size) - blocks_of(seq.computed, self._size)
            if need > self.pool.free:
                self._make_room()
                return 0
            self.pool.take(need)
        if seq.prefix is not None:
            self._register(seq, seq.prefix, seq.computed + tokens)
        prompts.append((seq, tokens))
        return tokens

    def _admit(self, prompts: list[tuple[S, int]], budget: int) -> None:
        """Move requests from the queue into the step, first come first served."""
        waiting, policy, size = self.waiting, self.policy, self._size
        room = self.max_num_seqs - len(self.batch.members)
        looks_ahead = policy.looks_ahead
        kept = self._kept(prompts) if looks_ahead else 0
        while waiting and budget > 0 and len(prompts) < room:
            seq = waiting[0]
            target = seq.input_tokens + seq.generated
            hits = idle = 0
            if seq.prefix is not None:
                hits, idle = self.pool.match(seq.prefix, (target - 1) // size)
            given = seq.given
            start = given or hits * size
            tokens = target - start
            if tokens > budget:
                if not policy.chunks:
                    return
                tokens = budget
            if policy.reserves:
                need = blocks_of(seq.input_tokens + seq.output_tokens, size) - hits
            else:
                need = blocks_of(start + tokens, size) - hits
            promised = self._promised(seq) - hits if looks_ahead else need
            if promised + idle + kept > self.pool.free:
                if not policy.breaks:
                    self.settled = self._stays_blocked(idle, target > budget)
                    return
                self._break([*(seq for seq, _ in prompts), waiting.popleft()])
                prompts.clear()
                budget, room = self._budget, self.max_num_seqs
                continue
            waiting.popleft()
            if seq.prefix is not None and hits:
                self.pool.hold(seq.prefix, hits)
                seq.held, seq.computed = hits, hits * size
            self.pool.take(need)
            if policy.reserves:
                seq.reserved = hits + need
            if given:
                seq.computed, seq.given = given, 0
            elif policy.caches and not seq.preemptions:
                seq.cached = seq.computed
                self.prefix_queries += seq.input_tokens
                self.prefix_hits += seq.computed
            if seq.prefix is not None:
                self._register(seq, seq.prefix, seq.computed + tokens)
            prompts.append((seq, tokens))
            budget -= tokens
            kept += promised - need

    def _promised(self, seq: S) -> int:
        """Blocks that must be there for a sequence when it is admitted."""
        if self.policy.ahead_ratio > 0:
            return blocks_of(seq.input_tokens + seq.output_tokens, self._size)
        return blocks_of(seq.target, self._size)

    def _kept(self, prompts: list[tuple[S, int]]) -> int:
        """Free blocks that are spoken for: by the running sequences and by the prompts of this step."""
        kept = blocks_of(int(self.policy.ahead_ratio * self.batch.tokens_to_come), self._size)
        for seq, tokens in prompts:
            kept += self._promised(seq) - blocks_of(seq.computed + tokens, self._size)
        return kept

    def _stays_blocked(self, idle: int, cut: bool) -> bool:
        """Whether the head of the queue, without room now, has none while the batch only decodes."""
        if self.policy.looks_ahead:
            # of larger blocks none may be taken in a step while less is kept
            return self.policy.ahead_ratio == 0 or self._size == 1
        # its cached blocks may yet be evicted: a first part with fewer hits needs fewer blocks
        return not (idle and cut)

    def _register(self, seq: S, prefix: Prefix, computed: int) -> None:
        """Make the prompt blocks findable that are full once `computed` tokens are in the cache."""
        full = min(computed // self._size, prefix.blocks)
        if full > seq.held:
            seq.held += self.pool.register(prefix, seq.held, full)

    def _make_room(self) -> None:
        """No block is left: preempt the newest, or break everything in flight."""
        if self.policy.breaks:
            self._break([])
            return
        seq = self.partial
        if seq is None:
            seq = self.batch.newest()
            self.batch.remove(seq)
        self.partial = None
        self._release(seq)
        seq.computed = seq.held = seq.reserved = 0
        seq.preemptions += 1
        self.waiting.appendleft(seq)
        self.preempted.append(seq)

    def _break(self, newcomers: list[S]) -> None:
        """Everything in flight ends at once; the pool is empty again."""
        members = list(self.batch.members.values())
        for seq in members:
            self.batch.remove(seq)
        self.broken += members
        if self.partial is not None and self.partial not in newcomers:
            self.broken.append(self.partial)
        self.partial = None
        self.broken += newcomers
        self.pool = BlockPool(self.policy.blocks)
        self.taken = 0

    def _release(self, seq: S) -> None:
        """Return a sequence's blocks."""
        blocks = seq.reserved or -(-seq.computed // self._size)
        if seq.prefix is not None and seq.held:
            self.pool.release(seq.prefix, seq.held, blocks - seq.held)
        else:
            self.pool.give(blocks)
