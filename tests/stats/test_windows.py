import random

import pytest

from servemark.domain.run import RequestRecord, Window
from servemark.domain.workload import Rate, Users
from servemark.stats.windows import steady_throughput, steady_window, throughput


def request(start_s, end_s, *, user=None, warmup=False, outcome="complete", **fields):
    return RequestRecord(
        index=0, user=user, warmup=warmup, scheduled_s=start_s, sent_s=start_s, end_s=end_s,
        outcome=outcome, **fields,
    )  # fmt: skip


def answer(start_s, end_s, *, tokens, first_s=0.0, **fields):
    """An answer of evenly stamped tokens from `first_s` after its start to its end."""
    gap_s = (end_s - start_s - first_s) / max(1, tokens - 1)
    stamps = tuple(start_s + first_s + i * gap_s for i in range(tokens)) if tokens > 1 else (end_s,)
    return request(
        start_s, end_s, first_token_s=stamps[0], last_token_s=stamps[-1], output_tokens=tokens,
        text_chunks=tokens, chunk_s=stamps, **fields,
    )  # fmt: skip


def rates(load, rows):
    return throughput(load, rows, steady_window(load, rows))


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
    # user 0: 3 requests. User 1: two thirds of its warm-up (0.5-2), 2-4, 4-6 and a third of 6-9. In 6 s
    assert throughput(Users(users=2), rows, window).requests_per_s == pytest.approx(6 / 6)


def test_each_user_once_is_too_short():
    rows = [request(0.0, 1.0 + user, user=user) for user in range(4)]
    window = steady_window(Users(users=4), rows)
    assert (window.start_s, window.end_s, window.steady) == (0.0, 4.0, False)
    # until 1 s the first is through, and a half, a third and a quarter of the others
    assert window.note == "whole level: only 2.1 requests completed in the steady part, 4 needed"


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
    # without stamps a request counts where it ends: at 3 ... 99
    assert throughput(Rate(per_s=1.0), rows, window).requests_per_s == pytest.approx(1.0)


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
    assert throughput(load, rows, window) == (0.0, 0.0)


def test_nothing_measured():
    rows = [request(0.0, 1.0, user=0, warmup=True)]
    assert steady_window(Users(users=1), rows) is None
    assert throughput(Users(users=1), rows, None) == (None, None)


def test_empty_window():
    assert throughput(Users(users=1), [], Window(start_s=1.0, end_s=1.0)) == (None, None)


def test_one_user_by_hand():
    # 2 s a request of 8 tokens: half a request and 4 tokens each second
    rows = [answer(2.0 * i, 2.0 * i + 2.0, tokens=8, user=0) for i in range(5)]
    assert rates(Users(users=1), rows) == pytest.approx((0.5, 4.0))


def test_two_users_of_different_pace():
    # one ends 1 request a second, the other 1 in 3 s; from 0 until the first stops at 9
    fast = [answer(float(i), i + 1.0, tokens=2, user=0) for i in range(9)]
    slow = [answer(3.0 * i, 3.0 * i + 3.0, tokens=6, user=1) for i in range(4)]
    assert rates(Users(users=2), fast + slow) == pytest.approx((1 + 1 / 3, 2 + 2))


@pytest.mark.parametrize("tokens", [32, 1])
@pytest.mark.parametrize("requests", [32, 64, 80, 320])
@pytest.mark.parametrize("warmup", [0, 32])
def test_users_in_step_are_counted_right_wherever_the_edges_cut(tokens, requests, warmup):
    """32 users of 2 s a request that all end together, up to 1 ms of jitter: 16 requests a second."""
    rng = random.Random(0)
    ready = [(0.0, user) for user in range(32)]
    rows = []
    for index in range(warmup + requests):
        at_s, user = min(ready)
        ready.remove((at_s, user))
        end_s = 2.0 * round(at_s / 2.0 + 1) + rng.uniform(0.0, 1e-3)
        ready.append((end_s, user))
        rows.append(answer(at_s, end_s, tokens=tokens, user=user, warmup=index < warmup))
    assert rates(Users(users=32), rows) == pytest.approx((16.0, 16.0 * tokens), rel=2e-3)


