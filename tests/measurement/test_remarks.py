from msgspec.structs import replace

from servemark.domain.run import CpuShare, Lag, RequestRecord
from servemark.domain.workload import ArrivalPlan, PlannedRequest, Users
from servemark.load.driver import DrivenLevel
from servemark.measurement.remarks import driving_remarks

PLAN = ArrivalPlan(
    load=Users(users=1), seed=0, requests=(PlannedRequest(index=0, input_tokens=100, output_tokens=8),)
)


def record(index, **fields):
    given = {
        "outcome": "complete",
        "output_tokens": 8,
        "input_tokens": 100,
        "finish_reason": "length",
    } | fields
    return RequestRecord(
        index=index, scheduled_s=0.0, sent_s=0.0, first_token_s=0.1, last_token_s=0.2, end_s=0.2, **given
    )


def driven(*records, **fields):
    return DrivenLevel(
        requests=records,
        start_s=0.0,
        end_s=1.0,
        lag=Lag(send_p99_s=0.0, loop_p99_s=0.0),
        cpu=CpuShare(client_cores=0.1, machine_cores=2),
        **fields,
    )


def remarks(*records, **fields):
    return driving_remarks(driven(*records, **fields), PLAN)


def test_a_level_without_anything_remarkable():
    assert remarks(record(0, warmup=True, input_tokens=50), record(1), record(2, input_tokens=104)) == ()


def test_how_it_ended():
    assert remarks(record(0), interrupted=True) == ("interrupted: what was in flight is not counted",)
    assert "not counted: 3; without them" in remarks(record(0), cut=3)[0]
    assert remarks(record(0, warmup=True)) == ("the warm-up took the whole time: nothing was measured",)


def test_what_the_server_did_otherwise_than_asked():
    early = record(1, finish_reason="stop", output_tokens=5)
    assert remarks(record(0, retried=True), early) == (
        "requests sent again because their kept-alive connection had died before any byte: 1",
        "answers that ended by themselves before the asked length: 1",
    )
    assert remarks(record(0, input_tokens=94)) == (
        "the server counted 94 input tokens a request on average, 100 were asked for",
    )
    assert remarks(replace(early, item="q1", input_tokens=7)) == ()  # a question ends when it is answered


def test_chunks_that_came_in_one_read():
    assert remarks(record(0, chunk_s=(0.1, 0.1, 0.2, 0.3, 0.4, 0.5))) == ()  # 1 of 5 gaps
    assert remarks(record(0, chunk_s=(0.1, 0.1, 0.2, 0.2, 0.3))) == (
        "50.0 % of the chunks were read together with the one before: their ITL reads 0, TPOT is right",
    )
