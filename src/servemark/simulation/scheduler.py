"""Continuous batching: who is in the next step.

vLLM V1's rule: one token budget a step; running sequences first, one token for each that decodes, then the
prompt that is only partly computed; then waiting requests first come first served, while budget, sequences
and blocks last. A decoding sequence that finds no block preempts the newest, which goes back to the front
of the queue and is computed anew; nobody is admitted in such a step. Prompts are cut to the budget, so at
most one is ever partly computed, and it is the newest. Without chunked prefill (vLLM V0) whole prompts are
admitted, and while they are computed the decoding sequences pause.
"""

from __future__ import annotations

from collections import deque
from typing import Generic

from servemark.domain.deployment import EngineConfig
from servemark.domain.step import StepTime
from servemark.simulation.batch import Batch, S
from servemark.simulation.blocks import BlockPool, blocks_of
from servemark.simulation.policies import Policy, policy_of


class Scheduler(Generic[S]):
    """The queue, the batch and the blocks of one replica.

    Raises:
        InputError: see `policies.policy_of`.
    """

    def __init__(self, engine: EngineConfig, kv_blocks: int) -> None:
        self.policy: Policy = policy_of(engine, kv_blocks)
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
        """Whether the next steps admit nobody either, as long as no request arrives or finishes."""
        self.chunked = self.policy.chunks
        self.max_num_seqs = engine.max_num_seqs
        self.max_num_batched_tokens = engine.max_num_batched_tokens
        self.prefix_queries = 0
        """Prompt tokens looked up in the prefix cache, and how many of them were there."""
        self.prefix_hits = 0

    @property
    def running(self) -> int:
        """Sequences that hold blocks, between steps."""
        return len(self.batch.members) + (self.partial is not None)

    def schedule(self) -> list[tuple[S, int]]:
        """Take the blocks of the next step.

        Returns the sequences whose prompts it computes, with the number of tokens; all members of the
        batch decode in it as well, unless it computes prompts and prefill is not chunked.
        """
        self.preempted, self.broken, self.settled = [], [], True
        prompts: list[tuple[S, int]] = []
        if not self.chunked:
            self._admit(prompts, self.max_num_batched_tokens)
            if prompts:
                return prompts
        batch = self.batch
        while (due := batch.blocks_due()) > self.pool.free:
            self._make_room()
        self.pool.take(due)
        budget = self.max_num_batched_tokens
        if self.partial is not None:
            budget -= self._continue(self.partial, budget - len(batch.members), prompts)
        if self.preempted:
            self.settled = False
        elif self.chunked and self.waiting:
            self._admit(prompts, budget - len(batch.members))
        return prompts

    def commit(self, prompts: list[tuple[S, int]], steps: int = 1) -> tuple[list[S], list[S]]:
        """The scheduled step is over, or `steps` equal ones (without prompts, up to the next finish).

        Returns the sequences whose prompts are computed, each with one token more, and the sequences that
        are done, oldest first; the blocks of these are free again.
        """
        batch = self.batch
        if steps > 1:
            self.pool.take(batch.blocks_within(steps) - batch.blocks_due())
        done = batch.advance(steps) if self.chunked or not prompts else []
        prefilled: list[S] = []
        self.partial = None
        for seq, tokens in prompts:
            seq.computed += tokens
            if seq.computed < seq.input_tokens + seq.generated:
                self.partial = seq
                continue
            seq.generated += 1
            prefilled.append(seq)
            if seq.generated == seq.output_tokens:
                done.append(seq)
            else:
                batch.join(seq)
        for seq in done:
            self._release(seq)
        return prefilled, done

    def decoding(self, prompts: list[tuple[S, int]]) -> list[S]:
        """Members of the batch that get a token in the scheduled step."""
        return list(self.batch.members.values()) if self.chunked or not prompts else []

    def duration_ps(self, step_time: StepTime, prompts: list[tuple[S, int]]) -> int:
        """How long the scheduled step takes (0 when there is nothing to do)."""
        batch = self.batch
        if not prompts:
            members = len(batch.members)
            return step_time.decode(members).at(batch.context_tokens) if members else 0
        total = pairs = 0
        for seq, tokens in prompts:
            total += tokens
            pairs += tokens * (2 * seq.computed + tokens + 1) // 2
        if self.chunked:
            return step_time.mixed(len(batch.members), batch.context_tokens, total, pairs, len(prompts))
        return step_time.mixed(0, 0, total, pairs, len(prompts))

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
            size = self.policy.block_size
            need = blocks_of(seq.computed + tokens, size) - blocks_of(seq.computed, size)
            if need > self.pool.free:
                self._make_room()
                return 0
            self.pool.take(need)
        self._register(seq, seq.computed + tokens)
        prompts.append((seq, tokens))
        return tokens

    def _admit(self, prompts: list[tuple[S, int]], budget: int) -> None:
        """Move requests from the queue into the step, first come first served."""
        waiting, policy = self.waiting, self.policy
        while waiting and budget > 0 and len(self.batch.members) + len(prompts) < self.max_num_seqs:
            seq = waiting[0]
            target = seq.input_tokens + seq.generated
            hits = idle = 0
            if seq.keys and policy.caches:
                hits, idle = self.pool.match(seq.keys, (target - 1) // policy.block_size)
            computed = hits * policy.block_size
            tokens = target - computed
            if tokens > budget:
                if not self.chunked:
                    return
                tokens = budget
            need = -(-(computed + tokens) // policy.block_size)
            if policy.reserves:
                need = blocks_of(seq.input_tokens + seq.output_tokens, policy.block_size)
            if need - hits + idle > self.pool.free:
                if not policy.breaks:
                    # Its cached blocks may yet be evicted: a first part with fewer hits needs fewer blocks.
                    self.settled = not (idle and target > budget)
                    return
                self._break([*(seq for seq, _ in prompts), waiting.popleft()])
                prompts.clear()
                budget = self.max_num_batched_tokens
                continue
            waiting.popleft()
            self._seat(seq, hits, need)
            self._register(seq, computed + tokens)
            prompts.append((seq, tokens))
            budget -= tokens

    def _seat(self, seq: S, hits: int, blocks: int) -> None:
        """Give a sequence its first blocks, `hits` of them from the prefix cache."""
        if hits:
            self.pool.hold(seq.keys[:hits])
            seq.held = hits
            seq.computed = hits * self.policy.block_size
        self.pool.take(blocks - hits)
        if self.policy.reserves:
            seq.reserved = blocks
        if self.policy.caches and not seq.preemptions:
            seq.cached = seq.computed
            self.prefix_queries += seq.input_tokens
            self.prefix_hits += seq.computed

    def _register(self, seq: S, computed: int) -> None:
        """Make the prompt blocks findable that are full once `computed` tokens are in the cache."""
        if seq.keys and self.policy.caches:
            full = computed // self.policy.block_size
            if full > seq.held:
                seq.held += self.pool.register(seq.keys[seq.held : full])

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

    def _release(self, seq: S) -> None:
        """Return a sequence's blocks."""
        blocks = seq.reserved or -(-seq.computed // self.policy.block_size)
        self.pool.release(seq.keys[: seq.held], blocks - seq.held)
        seq.computed = seq.held = seq.reserved = 0
