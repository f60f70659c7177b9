import msgspec
import pytest

from servemark.twins.chunks import DONE, Usage, stream_frame, whole_answer

USAGE = Usage(input_tokens=20, output_tokens=3, cached_tokens=16)


def events(data):
    return [msgspec.json.decode(part.removeprefix(b"data: ")) for part in data.split(b"\n\n") if part]


def test_a_chat_stream_opens_with_the_role_and_carries_one_word_a_chunk():
    frame = stream_frame("chat", 7, "tiny")
    (opening,) = events(frame.opening)
    assert opening["choices"][0]["delta"] == {"role": "assistant", "content": ""}
    (chunk,) = events(frame.text(" heron"))
    assert chunk["object"] == "chat.completion.chunk"
    assert chunk["model"] == "tiny"
    assert chunk["id"] == opening["id"] == "chatcmpl-000000000007"
    assert chunk["choices"] == [
        {"index": 0, "delta": {"content": " heron"}, "logprobs": None, "finish_reason": None}
    ]


def test_a_completion_stream_has_text_and_no_role():
    frame = stream_frame("completion", 0, "tiny")
    assert frame.opening == b""
    (chunk,) = events(frame.text("heron"))
    assert chunk["object"] == "text_completion"
    assert chunk["choices"][0]["text"] == "heron"


@pytest.mark.parametrize("form", ["chat", "completion"])
def test_a_stream_closes_with_the_reason_then_the_usage_then_done(form):
    frame = stream_frame(form, 0, "tiny")
    closing = frame.closing("length", USAGE)
    assert closing.endswith(DONE)
    finish, usage = events(closing.removesuffix(DONE))
    assert finish["choices"][0]["finish_reason"] == "length"
    assert usage["choices"] == []
    assert usage["usage"] == {
        "prompt_tokens": 20,
        "completion_tokens": 3,
        "total_tokens": 23,
        "prompt_tokens_details": {"cached_tokens": 16},
    }
    assert len(events(frame.closing("stop", None).removesuffix(DONE))) == 1


def test_a_whole_answer_has_the_message_and_the_usage():
    body = msgspec.json.decode(whole_answer("chat", 1, "tiny", "a b c", "stop", USAGE))
    assert body["object"] == "chat.completion"
    assert body["choices"][0]["message"]["content"] == "a b c"
    assert body["choices"][0]["finish_reason"] == "stop"
    assert body["usage"]["total_tokens"] == 23
