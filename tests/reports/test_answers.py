import pytest
from example_runs import (
    CLOSED_FORM,
    DEPLOYMENT,
    FAILURES,
    L40S,
    MEASURED,
    TPOT,
    TTFT,
    banded,
    closed_form,
    holding_nowhere,
    level,
    measured,
    measured_with_failures,
    never_broken,
    run,
    single_level,
    without_promises,
)
from msgspec.structs import replace

from servemark.domain.deployment import Parallelism
from servemark.domain.gpu import Node
from servemark.domain.workload import Replay
from servemark.reports.answers import answer_of, sentence_of
from servemark.reports.series import series_of
from servemark.stats.verdicts import judge

SUBJECT = "Llama 3.1 8B (bf16) on 1 x L40S"


def notes_of(one):
    return answer_of(one, series_of((one,))[0]).notes


def test_the_answer_names_load_binding_promise_and_margin():
    # 1 - 40.1 / 50 = 19.8 % of room at 16 users
    assert sentence_of(closed_form()) == (
        f"{SUBJECT} carries 16 users within its promises; "
        "the next to break is TPOT p95 ≤ 50 ms, 20 % of room left."
    )
    # 57.8 / 50 - 1 = 15.6 % over at 32 users
    assert notes_of(closed_form()) == ("At 32 users TPOT p95 (57.8 ms, 16 % over) breaks its promise.",)


def test_another_promise_breaks_first_than_the_tightest():
    assert sentence_of(measured_with_failures()).endswith(
        "carries 8 users within its promises; the tightest is TPOT p95 ≤ 50 ms, 32 % of room left, "
        "but the next to break is failures ≤ 1 %."
    )
    # 10 of 240 failed: 4.17 % is 4.17 times the limit
    assert "At 16 users failures (4.2 %, 4.2 x limit) breaks its promise." in notes_of(
        measured_with_failures()
    )


def test_no_tested_load_holds():
    assert sentence_of(holding_nowhere()) == (
        f"{SUBJECT} holds its promises at no tested load: "
        "TTFT p95 ≤ 50 ms breaks at 1 user (78.0 ms, 56 % over)."
    )


def test_no_promise_broke_up_to_the_highest_load():
    assert sentence_of(never_broken()) == (
        f"{SUBJECT} carries at least 8 users within its promises: no promise broke up to there; "
        "the tightest is TPOT p95 ≤ 50 ms, 37 % of room left."
    )


def test_undecided_says_how_many_requests_are_needed():
    assert sentence_of(single_level()) == (
        "llama-3.1-8b at http://127.0.0.1:8000/v1: no capacity can be stated; "
        "at 0.5 req/s TTFT p95 stays undecided: 30 requests completed, 72 needed for p95."
    )


def test_undecided_above_the_capacity():
    levels = [level(MEASURED[0], (TTFT,), n=100), level(MEASURED[1], (TTFT,), n=20)]
    one = run(levels, (TTFT,), origin="measured", method="load test", deployment=DEPLOYMENT)
    assert sentence_of(one) == (
        f"{SUBJECT} carries at least 1 user within its promises; the tightest is TTFT p95 ≤ 2 s, 95 % of room "
        "left; at 2 users TTFT p95 stays undecided: 20 requests completed, 72 needed for p95."
    )


def test_undecided_between_capacity_and_break():
    levels = [level(row, (TPOT,), n=n) for row, n in zip(MEASURED[3:], (100, 20, 100), strict=True)]
    one = run(levels, (TPOT,), origin="measured", method="load test", deployment=DEPLOYMENT)
    assert "carries 8 users" in sentence_of(one)
    assert notes_of(one)[1] == "16 users in between: undecided."


def test_without_promises_no_capacity_is_claimed():
    assert sentence_of(without_promises()) == (
        f"{SUBJECT} gives 652 tok/s at 32 users (TTFT p50 492 ms, TPOT p50 45.9 ms); "
        "no promise was given, so no capacity is claimed."
    )


@pytest.mark.parametrize("slos", [(), (TTFT,)])
def test_a_run_without_levels_has_no_answer(slos):
    assert "no level was finished" in sentence_of(run([], slos, origin="measured", method="load test"))


