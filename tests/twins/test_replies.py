"""The whole way: a twin with a suite and a fault plan, asked over HTTP."""

import asyncio
import itertools

import aiohttp
import msgspec
import pytest

from servemark.domain.exchange import Item, Message, Suite
from servemark.domain.workload import FixedLength
from servemark.quality.codes import code_of, with_codes
from servemark.twins.fault_log import read_fault_log
from servemark.twins.faults import Fault, FaultPlan

CHAT = "/v1/chat/completions"
ANSWERS = (
    'The sea, "as the text says",\n\n- and trade.\nAnswer: A',
    "Beras itu dihantar ke pelabuhan.\nJawapan: B",
)
ITEMS = tuple(
    Item(
        id=f"item-{i}",
        messages=(
            Message(role="system", content="You answer questions about the harbour; give the reason, then the letter."),
            Message(role="user", content=f"Question {i}?\nA) sea\nB) rice"),
        ),
        answer=answer, key="AB"[i], options={"A": "sea", "B": "rice"}, format="choice",
        expected_language=("en", "ms")[i],
    )
    for i, answer in enumerate(ANSWERS)
)  # fmt: skip
SUITE = Suite(key="harbour", title="Harbour", items=ITEMS)


def prompt(item, number=0):
    messages = with_codes(item.messages, nonce=code_of(0, "nonce", number), canary=code_of(0, "canary"))
    return {"messages": msgspec.to_builtins(messages), "max_tokens": 100}


def plan(kind, **fields):
    return FaultPlan(fault=(Fault(kind=kind, **fields),))


def reason_of(chunks):
    return [c["finish_reason"] for chunk in chunks for c in chunk["choices"] if c["finish_reason"]]


async def streamed(client, body, text_of):
    chunks, _ = await client.chat(**body, stream_options={"include_usage": True})
    return text_of(chunks), reason_of(chunks), chunks[-1]["usage"]


@pytest.mark.parametrize("item", ITEMS, ids=lambda each: each.id)
async def test_an_item_gets_its_answer_word_for_word_both_ways(settings, twin, text_of, item):
    async with twin(settings(suite=SUITE, time_factor=50.0)) as client:
        text, reason, usage = await streamed(client, prompt(item), text_of)
        _, whole = await client.post(CHAT, prompt(item, 1))
        health = await client.health()
    assert (text, reason) == (item.answer, ["stop"])
    assert usage["completion_tokens"] == len(item.answer.split())
    assert whole["choices"][0]["message"]["content"] == item.answer
    assert whole["choices"][0]["finish_reason"] == "stop"
    assert (health["suite"], "faults" in health) == ("harbour", False)


async def test_a_cap_cuts_it_and_other_prompts_get_words(settings, twin, text_of):
    async with twin(settings(suite=SUITE, output=FixedLength(tokens=5), time_factor=50.0)) as client:
        text, reason, usage = await streamed(client, prompt(ITEMS[0]) | {"max_tokens": 4}, text_of)
        other, _, _ = await streamed(
            client, {"messages": [{"role": "user", "content": "Question 2?"}]}, text_of
        )
        forced, _, _ = await streamed(
            client, prompt(ITEMS[0]) | {"max_tokens": 9, "ignore_eos": True}, text_of
        )
    assert (text, reason, usage["completion_tokens"]) == ('The sea, "as the', ["length"], 4)
    assert len(other.split()) == 5
    assert len(forced.split()) == 9
    assert "sea" not in forced


