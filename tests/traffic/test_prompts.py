import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from servemark.domain.exchange import Message
from servemark.domain.workload import PlannedRequest
from servemark.traffic.prompts import synthetic_messages
from servemark.traffic.words import WORDS


def planned(index=0, tokens=100, **fields):
    return PlannedRequest(index=index, input_tokens=tokens, output_tokens=1, **fields)


def words(messages):
    return [word for message in messages for word in message.content.split()]


def test_the_vocabulary():
    assert len(set(WORDS)) == len(WORDS) == 256
    assert all(word.isalpha() and word.islower() for word in WORDS)


@settings(deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 3000), st.integers(0, 2**40), st.floats(0.5, 3))
def test_as_many_words_as_asked(index, tokens, seed, tokens_per_word):
    request = planned(index, tokens)
    messages = synthetic_messages(request, seed=seed, tokens_per_word=tokens_per_word)
    assert [message.role for message in messages] == ["user"]
    assert len(words(messages)) == max(1, round(tokens / tokens_per_word))
    assert set(words(messages)) <= set(WORDS)
    assert messages == synthetic_messages(request, seed=seed, tokens_per_word=tokens_per_word)


@pytest.mark.parametrize("seed", [0, 1, 2**31])
def test_no_two_prompts_start_alike(seed):
    starts = {
        tuple(words(synthetic_messages(planned(i, 4), seed=seed)))
        for i in [*range(20_000), 2**31, 2**32 - 1]
    }
    assert len(starts) == 20_002


def test_another_seed_gives_another_text():
    assert words(synthetic_messages(planned(), seed=1)) != words(synthetic_messages(planned(), seed=2))


def test_a_shared_prefix_comes_first_and_is_shared():
    prompts = [
        synthetic_messages(planned(i, 300, prefix_blocks=(0,), prefix_block_tokens=200), seed=5)
        for i in range(3)
    ]
    assert {len(words(each)) for each in prompts} == {300}
    assert [message.role for message in prompts[0]] == ["system", "user"]
    assert len({each[0].content for each in prompts}) == 1
    assert len(words(prompts[0][:1])) == 200
    assert len({tuple(words(each[1:])[:4]) for each in prompts}) == 3


def test_blocks_of_a_trace_share_as_far_as_their_hashes_agree():
    one = words(synthetic_messages(planned(0, 20, prefix_blocks=(1, 2), prefix_block_tokens=8), seed=0))
    other = words(synthetic_messages(planned(1, 20, prefix_blocks=(1, 3), prefix_block_tokens=8), seed=0))
    assert one[:8] == other[:8]
    assert one[8:16] != other[8:16]


def test_a_prefix_longer_than_the_prompt_is_cut():
    request = planned(0, 50, prefix_blocks=(0,), prefix_block_tokens=200)
    messages = synthetic_messages(request, seed=0)
    assert len(words(messages)) == 50
    assert len(words(messages[1:])) == 1


def test_a_recorded_prompt_is_sent_as_it_is():
    recorded = (Message(role="user", content="Which way is north?"),)
    assert synthetic_messages(planned(messages=recorded), seed=0) == recorded


def test_tokens_per_word_counts_tokens_not_words():
    request = planned(0, 300, prefix_blocks=(0,), prefix_block_tokens=150)
    messages = synthetic_messages(request, seed=0, tokens_per_word=1.5)
    assert [len(words([each])) for each in messages] == [100, 100]
