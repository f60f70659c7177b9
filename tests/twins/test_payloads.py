import msgspec
import pytest
from aiohttp import web

from servemark.twins.payloads import read_chat, read_completion

MESSAGES = [{"role": "user", "content": "one two three"}]


def chat(**fields):
    return read_chat(msgspec.json.encode({"messages": MESSAGES, **fields}))


def completion(**fields):
    return read_completion(msgspec.json.encode({"prompt": "one two", **fields}))


def refused(call, *args, **fields):
    with pytest.raises(web.HTTPBadRequest) as caught:
        call(*args, **fields)
    return msgspec.json.decode(caught.value.body)["error"]


def test_a_chat_is_read():
    asked = chat(model="tiny", max_tokens=5, ignore_eos=True, temperature=0.3, stop="END")
    # 3 words, 1 in front, 5 around the message, 4 that open the answer
    assert len(asked.tokens) == 13
    assert (asked.model, asked.max_tokens, asked.ignore_eos) == ("tiny", 5, True)
    assert asked.stops == ("END",)
    assert not asked.stream


def test_max_completion_tokens_goes_before_max_tokens():
    assert chat(max_tokens=5, max_completion_tokens=9).max_tokens == 9


def test_content_may_come_in_text_parts():
    parts = [{"type": "text", "text": "one two"}, {"type": "text", "text": "three"}]
    asked = read_chat(msgspec.json.encode({"messages": [{"role": "user", "content": parts}]}))
    assert asked.tokens == chat().tokens


@pytest.mark.parametrize(
    "prompt", ["one two", ["one two"], [17, 18], [[17, 18]]], ids=["text", "batch", "ids", "batch of ids"]
)
def test_a_completion_prompt_is_text_or_token_ids(prompt):
    assert len(completion(prompt=prompt).tokens) == 2


@pytest.mark.parametrize("prompt", ["", "  ", [], [[]], ["one", "two"], [[1], [2]], ["one", 2]])
def test_no_prompt_and_several_prompts_are_refused(prompt):
    assert refused(completion, prompt=prompt)["param"] == "prompt"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("n", 2),
        ("logprobs", True),
        ("tools", [{"type": "function"}]),
        ("response_format", {"type": "json_object"}),
        ("max_tokens", 0),
        ("max_completion_tokens", -1),
        ("min_tokens", -1),
        ("stream_options", {"include_usage": True}),
        ("messages", []),
        ("messages", [{"role": "user", "content": [{"type": "image_url"}]}]),
    ],
)
def test_what_a_chat_cannot_have_is_refused_by_name(field, value):
    error = refused(chat, **{field: value})
    assert error["param"] == field
    assert error["type"] == "BadRequestError"
    assert error["code"] == 400


@pytest.mark.parametrize(
    ("field", "value"), [("echo", True), ("suffix", "x"), ("best_of", 3), ("logprobs", 0)]
)
def test_what_a_completion_cannot_have_is_refused_by_name(field, value):
    assert refused(completion, **{field: value})["param"] == field


def test_wrong_types_and_bad_json_are_named():
    assert refused(chat, max_tokens="many")["param"] == "max_tokens"
    assert refused(chat, messages="hello")["param"] == "messages"
    assert "missing required field `messages`" in refused(read_chat, b"{}")["message"]
    assert "not valid JSON" in refused(read_chat, b"{")["message"]
