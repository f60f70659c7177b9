"""The `openai` client, unchanged, against a twin in its own process."""

import pytest

from servemark.domain.workload import FixedLength
from servemark.twins.process import start_twin

pytestmark = pytest.mark.needs("openai")

HELLO = [{"role": "user", "content": "word " * 10}]
MODEL = "llama-3.1-8b"


@pytest.fixture(scope="module")
def openai():
    return pytest.importorskip("openai")


@pytest.fixture
def running(settings):
    made = settings()
    with start_twin(
        made.deployment, made.coefficients, kv_blocks=1000, time_factor=20.0, output=FixedLength(tokens=6)
    ) as twin:
        yield twin


def test_sync(openai, running):
    with openai.OpenAI(base_url=running.base_url, api_key="none", max_retries=0) as client:
        assert [model.id for model in client.models.list()] == [MODEL]
        whole = client.chat.completions.create(model=MODEL, messages=HELLO, max_tokens=4)
        assert len(whole.choices[0].message.content.split()) == 4
        assert whole.choices[0].finish_reason == "length"
        assert whole.usage.prompt_tokens == 20
        chunks = list(
            client.chat.completions.create(
                model=MODEL, messages=HELLO, stream=True, stream_options={"include_usage": True}
            )
        )
        assert chunks[0].choices[0].delta.role == "assistant"
        assert chunks[-2].choices[0].finish_reason == "stop"
        assert chunks[-1].usage.completion_tokens == 6
        words = "".join(choice.delta.content for chunk in chunks for choice in chunk.choices)
        assert len(words.split()) == 6
        completion = client.completions.create(model=MODEL, prompt="one two", max_tokens=2)
        assert len(completion.choices[0].text.split()) == 2
        streamed = client.completions.create(model=MODEL, prompt="one two", max_tokens=2, stream=True)
        assert len("".join(chunk.choices[0].text for chunk in streamed).split()) == 2


async def test_async(openai, running):
    async with openai.AsyncOpenAI(base_url=running.base_url, api_key="none", max_retries=0) as client:
        whole = await client.chat.completions.create(
            model=MODEL, messages=HELLO, max_completion_tokens=40, extra_body={"ignore_eos": True}
        )
        assert whole.usage.completion_tokens == 40
        stream = await client.chat.completions.create(model=MODEL, messages=HELLO, stream=True)
        words = [chunk.choices[0].delta.content async for chunk in stream]
        assert len("".join(words).split()) == 6


def test_errors_become_the_clients_own(openai, running):
    with openai.OpenAI(base_url=running.base_url, api_key="none", max_retries=0) as client:
        with pytest.raises(openai.NotFoundError, match="gpt-9"):
            client.chat.completions.create(model="gpt-9", messages=HELLO)
        with pytest.raises(openai.BadRequestError) as refused:
            client.chat.completions.create(model=MODEL, messages=HELLO, max_tokens=10**6)
        assert refused.value.param == "max_tokens"
        with pytest.raises(openai.BadRequestError, match="does not simulate `n`"):
            client.chat.completions.create(model=MODEL, messages=HELLO, n=2)
