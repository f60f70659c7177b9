"""From raw rows to judgements, verdicts and the answer: arithmetic by hand."""

from msgspec.structs import replace

from servemark.domain.exchange import Item, Message
from servemark.domain.run import Endpoint, Provenance, RequestRecord, Run
from servemark.domain.workload import FixedLength, Slo, Users, Workload
from servemark.measurement.judgements import judged
from servemark.quality.codes import code_of
from servemark.stats.summary import summarise

LOSS = Slo(metric="quality_loss_ratio", statistic="value", limit=0.03)
USEFUL = Slo(metric="useful_ratio", statistic="value", limit=0.8)
COUNT = 10


def item(number):
    message = Message(role="user", content=f"Question {number}: which letter is right?\nA) yes\nB) no")
    return Item(
        id=f"q{number}", messages=(message,), key="B", options={"A": "yes", "B": "no"}, format="choice",
        max_tokens=20,
    )  # fmt: skip


def nonce(rows, index):
    return code_of(0, "nonce", rows, index)


def record(rows, number, text="The answer is B.", **fields):
    start_s = rows * 100 + number
    fields = {
        "outcome": "complete",
        "finish_reason": "stop",
        "input_tokens": 30,
        "output_tokens": 6,
    } | fields
    return RequestRecord(
        index=number, user=0, scheduled_s=start_s, sent_s=start_s, first_token_s=start_s + 0.1,
        last_token_s=start_s + 0.5, end_s=start_s + 0.5, item=f"q{number % COUNT}", text=text,
        block=number % 2, nonce=nonce(rows, number), **fields,
    )  # fmt: skip


def run(alone, under_load, slos=(LOSS, USEFUL)):
    levels = (summarise(Users(users=1), alone), summarise(Users(users=4), under_load))
    return Run(
        origin="measured", method="load test", title="a run", endpoint=Endpoint(url="http://h/v1", model="m"),
        workload=Workload(suite="own"), slos=slos, levels=levels, items=tuple(item(i) for i in range(COUNT)),
        provenance=Provenance(servemark="0", started="2026-11-20T12:00:00+00:00", seed=1),
    )  # fmt: skip


def right(rows, *left_out):
    return [record(rows, i) for i in range(COUNT) if i not in left_out]


def test_a_wrong_and_a_broken_answer_under_load():
    """Of ten, one is wrong and one breaks off: 8 useful of 9 complete of 10 asked; 1 of 9 pairs broke."""
    broken = record(1, 3, "The ans", outcome="broken", reason="error event: no", finish_reason=None)
    found = judged(run(right(0), [*right(1, 2, 3), record(1, 2, "The answer is A."), broken]))
    alone, under_load = (level.quality for level in found.levels)
    assert (alone.asked, alone.complete, alone.useful, alone.loss_ratio) == (10, 10, 10, 0.0)
    assert (under_load.asked, under_load.complete, under_load.useful) == (10, 9, 8)
    assert (under_load.accuracy_ratio, under_load.useful_ratio) == (8 / 9, 0.8)
    assert under_load.loss_ratio == 1 / 9
    loss, useful = found.levels[1].verdict.slos
    assert (loss.value, loss.verdict) == (1 / 9, "undecided")
    assert loss.interval[0] < 0.03 < loss.interval[1] and loss.requests_needed > 9
    assert (useful.value, useful.verdict) == (0.8, "holds") and useful.interval[0] < 0.8 < useful.interval[
        1
    ]
    assert [each.verdict for each in found.levels[0].verdict.slos] == ["holds", "holds"]
    assert found.capacity.load == Users(users=1)
    assert [each.family for each in found.quality.families] == ["failures", "latency", "quality"]


def test_the_lengths_are_those_that_the_server_counted():
    """Nine answers of 6 tokens and one of 16: 7 on average; prompts of 30 tokens."""
    rows = [*right(0, 0), record(0, 0, output_tokens=16)]
    workload = judged(run(rows, rows)).workload
    assert workload == Workload(input=FixedLength(tokens=30), output=FixedLength(tokens=7), suite="own")


def test_warm_up_is_not_judged_but_its_code_is_known():
    filler = record(1, 12, warmup=True)
    theirs = record(1, 4, f"The answer is B. [ref {filler.nonce}]")
    found = judged(run(right(0), [*right(1, 4), theirs, filler]))
    by_index = {each.index: each.judgement for each in found.levels[1].requests}
    assert by_index[12] is None
    assert "cross_talk" in {finding.check for finding in by_index[4].findings}
    assert not by_index[5].findings


def test_judging_twice_changes_nothing():
    once = judged(run(right(0), right(1)))
    assert judged(once) == once


def test_a_run_that_never_got_to_ask_is_left_alone():
    empty = run([], [])
    empty = replace(empty, levels=tuple(replace(level, requests=()) for level in empty.levels))
    assert judged(empty) == empty
