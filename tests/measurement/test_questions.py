"""The items of a suite as requests."""

import json

from servemark.domain.exchange import Item, Message, Suite
from servemark.domain.run import Endpoint, Provenance, Run
from servemark.domain.workload import FixedLength, Rate, Users, Workload
from servemark.measurement.questions import Questions, canary_of, segment_plan, suite_items, suite_workload
from servemark.measurement.segments import Segment


def item(number, **fields):
    messages = (
        Message(role="system", content="Be brief."),
        Message(role="user", content=f"question {number}?"),
    )
    return Item(id=f"q{number}", messages=messages, **fields)


def suite(count=6, **fields):
    items = (item(0, max_tokens=9), *(item(i) for i in range(1, count)))
    return Suite(key="own", title="own", items=items, max_tokens=30, **fields)


RUN = Run(
    origin="measured",
    method="load test",
    title="a run",
    endpoint=Endpoint(url="http://h/v1", model="m"),
    workload=Workload(),
    provenance=Provenance(servemark="0", started="2026-11-20T12:00:00+00:00", seed=3),
)


def test_warm_up_asks_items_of_other_blocks_and_the_caps_are_the_items_own():
    segment = Segment(rows=1, load=Users(users=3), block=0, items=(4, 0))
    plan, extent = segment_plan(segment, suite_items(suite()), seed=0, warmup=None)
    assert (extent.warmup, extent.requests, extent.keep_up) == (3, 2, True)
    assert [each.item for each in plan.requests] == ["q1", "q2", "q3", "q4", "q0"]
    assert [each.output_tokens for each in plan.requests] == [30, 30, 30, 30, 9]
    assert all(each.natural_stop and each.scheduled_s is None for each in plan.requests)


def test_a_block_of_all_items_warms_up_with_its_own():
    segment = Segment(rows=0, load=Users(users=1), block=0, items=(1, 0))
    plan, _ = segment_plan(segment, suite_items(suite(2)), seed=0, warmup=None)
    assert [each.item for each in plan.requests] == ["q1", "q1", "q0"]


def test_an_open_loop_has_arrivals_to_spare():
    """Two a second: two to warm up, two judged, a minute's worth ready behind them."""
    segment = Segment(rows=0, load=Rate(per_s=2.0, process="constant"), block=1, items=(4, 0))
    plan, extent = segment_plan(segment, suite_items(suite()), seed=0, warmup=None)
    assert (extent.warmup, extent.requests, len(plan.requests)) == (2, 2, 124)
    assert [each.scheduled_s for each in plan.requests[:4]] == [0.0, 0.5, 1.0, 1.5]
    assert "q4" not in {each.item for each in plan.requests[4:]}


def test_every_request_carries_its_code_and_the_canary():
    questions = Questions(RUN, suite(), None)
    plan, _ = segment_plan(
        Segment(rows=0, load=Users(users=1), block=0, items=(0, 1)), suite_items(suite()), seed=0, warmup=0
    )
    sent = []
    for rows, first in ((0, 0), (0, 2), (1, 0)):
        questions.at(rows, first)
        sent += [questions.prepare(request) for request in plan.requests]
    assert len({prepared.nonce for prepared in sent}) == 6
    canary = canary_of(RUN, suite())
    for prepared in sent:
        system, user = json.loads(prepared.body)["messages"]
        assert canary in system["content"] and prepared.nonce in user["content"]
        assert prepared.nonce not in system["content"]


def test_codes_are_left_out_where_the_suite_wants_none():
    bare = suite(nonce=False, canary=False)
    plan, _ = segment_plan(
        Segment(rows=0, load=Users(users=1), block=0, items=(2,)), suite_items(bare), seed=0, warmup=0
    )
    prepared = Questions(RUN, bare, {"top_p": 1}).prepare(plan.requests[0])
    body = json.loads(prepared.body)
    assert (prepared.nonce, canary_of(RUN, bare)) == ("", "")
    assert [each["content"] for each in body["messages"]] == ["Be brief.", "question 2?"]
    assert (body["temperature"], body["seed"], body["max_tokens"], body["top_p"]) == (0, 3, 30, 1)
    assert "ignore_eos" not in body


def test_lengths_before_the_server_counts():
    """Four words a prompt; caps of 9 and 30 tokens come to 19.5, and an even tie rounds to 20."""
    assert suite_workload(suite(2)) == Workload(
        input=FixedLength(tokens=4), output=FixedLength(tokens=20), suite="own"
    )