def test_a_trace_is_carried_as_a_whole():
    one = level(MEASURED[2], (TTFT, FAILURES), n=100, load=Replay(name="azure-conversation"))
    told = sentence_of(run([one], (TTFT, FAILURES), origin="measured", method="load test"))
    assert "carries the trace azure-conversation within its promises: no promise broke" in told


def test_a_capacity_that_was_not_drawn_is_drawn_from_the_levels():
    assert sentence_of(replace(closed_form(), capacity=None)) == sentence_of(closed_form())


def test_the_twins_clock_and_an_interruption_are_noted():
    assert "The twin's clock ran 4 times as fast as real time; times are in its seconds." in notes_of(
        measured()
    )
    assert "Interrupted: this is what was measured up to then." in notes_of(measured_with_failures())


def test_a_margin_below_one_percent_is_not_written_as_none():
    row = (1, CLOSED_FORM[0][1], (49.9, 49.9, 49.9), 20.0)
    assert "under 1 % of room left" in sentence_of(
        run([level(row, (TPOT,))], (TPOT,), origin="predicted", method="closed form", deployment=DEPLOYMENT)
    )


def test_a_load_at_which_nothing_completed_says_so():
    levels = [level(MEASURED[3], (TTFT,), n=100), level(MEASURED[4], (TTFT,), n=100)]
    none = replace(levels[1], metrics={}, outcomes={"refused": 100}, verdict=None)
    one = run([levels[0], judge(none, (TTFT,))], (TTFT,), origin="measured", method="load test",
              deployment=DEPLOYMENT)  # fmt: skip
    assert notes_of(one) == ("At 16 users TTFT p95 (none of 100 requests completed) breaks its promise.",)


def test_a_prediction_says_how_far_its_capacity_may_be_off():
    assert sentence_of(banded()) == (
        f"{SUBJECT} carries 16 users (80 % band 16 to 29) within its promises; "
        "the next to break is TPOT p95 ≤ 50 ms, 20 % of room left."
    )
    assert notes_of(banded())[-1] == (
        "Extrapolated, with wider bands: a batch of 32 lies beyond the fitted 1 to 24."
    )


@pytest.mark.parametrize(
    ("one", "band", "said"),
    [(banded(), (12.0, 19.0), "carries 16 users (80 % band 12 to 19) within"),
     (banded(), (12.0, 32.0), "carries 16 users (80 % band 12 to at least 32) within"),
     (banded(), (9.7234, 1536.0), "carries 16 users (80 % band 9.72 to at least 1536) within"),
     (banded(), (0.0, 19.0), "carries 16 users (80 % band 0 to 19) within"),
     (never_broken(), (6.0, 8.0), "carries at least 8 users (80 % band 6 to at least 8) within"),
     (never_broken(), (8.0, 8.0), "carries at least 8 users (80 % band at least 8) within"),
     (holding_nowhere(), (0.0, 2.0), "holds its promises at no tested load (80 % band at most 2): TTFT"),
     (holding_nowhere(), (0.0, 0.0), "holds its promises at no tested load: TTFT")],
)  # fmt: skip
def test_every_band_has_its_words(one, band, said):
    assert said in sentence_of(replace(one, capacity=replace(one.capacity, band=band)))


def test_throughput_without_a_promise_has_its_band():
    # 652 tok/s: 652 / 1.1 to 652 x 1.2
    assert "gives 652 tok/s (80 % band 593 to 782) at 32 users" in sentence_of(banded(slos=()))


def test_what_joins_the_gpus_of_a_replica_is_said_where_it_was_assumed():
    def notes_with(topology):
        spread = replace(
            DEPLOYMENT, parallelism=Parallelism(tensor=4), node=Node(gpu=L40S, gpus=4, topology=topology)
        )
        return notes_of(replace(closed_form(), deployment=spread))

    assert (
        "Assumed: the GPUs of a replica are joined by PCIe under one switch, peer to peer, 32 GB/s each way "
        "(--topology)." in notes_with(None)
    )
    assert not any("joined" in note for note in notes_with("host"))
    assert not any("joined" in note for note in notes_of(closed_form()))