async def test_a_fault_shows_in_the_answer_the_log_the_name_and_the_counts(
    settings, twin, text_of, tmp_path
):
    log = tmp_path / "log.jsonl"
    faults = plan("leaked_system", rate=0.5)
    async with twin(settings(suite=SUITE, faults=faults, fault_log=str(log), time_factor=50.0)) as client:
        texts = [(await streamed(client, prompt(ITEMS[0], i), text_of))[0] for i in range(12)]
        health = await client.health()
        async with client.session.get(f"{client.base}/health") as response:
            server = response.headers["Server"]
        rows = read_fault_log(log)
    struck = {i for i, text in enumerate(texts) if text != ITEMS[0].answer}
    assert 0 < len(struck) < 12
    assert {row.request for row in rows} == struck
    assert {row.nonce for row in rows} == {code_of(0, "nonce", i) for i in struck}
    assert {(row.kind, row.item, row.in_flight) for row in rows} == {("leaked_system", "item-0", 1)}
    assert all("questions about the harbour" in texts[i] for i in struck)
    assert health["faults"] == {"leaked_system": len(struck)}
    assert health["deployment"].endswith(", faults: leaked_system 50 %")
    assert server.endswith("with faults")


async def test_the_first_fault_that_can_be_done_is_the_one(settings, twin, text_of):
    faults = FaultPlan(fault=(Fault(kind="bad_format"), Fault(kind="wrong_answer"), Fault(kind="refusal")))
    async with twin(settings(suite=SUITE, faults=faults, time_factor=50.0)) as client:
        text, _, _ = await streamed(client, prompt(ITEMS[0]), text_of)
        health = await client.health()
    assert text.endswith("Answer: B")
    assert health["faults"] == {"wrong_answer": 1}


async def test_it_strikes_from_so_many_in_flight(settings, twin, text_of):
    faults = plan("wrong_answer", from_in_flight=3)
    async with twin(settings(suite=SUITE, faults=faults, time_factor=20.0)) as client:
        alone, _, _ = await streamed(client, prompt(ITEMS[0]), text_of)
        together = await asyncio.gather(*(streamed(client, prompt(ITEMS[0], i), text_of) for i in range(5)))
    assert alone == ITEMS[0].answer
    assert sum(text != ITEMS[0].answer for text, _, _ in together) == 3


@pytest.mark.parametrize(("reported", "seen"), [(True, 18), (False, 37)])
async def test_a_dropped_front_is_what_the_model_sees(settings, twin, text_of, reported, seen):
    faults = plan("dropped_front", reported=reported)
    async with twin(settings(suite=SUITE, faults=faults, time_factor=50.0)) as client:
        text, _, usage = await streamed(client, prompt(ITEMS[0]), text_of)
        metrics = await client.metrics()
    # 1 + 2 x 5 + 4 of the template, 12 and 6 words, 2 x 2 of the codes: 37; half of them are left
    assert usage["prompt_tokens"] == seen
    assert metrics['vllm:prompt_tokens_total{engine="0",model_name="llama-3.1-8b"}'] == 18
    assert text.endswith("Jawapan: A")


async def test_answers_are_swapped_both_ways(settings, twin, text_of, tmp_path):
    log = tmp_path / "log.jsonl"
    faults = plan("crossed_answers", from_in_flight=2)
    # the first asks and waits for its first token for 50 simulated seconds
    made = settings(
        suite=SUITE, faults=faults, fault_log=str(log), request_overhead_s=50.0, time_factor=100.0
    )
    async with twin(made) as client:
        first = asyncio.create_task(streamed(client, prompt(ITEMS[0], 0), text_of))
        await asyncio.sleep(0.1)
        second = asyncio.create_task(streamed(client, prompt(ITEMS[1], 1), text_of))
        (first_text, _, _), (second_text, _, _) = await first, await second
        rows = read_fault_log(log)
    assert ITEMS[1].answer in first_text
    assert code_of(0, "nonce", 1) in first_text
    assert ITEMS[0].answer in second_text
    assert code_of(0, "nonce", 0) in second_text
    assert {(row.request, row.other[-1]) for row in rows} == {(0, "1"), (1, "0")}


async def body_of(client, body):
    """Status and what came of the body, and whether it ended as it should."""
    raw = b""
    async with client.session.post(f"{client.base}{CHAT}", json=body | {"stream": True}) as response:
        try:
            async for data in response.content.iter_any():
                raw += data
        except aiohttp.ClientPayloadError:
            return response.status, raw.decode(), False
    return response.status, raw.decode(), True


