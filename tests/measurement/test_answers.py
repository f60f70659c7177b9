"""The answers of a run as exchanges."""

from msgspec.structs import replace

from servemark.domain.exchange import Item, Message
from servemark.domain.run import Endpoint, Provenance, RequestRecord, Run
from servemark.domain.workload import Users, Workload
from servemark.measurement.answers import CANARY, answers_of
from servemark.stats.summary import summarise

ASKED = Item(
    id="q", messages=(Message(role="system", content="Be brief."), Message(role="user", content="Why?"))
)


def record(index, tokens=30, **fields):
    return RequestRecord(
        index=index, scheduled_s=0.0, end_s=1.0, outcome="complete", input_tokens=tokens, item="q", **fields
    )


def run(alone, under_load, control=()):
    return Run(
        origin="measured", method="load test", title="a run", workload=Workload(suite="own"), items=(ASKED,),
        endpoint=Endpoint(url="http://h/v1", model="m", settings={CANARY: "SM-CK7Y9BBMMN"}),
        levels=(summarise(Users(users=16), under_load), summarise(Users(users=1), alone)),
        controls=(summarise(Users(users=16), control),),
        provenance=Provenance(servemark="0", started="2026-11-20T12:00:00+00:00", seed=1),
    )  # fmt: skip


def test_each_is_named_by_its_load_and_knows_the_prompt_alone():
    found = answers_of(run([record(0)], [record(7, 12)], [record(7)]))
    names = ["16 users / 7 / q", "1 user / 0 / q", "16 users again / 7 / q"]
    assert [each.exchange.id for each in found] == names and [each.rows for each in found] == [0, 1, 2]
    assert [each.exchange.alone_prompt_tokens for each in found] == [30, 30, 30]
    assert {each.exchange.canary for each in found} == {"SM-CK7Y9BBMMN"}


def test_a_filler_or_a_failure_tells_nothing_of_the_prompt_alone():
    """A filler repeats an item, and a failed request has no count: neither takes the place of the judged one."""
    filler, failed = record(1, 99, warmup=True), replace(record(2, None), outcome="refused")
    found = answers_of(run([record(0), filler, failed], [record(7)]))
    assert {each.exchange.alone_prompt_tokens for each in found} == {30}


def test_without_items_or_levels_there_is_nothing():
    whole = run([record(0)], [record(7)])
    assert (
        answers_of(replace(whole, items=())) == []
        and answers_of(replace(whole, levels=(), controls=())) == []
    )
