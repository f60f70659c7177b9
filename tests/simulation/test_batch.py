from hypothesis import given
from hypothesis import strategies as st

from servemark.simulation.batch import Batch
from servemark.simulation.sequence import Sequence


def decoder(input_tokens, output_tokens):
    """A sequence whose prompt is computed and whose first token is out."""
    return Sequence(
        input_tokens=input_tokens, output_tokens=output_tokens, computed=input_tokens, generated=1
    )


def test_a_member_is_done_after_its_remaining_tokens():
    batch = Batch(16, grows=True)
    seq = decoder(10, 4)
    batch.join(seq)
    assert batch.steps_alike(100) == 3
    assert batch.advance(2) == []
    assert batch.context_tokens == 12
    assert batch.advance(1) == [seq]
    assert (seq.generated, seq.computed) == (4, 13)
    assert batch.context_tokens == 0


def test_a_removed_member_knows_its_progress():
    batch = Batch(16, grows=True)
    seq = decoder(10, 9)
    batch.join(seq)
    batch.advance(3)
    assert batch.newest() is seq
    batch.remove(seq)
    assert (seq.generated, seq.computed) == (4, 13)


def test_members_that_hold_all_their_blocks_take_none():
    batch = Batch(4, grows=False)
    batch.join(decoder(4, 50))
    assert batch.blocks_due(30) == 0
    assert batch.steps_alike(0) == 49


@given(
    st.integers(1, 9),
    st.lists(st.tuples(st.integers(1, 40), st.integers(2, 60)), min_size=1, max_size=8),
    st.integers(0, 30),
)
def test_blocks_and_steps_equal_counting_one_by_one(size, members, blocks):
    batch = Batch(size, grows=True)
    for input_tokens, output_tokens in members:
        batch.join(decoder(input_tokens, output_tokens))
    contexts = [input_tokens for input_tokens, _ in members]
    most = min(output for _, output in members) - 1
    due, within = 0, None
    for step in range(most):
        due += sum((context + step) % size == 0 for context in contexts)
        assert batch.blocks_due(step + 1) == due
        if due > blocks and within is None:
            within = step
    assert batch.steps_alike(blocks) == (most if within is None else within)
