import json

import msgspec
import pytest

from servemark.client.chat import decode_event, error_words, prepare_chat
from servemark.domain.exchange import Message
from servemark.domain.workload import PlannedRequest

MESSAGES = (Message(role="system", content="Reply."), Message(role="user", content="你好"))


def body(*, extra_body=None, **fields):
    request = PlannedRequest(index=3, input_tokens=5, output_tokens=16, **fields)
    prepared = prepare_chat(request, MESSAGES, model="m", seed=7, extra_body=extra_body)
    assert prepared.index == 3 and prepared.max_tokens == 16
    return json.loads(prepared.body)


def test_the_body_asks_for_a_greedy_stream_of_a_fixed_length_with_usage():
    assert body() == {
        "model": "m",
        "messages": [{"role": "system", "content": "Reply."}, {"role": "user", "content": "你好"}],
        "stream": True,
        "stream_options": {"include_usage": True},
        "max_tokens": 16,
        "temperature": 0,
        "seed": 7,
        "ignore_eos": True,
    }


def test_an_answer_that_may_end_by_itself_is_not_kept_from_it():
    assert "ignore_eos" not in body(natural_stop=True)


def test_extra_fields_are_added_replaced_or_left_out():
    changed = body(extra_body={"min_p": 0.1, "temperature": 1, "ignore_eos": None})
    assert changed["min_p"] == 0.1 and changed["temperature"] == 1 and "ignore_eos" not in changed


@pytest.mark.parametrize(
    ("content", "text", "finish"),
    [
        ('{"delta":{"role":"assistant","content":""},"finish_reason":null}', "", None),
        (
            '{"delta":{"content":" the"},"logprobs":null,"finish_reason":null,"stop_reason":null}',
            " the",
            None,
        ),
        ('{"delta":{"reasoning_content":"hm"}}', "hm", None),
        ('{"delta":{"reasoning":"hm","content":null}}', "hm", None),
        ('{"delta":{"content":""},"finish_reason":"length"}', "", "length"),
        ('{"delta":null}', "", None),
        ('{"delta":{"content":" \\"finish_reason\\":\\"stop\\""}}', ' "finish_reason":"stop"', None),
    ],
)
def test_text_and_finish_reason_of_an_event(content, text, finish):
    event = decode_event(
        b'{"id":"x","object":"chat.completion.chunk","choices":[' + content.encode() + b"]}"
    )
    assert event.choices is not None
    choice = event.choices[0]
    assert (choice.content + choice.reasoning, choice.finish_reason) == (text, finish)
    assert bool(choice.reasoning) == ("reasoning" in content)


def test_a_tool_that_is_called_is_noticed():
    event = decode_event(
        b'{"choices":[{"delta":{"tool_calls":[{"index":0,"function":{"name":"final_result","arguments":""}}]}}]}'
    )
    assert event.choices is not None
    assert (event.choices[0].called, event.choices[0].content) == ("final_result", "")


def test_events_without_choices():
    event = decode_event(
        b'{"choices":[],"usage":{"prompt_tokens":9,"completion_tokens":4,"total_tokens":13}}'
    )
    assert event.usage is not None and event.usage.completion_tokens == 4
    assert decode_event(b'{"choices":null,"usage":null}').usage is None
    with pytest.raises(msgspec.DecodeError):
        decode_event(b"[1,2]")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b'{"error":{"message":"queue full","code":503}}', "queue full"),
        (b'{"object":"error","message":"too long","code":400}', "too long"),
        (b'{"detail":"Not Found"}', "Not Found"),
        (b'{"error":"busy"}', "busy"),
        (
            b'{"detail":[{"loc":["body"],"msg":"field required"}]}',
            '[{"loc":["body"],"msg":"field required"}]',
        ),
        (b"<html>\n <b>502</b>\n</html>", "<html> <b>502</b> </html>"),
        (b"\xff\xfe", "��"),
        (b"", ""),
    ],
)
def test_the_words_of_an_error_body(content, words):
    assert error_words(content) == words


def test_a_long_error_body_is_cut():
    assert len(error_words(b"x" * 5000)) == 300