@pytest.mark.parametrize(
    ("ending", "whole", "done", "error"),
    [("error", True, False, True), ("closed", False, False, False), ("done", True, True, False)],
)
async def test_a_cut_stream_ends_in_three_ways(settings, twin, ending, whole, done, error):
    faults = plan("cut_stream", after_tokens=3, ending=ending)
    async with twin(settings(suite=SUITE, faults=faults, time_factor=50.0)) as client:
        status, raw, ended = await body_of(client, prompt(ITEMS[0]))
        again = await client.health()
    assert (status, ended) == (200, whole)
    assert raw.count('"content":') == 1 + 3  # the role, then three words
    assert '"finish_reason":"' not in raw
    assert ("[DONE]" in raw, '"error":' in raw) == (done, error)
    assert (again["running"], again["waiting"]) == (0, 0)


async def test_an_empty_answer_is_a_200_without_text(settings, twin):
    async with twin(settings(suite=SUITE, faults=plan("empty_answer"), time_factor=50.0)) as client:
        bodies = [await body_of(client, prompt(ITEMS[0], i)) for i in range(6)]
    for status, raw, whole in bodies:
        assert (status, whole) == (200, True)
        chunks = [msgspec.json.decode(line[6:]) for line in raw.splitlines() if line.startswith("data: {")]
        text = "".join(c["delta"]["content"] for each in chunks for c in each["choices"])
        assert not text.strip()
        assert reason_of(chunks) == ["stop"]


async def test_a_late_error_comes_after_its_delay(settings, twin):
    loop = asyncio.get_running_loop()
    faults = plan("late_error", delay_s=4.0)
    async with twin(settings(suite=SUITE, faults=faults, time_factor=20.0)) as client:
        started_s = loop.time()
        status, body = await client.post(CHAT, prompt(ITEMS[0]))
        took_s = loop.time() - started_s
    assert (status, body["error"]["type"]) == (503, "ServiceUnavailableError")
    assert took_s > 0.19


async def test_a_stall_holds_the_rest_back(settings, twin, text_of):
    faults = plan("stall", after_tokens=2, delay_s=6.0)
    async with twin(settings(suite=SUITE, faults=faults, time_factor=20.0)) as client:
        chunks, stamps_s = await client.chat(**prompt(ITEMS[0]))
    assert text_of(chunks) == ITEMS[0].answer
    gaps_s = [after - before for before, after in itertools.pairwise(stamps_s)]
    # the role and two words, then nothing for 6 simulated seconds
    assert gaps_s.index(max(gaps_s)) == 2
    assert max(gaps_s) > 0.28


async def test_whole_answers_are_spoilt_too(settings, twin):
    async with twin(
        settings(suite=SUITE, faults=plan("cut_stream", after_tokens=3), time_factor=50.0)
    ) as client:
        status, body = await client.post(CHAT, prompt(ITEMS[0]))
    assert (status, body["error"]["code"]) == (500, 500)
    async with twin(
        settings(suite=SUITE, faults=plan("early_length", after_tokens=3), time_factor=50.0)
    ) as client:
        _, body = await client.post(CHAT, prompt(ITEMS[0]))
    assert body["choices"][0] | {"logprobs": None, "stop_reason": None} == {
        "index": 0, "logprobs": None, "finish_reason": "length", "stop_reason": None,
        "message": {"role": "assistant", "content": 'The sea, "as', "tool_calls": []},
    }  # fmt: skip


async def test_answers_without_a_suite_are_spoilt_where_that_is_possible(settings, twin, text_of):
    faults = FaultPlan(fault=(Fault(kind="wrong_answer"), Fault(kind="refusal")))
    async with twin(settings(faults=faults, output=FixedLength(tokens=20), time_factor=50.0)) as client:
        text, reason, _ = await streamed(client, {"max_tokens": 50}, text_of)
    assert ("can" in text or "unable" in text, reason) == (True, ["stop"])
