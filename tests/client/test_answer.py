import json

import pytest

from servemark.client.answer import Answer
from servemark.client.protocol import Prepared

DONE = b"data: [DONE]\n\n"


def event(**fields):
    return b"data: " + json.dumps(fields).encode() + b"\n\n"


def chunk(text="", finish=None):
    return event(choices=[{"delta": {"content": text}, "finish_reason": finish}])


def usage(tokens):
    return event(choices=[], usage={"prompt_tokens": 5, "completion_tokens": tokens})


def outcome(*pieces, max_tokens=2, natural_stop=False, content_type="text/event-stream"):
    answer = Answer()
    for at_s, piece in enumerate(pieces):
        answer.read(piece, float(at_s))
    answer.close(99.0)
    asked = Prepared(index=0, body=b"", max_tokens=max_tokens, natural_stop=natural_stop)
    return answer.outcome(asked, content_type)


def test_the_first_chunk_with_text_counts_and_the_role_chunk_does_not():
    answer = Answer(keep_text=True)
    answer.read(event(choices=[{"delta": {"role": "assistant", "content": ""}}]), 1.0)
    answer.read(chunk(" a"), 2.0)
    answer.read(chunk(" b") + chunk(" c"), 3.0)
    answer.read(chunk("", "length") + usage(3) + DONE, 4.0)
    assert answer.first_byte_s == 1.0
    assert answer.chunk_s == [2.0, 3.0, 3.0]
    assert (answer.text, answer.output_tokens, answer.done) == (" a b c", 3, True)


def test_what_the_model_thinks_aloud_counts_as_text_and_is_kept_apart():
    answer = Answer(keep_text=True)
    answer.read(event(choices=[{"delta": {"reasoning_content": "so "}}]), 1.0)
    answer.read(event(choices=[{"delta": {"reasoning": "B"}}]), 2.0)
    answer.read(chunk("Answer: B", "stop"), 3.0)
    assert (answer.text, answer.reasoning, answer.chunk_s) == ("Answer: B", "so B", [1.0, 2.0, 3.0])


def test_an_answer_that_only_calls_a_tool_says_which():
    called = event(choices=[{"delta": {"tool_calls": [{"function": {"name": "final_result"}}]}}])
    found = outcome(called, chunk("", "tool_calls"), usage(7), DONE)
    assert found == (
        "broken",
        "200 without text (the server counts 7 tokens, and the tool 'final_result' called)",
    )


def test_tokens_are_counted_by_chunks_only_where_the_server_does_not_say():
    answer = Answer()
    answer.read(chunk("a b c d"), 1.0)
    assert answer.output_tokens == 1
    answer.read(usage(4), 2.0)
    assert answer.output_tokens == 4


@pytest.mark.parametrize(
    ("pieces", "word", "reason"),
    [
        ((chunk("a"), chunk("b", "length"), usage(2), DONE), "complete", ""),
        ((chunk("a"), chunk("b", "length"), usage(2)), "complete", ""),
        ((chunk("a"), chunk("", "stop"), usage(1), DONE), "complete", ""),
        ((chunk("a"), chunk("", "length"), usage(1), DONE), "truncated", "after 1 of 2 tokens"),
        ((chunk("ab"), chunk("", "length"), DONE), "complete", ""),
        ((chunk("a"), event(error={"message": "exceeded"}), DONE), "broken", "error event: exceeded"),
        ((chunk("a"), event(object="error", message="bad", code=400)), "broken", "error event: bad"),
        ((chunk("a"), b"event: error\ndata: oops\n\n"), "broken", "error event: oops"),
        ((chunk("a"), b"data: {nope\n\n", chunk("", "stop")), "broken", "unreadable event: b'{nope'"),
        ((), "broken", "200 without an event stream: nothing"),
        ((b'{"choices":[]}',), "broken", "200 without an event stream: a body of text/event-stream"),
        ((chunk(), usage(2), DONE), "broken", "200 without text (the server counts 2 tokens)"),
        ((DONE,), "broken", "200 without text (the server counts 0 tokens)"),
        ((chunk("a"), chunk("b"), DONE), "broken", "without finish reason after 2 chunks"),
        ((chunk("a"), chunk("", "abort")), "broken", "finish reason abort"),
        ((chunk("a"), chunk("", "content_filter")), "broken", "finish reason content_filter"),
    ],
)
def test_what_becomes_of_a_200(pieces, word, reason):
    found = outcome(*pieces)
    assert found[0] == word and reason in found[1] and bool(reason) == bool(found[1])


def test_reaching_the_cap_truncates_an_answer_that_should_end_by_itself():
    full = (chunk("a"), chunk("b", "length"), usage(2), DONE)
    assert outcome(*full, natural_stop=True) == ("truncated", "no end within 2 tokens")
    ended = (chunk("a"), chunk("", "stop"), usage(1), DONE)
    assert outcome(*ended, natural_stop=True) == ("complete", "")
