import json

import pytest

from servemark.domain.exchange import Item, Message
from servemark.domain.run import Endpoint, Provenance, RequestRecord, Run
from servemark.domain.workload import ArrivalPlan, PlannedRequest, Users, Workload
from servemark.measurement.prompts import PromptSource, TokenScale, calibration_messages, word_count

TEMPLATE, PER_WORD = 10, 2


def count(words):
    """A tokenizer with a chat template of 10 tokens and 2 tokens per word."""
    return TEMPLATE + PER_WORD * words


def test_without_a_count_a_word_is_a_token():
    assert TokenScale().tokens_per_word(512) == 1.0


def test_one_count_gives_the_ratio():
    scale = TokenScale()
    scale.add(64, count(64))
    assert scale.tokens_per_word(512) == pytest.approx(138 / 64)


@pytest.mark.parametrize("tokens", [20, 512, 8000])
def test_two_lengths_tell_the_template_from_the_words(tokens):
    """tokens = 10 + 2 words, so 512 tokens need 251 words: 512 / 251 tokens per word."""
    scale = TokenScale()
    scale.add(64, count(64))
    scale.add(237, count(237))
    words = (tokens - TEMPLATE) / PER_WORD
    assert scale.tokens_per_word(tokens) == pytest.approx(tokens / words)


def test_a_request_shorter_than_the_template_falls_back_to_the_ratio():
    scale = TokenScale()
    scale.add(10, 110)
    scale.add(20, 120)
    assert scale.tokens_per_word(50) == pytest.approx(115 / 15)


def run(started="2026-11-20T12:00:00"):
    return Run(
        origin="measured",
        method="load test",
        title="",
        endpoint=Endpoint(url="http://h/v1", model="m"),
        workload=Workload(),
        provenance=Provenance(servemark="0", started=started, seed=5),
    )


def planned(index, tokens=512):
    return PlannedRequest(index=index, input_tokens=tokens, output_tokens=8)


def text(prepared):
    return " ".join(message["content"] for message in json.loads(prepared.body)["messages"])


def ended(index, words):
    return RequestRecord(
        index=index, warmup=True, scheduled_s=0, end_s=1, outcome="complete", input_tokens=count(words)
    )


def test_prompts_come_out_as_long_as_the_server_counts_once_the_warmup_has_told():
    source = PromptSource(run())
    source.scale.add(64, count(64))
    plan = ArrivalPlan(load=Users(users=1), seed=0, requests=(planned(0),))
    source.start(0, plan, warmup=1)
    first = len(text(source.prepare(planned(0))).split())
    assert first == round(512 * 64 / 138)  # one count: the template is taken for a part of the words
    source.learn(ended(0, first))
    assert count(len(text(source.prepare(planned(1))).split())) == 512
    source.learn(ended(1, 1000))  # the length is settled: nothing changes it any more
    assert count(len(text(source.prepare(planned(2))).split())) == 512


def test_texts_differ_between_requests_levels_and_runs_and_are_else_the_same():
    def texts(started, level):
        source = PromptSource(run(started))
        source.start(level, ArrivalPlan(load=Users(users=1), seed=0, requests=(planned(0),)), warmup=0)
        return [text(source.prepare(planned(index))) for index in range(3)]

    seen = [tuple(texts(started, level)) for started in ("a", "b") for level in (0, 1)]
    assert len({each for run_texts in seen for each in run_texts}) == 12
    assert tuple(texts("a", 0)) == seen[0]


def test_items_are_asked_in_turn_and_may_end_by_themselves():
    items = tuple(
        Item(id=f"q{i}", messages=(Message(role="user", content=f"question {i}"),)) for i in range(2)
    )
    source = PromptSource(run(), items=items)
    plan = ArrivalPlan(load=Users(users=1), seed=0, requests=(planned(0),))
    source.start(0, plan, warmup=0)
    prepared = [source.prepare(planned(index)) for index in range(3)]
    assert [each.item for each in prepared] == ["q0", "q1", "q0"]
    assert [text(each) for each in prepared] == ["question 0", "question 1", "question 0"]
    assert all(each.natural_stop and each.max_tokens == 8 for each in prepared)
    assert calibration_messages(items, plan, 0) == items[0].messages


def test_recorded_messages_are_sent_as_they_are():
    source = PromptSource(run())
    recorded = (Message(role="user", content="as recorded"),)
    request = PlannedRequest(index=0, input_tokens=2, output_tokens=8, messages=recorded)
    source.start(0, ArrivalPlan(load=Users(users=1), seed=0, requests=(request,)), warmup=0)
    assert text(source.prepare(request)) == "as recorded"


@pytest.mark.parametrize(("asked", "words"), [(2, 2), (512, 512), (100_000, 1024)])
def test_the_calibration_prompt_is_as_long_as_the_prompts_on_average(asked, words):
    request = PlannedRequest(index=0, input_tokens=asked, output_tokens=8)
    plan = ArrivalPlan(load=Users(users=1), seed=0, requests=(request,))
    assert word_count(calibration_messages((), plan, 3)) == words