def test_failed_requests_are_no_throughput():
    # every other answer breaks: 1 request of 4 tokens in 2 s
    rows = [
        answer(float(i), i + 1.0, tokens=4, user=0, outcome="broken" if i % 2 else "complete")
        for i in range(20)
    ]
    assert rates(Users(users=1), rows) == pytest.approx((0.5, 2.0))


def test_tokens_are_the_servers_count_spread_over_our_chunks():
    # 12 tokens in 4 chunks at 1, 2, 3, 4 s: two chunks in (1, 3] are half of the request
    row = request(0.0, 4.0, output_tokens=12, chunk_s=(1.0, 2.0, 3.0, 4.0))
    found = throughput(Rate(per_s=1.0), [row], Window(start_s=1.0, end_s=3.0))
    assert found == pytest.approx((0.5 / 2, 6 / 2))


def test_without_stamps_tokens_are_spread_evenly():
    # first token at 1, ten more until 6: in (0, 3.5] the first and half of the ten
    row = request(0.0, 6.0, first_token_s=1.0, last_token_s=6.0, output_tokens=11)
    found = throughput(Rate(per_s=1.0), [row], Window(start_s=0.0, end_s=3.5))
    assert found == pytest.approx((6 / 11 / 3.5, 6 / 3.5))


def test_open_loop_of_one_token_answers():
    # ends at 1.5, 2.5 ... 20.5; the window is (1, 20]
    rows = [answer(float(s), s + (0.5 if s else 1.0), tokens=1) for s in range(21)]
    window = Window(start_s=1.0, end_s=20.0)
    assert throughput(Rate(per_s=1.0), rows, window) == pytest.approx((19 / 19, 19 / 19))


def test_an_open_loop_above_what_is_served_shows_what_is_served():
    """One server of 2 s per answer of 4 tokens, one arrival a second: waiting is no throughput."""
    rows = [answer(float(s), 2.0 * s + 2.0, tokens=4, first_s=s + 0.5) for s in range(40)]
    window = Window(start_s=10.0, end_s=30.0)
    assert throughput(Rate(per_s=1.0), rows, window) == pytest.approx((0.5, 2.0))


def test_visits_in_blocks_are_weighted_by_their_time():
    """One user: 3 requests of 10 tokens in 3 s; later, in another block, 2 of 10 tokens in 4 s. 50 tokens in 7 s."""
    first = [request(s, s + 1.0, user=0, output_tokens=10) for s in (0.0, 1.0, 2.0)]
    second = [request(s, s + 2.0, user=0, output_tokens=10, block=1) for s in (100.0, 102.0)]
    window, found = steady_throughput(Users(users=1), first + second)
    assert (window.start_s, window.end_s, window.steady) == (0.0, 104.0, True)
    assert window.note == "2 visits, 7 s together"
    assert found.output_tokens_per_s == pytest.approx(50 / 7)
    assert found.requests_per_s == pytest.approx(5 / 7)


def test_a_visit_that_is_not_steady_is_said():
    first = [request(s, s + 1.0, user=0) for s in (0.0, 1.0, 2.0)]
    window, _ = steady_throughput(Users(users=1), [*first, request(9.0, 10.0, user=0, block=1)])
    assert not window.steady
    assert window.note.startswith(
        "2 visits, 4 s together; 1 of them not steady (whole level: only 1.0 requests"
    )


def test_one_block_is_a_level_as_ever():
    rows = [request(s, s + 1.0, user=0, output_tokens=5) for s in (0.0, 1.0, 2.0)]
    window, found = steady_throughput(Users(users=1), rows)
    assert window == steady_window(Users(users=1), rows)
    assert found == throughput(Users(users=1), rows, window)
    assert steady_throughput(Users(users=1), []) == (None, (None, None))
