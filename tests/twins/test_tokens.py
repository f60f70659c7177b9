from itertools import islice

from hypothesis import given
from hypothesis import strategies as st

from servemark.twins.tokens import WORDS, answer_words, chat_tokens, pieces, prefix_hashes, spaced


def test_a_word_is_a_token_and_the_template_adds_its_own():
    # 1 in front, 5 around each of two messages, 3 + 2 words, 4 that open the answer
    tokens = chat_tokens([("system", "Reply in English"), ("user", " two\n words ")])
    assert len(tokens) == 1 + 2 * 5 + 3 + 2 + 4


def test_the_vocabulary_has_64_different_plain_words():
    assert len(set(WORDS)) == 64
    assert all(word.isascii() and word.isalpha() for word in WORDS)


def test_an_answer_is_a_function_of_seed_and_number():
    def first(seed, number):
        return list(islice(answer_words(seed, number), 20))

    assert first(0, 0) == first(0, 0)
    assert len({tuple(first(seed, number)) for seed in range(5) for number in range(20)}) == 100


def test_answers_use_the_whole_vocabulary_about_evenly():
    counts = dict.fromkeys(WORDS, 0)
    for word in islice(answer_words(7, 3), 64 * 100):
        counts[word] += 1
    # 100 expected of each, standard deviation 10
    assert all(50 < count < 150 for count in counts.values())


def test_only_full_blocks_are_hashed_and_each_hash_covers_all_before_it():
    tokens = [str(i) for i in range(35)]
    hashes = prefix_hashes(tokens, 16)
    assert len(hashes) == 2
    assert prefix_hashes(tokens[:32], 16) == hashes
    changed_second = prefix_hashes([*tokens[:16], "x", *tokens[17:]], 16)
    assert changed_second[0] == hashes[0]
    assert changed_second[1] != hashes[1]
    changed_first = prefix_hashes(["x", *tokens[1:]], 16)
    assert set(changed_first).isdisjoint(hashes)


@given(st.text(max_size=200))
def test_pieces_join_to_the_text_and_hold_a_word_each(text):
    found = pieces(text)
    assert "".join(found) == text
    assert len(found) == max(len(text.split()), bool(text))


def test_pieces_keep_white_space_before_each_word():
    assert pieces(" So:\n\n- one  two\n") == [" So:", "\n\n-", " one", "  two\n"]
    assert "".join(spaced(["a", "b", "c"])) == "a b c"
