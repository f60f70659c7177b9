import pytest

from servemark.domain.run import RequestRecord, StepRecord, Window
from servemark.domain.workload import Rate, Users
from servemark.stats.windows import output_tokens_per_s, requests_per_s, steady_window


def request(start_s, end_s, *, user=None, warmup=False, outcome="complete", **fields):
    return RequestRecord(
        index=0, user=user, warmup=warmup, scheduled_s=start_s, sent_s=start_s, end_s=end_s,
        outcome=outcome, **fields,
    )  # fmt: skip


def test_closed_loop_from_the_last_user_to_start_to_the_first_to_stop():
    # user 0: warm-up until 1, then 1-3, 3-5, 5-7; user 1: warm-up until 2, then 2-4, 4-6, 6-9
    rows = [
        request(0.0, 1.0, user=0, warmup=True), request(0.5, 2.0, user=1, warmup=True),
        *(request(s, s + 2.0, user=0) for s in (1.0, 3.0, 5.0)),
        request(2.0, 4.0, user=1), request(4.0, 6.0, user=1), request(6.0, 9.0, user=1),
    ]  # fmt: skip
    window = steady_window(Users(users=2), rows)
    # both users are at it from 0.5, but nothing is measured before 1
    assert (window.start_s, window.end_s, window.steady) == (1.0, 7.0, True)
    # ends at 2 (a warm-up, but served all the same), 3, 4, 5, 6 and 7 in 6 s
    assert requests_per_s(rows, window) == pytest.approx(1.0)


def test_each_user_once_is_too_short():
    rows = [request(0.0, 1.0 + user, user=user) for user in range(4)]
    window = steady_window(Users(users=4), rows)
    assert (window.start_s, window.end_s, window.steady) == (0.0, 4.0, False)
    assert window.note == "whole level: only 1 requests completed in the steady part, 4 needed"


def test_users_that_never_sent():
    window = steady_window(Users(users=3), [request(0.0, 1.0, user=0)])
    assert not window.steady
    assert "1 of 3 users" in window.note


def test_requests_without_a_user():
    assert "name no user" in steady_window(Users(users=1), [request(0.0, 1.0)]).note


def test_open_loop_drops_ramp_and_tail():
    rows = [request(float(s), s + 2.0) for s in range(100)]
    window = steady_window(Rate(per_s=1.0), rows)
    # first arrival 0 + median latency 2; last arrival 99; the tail drains until 101
    assert (window.start_s, window.end_s) == (2.0, 99.0)
    # ends at 3 ... 99
    assert requests_per_s(rows, window) == pytest.approx(1.0)


def test_overload_has_no_steady_part():
    # one server of 10 s per request, one arrival per second: latency grows to 180 s
    rows = [request(float(s), 10.0 * (s + 1)) for s in range(20)]
    window = steady_window(Rate(per_s=1.0), rows)
    assert not window.steady
    assert (window.start_s, window.end_s) == (0.0, 200.0)


@pytest.mark.parametrize("load", [Rate(per_s=1.0), Users(users=1)])
def test_all_failed(load):
    rows = [request(float(s), s + 0.1, user=0, outcome="transport") for s in range(20)]
    window = steady_window(load, rows)
    assert not window.steady
    assert requests_per_s(rows, window) == 0.0
    assert output_tokens_per_s(rows, (), window) == 0.0


def test_nothing_measured():
    assert steady_window(Users(users=1), [request(0.0, 1.0, user=0, warmup=True)]) is None


def test_empty_window():
    window = Window(start_s=1.0, end_s=1.0)
    assert requests_per_s([], window) is None
    assert output_tokens_per_s([], (), window) is None


def test_measured_tokens_are_the_servers_count_spread_over_our_chunks():
    # 12 tokens in 4 chunks at 1, 2, 3, 4 s: two chunks in (1, 3] are worth 6 tokens
    row = request(
        0.0, 4.0, first_token_s=1.0, last_token_s=4.0, output_tokens=12, text_chunks=4,
        chunk_s=(1.0, 2.0, 3.0, 4.0),
    )  # fmt: skip
    assert output_tokens_per_s([row], (), Window(start_s=1.0, end_s=3.0)) == pytest.approx(6 / 2)


def test_without_stamps_tokens_are_spread_evenly():
    # first token at 1, ten more until 6: in (0, 3.5] the first and half of the ten
    row = request(0.0, 6.0, first_token_s=1.0, last_token_s=6.0, output_tokens=11)
    assert output_tokens_per_s([row], (), Window(start_s=0.0, end_s=3.5)) == pytest.approx(6 / 3.5)


def test_answers_that_broke_are_no_throughput():
    row = request(
        0.0, 2.0, outcome="broken", first_token_s=1.0, last_token_s=2.0, output_tokens=5, chunk_s=(1.0, 2.0)
    )
    assert output_tokens_per_s([row], (), Window(start_s=0.0, end_s=4.0)) == 0.0


def test_simulated_tokens_come_from_the_steps():
    # steps of 1, 2 and 3 s end at 1, 3 and 6: two of them in (0, 5], with 4 decodes each
    steps = [
        StepRecord(start_s=0.0, count=3, first_s=1.0, last_s=3.0, decodes=4),
        StepRecord(start_s=6.0, count=1, first_s=1.0, last_s=1.0, decodes=4),
    ]
    first = request(0.0, 6.0, first_token_s=0.5, last_token_s=6.0, output_tokens=4)
    window = Window(start_s=0.0, end_s=5.0)
    assert output_tokens_per_s([first], steps, window) == pytest.approx((2 * 4 + 1) / 5)
    # all of it: 16 decodes and the first token
    assert output_tokens_per_s([first], steps, Window(start_s=0.0, end_s=7.0)) == pytest.approx(17 / 7)


def test_a_token_after_a_preemption_is_no_decode():
    row = request(0.0, 4.0, first_token_s=1.0, last_token_s=4.0, output_tokens=3, stalls_s=(2.0,))
    steps = [StepRecord(start_s=3.0, count=1, first_s=1.0, last_s=1.0, decodes=1)]
    assert output_tokens_per_s([row], steps, Window(start_s=0.0, end_s=4.0)) == pytest.approx(3 / 4)
