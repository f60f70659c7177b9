from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule

from servemark.simulation.blocks import BlockPool, blocks_of
from servemark.simulation.prefixes import Prefix


def test_a_block_is_taken_for_every_started_block_of_tokens():
    assert [blocks_of(tokens, 16) for tokens in (0, 1, 16, 17)] == [0, 1, 1, 2]


def test_the_tail_of_a_prompt_is_forgotten_first():
    pool, prompt = BlockPool(4), Prefix((7,), 3, 3)
    pool.take(3)
    assert pool.register(prompt, 0, 3) == 3
    pool.release(prompt, 3, 0)
    assert pool.match(prompt, 3) == (3, 3)
    pool.take(1)  # the block that was never used
    assert pool.match(prompt, 3) == (3, 3)
    pool.take(1)
    assert pool.match(prompt, 3) == (2, 2)


def test_shared_blocks_stay_until_the_last_holder_is_gone():
    pool, prompt = BlockPool(4), Prefix((7,), 2, 2)
    pool.take(2)
    pool.register(prompt, 0, 2)
    pool.hold(prompt, 1)
    pool.release(prompt, 2, 0)
    assert pool.free == 3
    pool.take(3)
    assert pool.match(prompt, 2) == (1, 0)
    pool.release(prompt, 1, 0)
    assert pool.free == 1


def test_a_block_found_again_is_not_evicted_in_its_old_place():
    pool = BlockPool(3)
    prompts = [Prefix((key,), 1, 1) for key in (1, 2, 3)]
    for prompt in prompts:
        pool.take(1)
        pool.register(prompt, 0, 1)
        pool.release(prompt, 1, 0)
    pool.hold(prompts[0], 1)
    pool.release(prompts[0], 1, 0)
    pool.take(2)
    assert [pool.match(prompt, 1)[0] for prompt in prompts] == [1, 0, 0]


def test_many_returns_of_one_block_leave_a_small_queue():
    pool, prompt = BlockPool(4), Prefix((7,), 1, 1)
    pool.take(1)
    pool.register(prompt, 0, 1)
    pool.release(prompt, 1, 0)
    for _ in range(1000):
        pool.hold(prompt, 1)
        pool.release(prompt, 1, 0)
    assert len(pool._queue) < 20
    assert pool.match(prompt, 1) == (1, 1)
    pool.take(4)
    assert pool.match(prompt, 1) == (0, 0)


class PoolMachine(RuleBasedStateMachine):
    """Sequences come and go; the model is a plain list of free blocks, each with its key or None."""

    TOTAL, PARTS = 12, 3
    sequences = Bundle("sequences")

    def __init__(self):
        super().__init__()
        self.pool = BlockPool(self.TOTAL)
        self.queue = [None] * self.TOTAL
        self.holders = {}

    def prompt(self, family, blocks):
        """The first three blocks are common to all families."""
        return Prefix((0, 10 + family, 20 + family), self.PARTS, blocks)

    def keys(self, prompt):
        return [(prompt.hashes[at // self.PARTS], at % self.PARTS) for at in range(prompt.blocks)]

    def cached(self, key):
        return key in self.queue or key in self.holders

    @rule(target=sequences, family=st.integers(0, 2), blocks=st.integers(0, 8), known=st.integers(0, 8))
    def admit(self, family, blocks, known):
        prompt = self.prompt(family, min(known, blocks))
        keys = self.keys(prompt)
        found = keys[: [*map(self.cached, keys), False].index(False)]
        idle = [key for key in found if key in self.queue]
        assert self.pool.match(prompt, len(keys)) == (len(found), len(idle))
        if blocks - len(found) + len(idle) > self.pool.free:
            return (prompt, 0, 0)
        self.pool.hold(prompt, len(found))
        self.pool.take(blocks - len(found))
        for key in found:
            if key in self.queue:
                self.queue.remove(key)
            self.holders[key] = self.holders.get(key, 0) + 1
        del self.queue[: blocks - len(found)]
        fresh = keys[len(found) :]
        fresh = fresh[: [*map(self.cached, fresh), True].index(True)]
        assert self.pool.register(prompt, len(found), len(keys)) == len(fresh)
        self.holders |= dict.fromkeys(fresh, 1)
        held = len(found) + len(fresh)
        return (prompt, held, blocks - held)

    @rule(sequence=consumes(sequences))
    def release(self, sequence):
        prompt, held, others = sequence
        self.pool.release(prompt, held, others)
        self.queue += [None] * others
        for key in reversed(self.keys(prompt)[:held]):
            self.holders[key] -= 1
            if not self.holders[key]:
                del self.holders[key]
                self.queue.append(key)

    @rule(target=sequences, family=st.integers(0, 2), blocks=st.integers(1, 8))
    def share_a_part(self, family, blocks):
        """As a prompt does whose last token has to be computed anew: fewer hits than are cached."""
        prompt = self.prompt(family, blocks)
        hits, idle = self.pool.match(prompt, blocks - 1)
        self.pool.hold(prompt, hits)
        found = self.keys(prompt)[:hits]
        assert idle == sum(key in self.queue for key in found)
        for key in found:
            if key in self.queue:
                self.queue.remove(key)
            self.holders[key] = self.holders.get(key, 0) + 1
        return (prompt, hits, 0)

    @rule(target=sequences, blocks=st.integers(0, 4))
    def grow(self, blocks):
        blocks = min(blocks, self.pool.free)
        self.pool.take(blocks)
        del self.queue[:blocks]
        return (self.prompt(0, 0), 0, blocks)

    @invariant()
    def free_and_used_are_the_total(self):
        assert self.pool.free == len(self.queue)
        assert self.pool.total == self.TOTAL

    @invariant()
    def no_cached_block_is_lost(self):
        for family in range(3):
            prompt = self.prompt(family, 9)
            keys = self.keys(prompt)
            found = keys[: [*map(self.cached, keys), False].index(False)]
            assert self.pool.match(prompt, 9) == (len(found), sum(key in self.queue for key in found))


TestPool = PoolMachine.TestCase
TestPool.settings = settings(max_examples=100, stateful_step_count=40, deadline=None)
