from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule

from servemark.simulation.blocks import BlockPool, block_keys, blocks_of


def test_a_block_is_taken_for_every_started_block_of_tokens():
    assert [blocks_of(tokens, 16) for tokens in (0, 1, 16, 17)] == [0, 1, 1, 2]


def test_keys_name_engine_blocks_inside_trace_blocks():
    # Trace blocks of 32 tokens, engine blocks of 16: two each; 70 tokens hold four full engine blocks.
    first, second, third, fourth = block_keys((5, 6, 7), 32, 16, 70)
    assert len({first, second, third, fourth}) == 4
    assert block_keys((5, 9), 32, 16, 64)[:2] == [first, second]
    assert block_keys((5, 9), 32, 16, 64)[2] != third
    assert block_keys((5, 6), 32, 16, 47) == [first, second]


def test_keys_of_engine_blocks_larger_than_trace_blocks_are_named_by_where_they_end():
    # Engine blocks of 4 over trace blocks of 3: they end in trace blocks 1, 2 and 3.
    a = block_keys((1, 2, 3, 4), 3, 4, 12)
    b = block_keys((1, 2, 3, 8), 3, 4, 12)
    assert len(a) == 3
    assert a[:2] == b[:2]
    assert a[2] != b[2]


def test_the_tail_of_a_prompt_is_forgotten_first():
    pool = BlockPool(4)
    pool.take(3)
    assert pool.register([10, 11, 12]) == 3
    pool.release([10, 11, 12], 0)
    assert pool.match([10, 11, 12], 3) == (3, 3)
    pool.take(1)  # the block that was never used
    assert pool.match([10, 11, 12], 3) == (3, 3)
    pool.take(1)
    assert pool.match([10, 11, 12], 3) == (2, 2)


def test_shared_blocks_stay_until_the_last_holder_is_gone():
    pool = BlockPool(4)
    pool.take(2)
    pool.register([10, 11])
    pool.hold([10])
    pool.release([10, 11], 0)
    assert pool.free == 3
    pool.take(3)
    assert pool.match([10, 11], 2) == (1, 0)
    pool.release([10], 0)
    assert pool.free == 1


def test_a_block_found_again_is_not_evicted_in_its_old_place():
    pool = BlockPool(3)
    for key in (10, 20, 30):
        pool.take(1)
        pool.register([key])
        pool.release([key], 0)
    pool.hold([10])
    pool.release([10], 0)
    pool.take(2)
    assert [pool.match([key], 1)[0] for key in (10, 20, 30)] == [1, 0, 0]


def test_many_returns_of_one_block_leave_a_small_queue():
    pool = BlockPool(4)
    pool.take(1)
    pool.register([10])
    pool.release([10], 0)
    for _ in range(1000):
        pool.hold([10])
        pool.release([10], 0)
    assert len(pool._queue) < 20
    assert pool.match([10], 1) == (1, 1)
    pool.take(4)
    assert pool.match([10], 1) == (0, 0)


class PoolMachine(RuleBasedStateMachine):
    """Sequences come and go; the model is a plain list of free blocks, each with its key or None."""

    TOTAL = 12
    sequences = Bundle("sequences")

    def __init__(self):
        super().__init__()
        self.pool = BlockPool(self.TOTAL)
        self.queue = [None] * self.TOTAL
        self.holders = {}
        self.used = 0

    @rule(
        target=sequences,
        family=st.integers(0, 2),
        blocks=st.integers(0, 6),
        known=st.integers(0, 6),
    )
    def admit(self, family, blocks, known):
        keys = [100 * family + at for at in range(min(known, blocks))]
        found = []
        for key in keys:
            if key not in self.queue and key not in self.holders:
                break
            found.append(key)
        idle = [key for key in found if key in self.queue]
        assert self.pool.match(keys, len(keys)) == (len(found), len(idle))
        if blocks - len(found) + len(idle) > self.pool.free:
            return ([], 0)
        self.pool.hold(found)
        self.pool.take(blocks - len(found))
        for key in found:
            if key in self.queue:
                self.queue.remove(key)
            self.holders[key] = self.holders.get(key, 0) + 1
        del self.queue[: blocks - len(found)]
        fresh = keys[len(found) :]
        count = self.pool.register(fresh)
        cached = [key in self.queue or key in self.holders for key in fresh]
        assert count == (cached.index(True) if True in cached else len(fresh))
        for key in fresh[:count]:
            self.holders[key] = 1
        return (found + fresh[:count], blocks - len(found) - count)

    @rule(sequence=consumes(sequences))
    def release(self, sequence):
        keys, others = sequence
        self.pool.release(keys, others) if keys else self.pool.give(others)
        self.queue += [None] * others
        for key in reversed(keys):
            self.holders[key] -= 1
            if not self.holders[key]:
                del self.holders[key]
                self.queue.append(key)

    @rule(target=sequences, blocks=st.integers(0, 4))
    def grow(self, blocks):
        if blocks > self.pool.free:
            return ([], 0)
        self.pool.take(blocks)
        del self.queue[:blocks]
        return ([], blocks)

    @invariant()
    def no_block_is_lost(self):
        assert self.pool.free == len(self.queue)
        assert self.pool.total == self.TOTAL

    @invariant()
    def cached_blocks_are_found(self):
        for family in range(3):
            for at in range(6):
                key = 100 * family + at
                found = key in self.queue or key in self.holders
                assert self.pool.match([key], 1) == (found, found and key in self.queue)


TestPool = PoolMachine.TestCase
TestPool.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
