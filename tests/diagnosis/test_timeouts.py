from made_runs import alter, clean_run, failing, on_level, samples

from servemark.diagnosis.timeouts import bunch, refused_at_once, timeout_while_queued


def cut_after(took_s, outcome="transport", reason="ServerDisconnectedError", status=None, n=12):
    return alter(
        clean_run(), 32, lambda r: failing(r, outcome, reason, status, took_s=took_s(r.index)), range(n)
    )


def test_failures_that_all_took_thirty_seconds():
    seen = timeout_while_queued(cut_after(lambda i: 30.0 + 0.01 * i))
    assert seen.confidence == "likely" and seen.weight == 12 / 40
    assert "30.1 s" in seen.claim and "12 of 40 at 32 users" in seen.claim
    assert seen.evidence[0].requests == (0, 1, 2, 3, 4)


def test_our_own_limit_while_requests_wait_is_certain_and_says_what_to_set():
    whole = cut_after(lambda i: 60.0, "timed_out", "no end within 60 s")
    whole = on_level(whole, 32, engine=samples(32, running=8, waiting=24))
    seen = timeout_while_queued(whole)
    assert seen.confidence == "certain" and "--timeout 240s" in seen.next_step
    assert any("24 requests waited" in each.text for each in seen.evidence)


def test_a_gateway_timeout():
    assert "proxy" in timeout_while_queued(cut_after(lambda i: 60.0, "refused", "HTTP 504", 504)).claim


def test_failures_at_all_sorts_of_times_are_no_timeout():
    assert timeout_while_queued(cut_after(lambda i: 3.0 + 2 * i)) is None


def test_quick_failures_are_no_timeout():
    assert timeout_while_queued(cut_after(lambda i: 0.02)) is None


def test_as_many_at_one_user_is_not_queueing():
    whole = cut_after(lambda i: 30.0)
    whole = alter(whole, 1, lambda r: failing(r, "transport", "reset", took_s=30.0), range(12))
    assert timeout_while_queued(whole) is None


def test_three_failures_are_no_bunch():
    assert bunch([]) is None
    assert timeout_while_queued(cut_after(lambda i: 30.0, n=3)) is None


def test_refused_at_once_by_a_gateway_and_by_the_engine():
    def busy(r):
        return failing(r, "refused", "HTTP 429: too many requests", 429, took_s=0.004)

    whole = alter(clean_run(), 32, busy, range(10))
    seen = refused_at_once(whole)
    assert (seen.confidence, seen.weight) == ("likely", 0.25) and "4.00 ms" in seen.evidence[0].text
    counted = (*samples(32), *samples(32, rejected=10))
    seen = refused_at_once(on_level(whole, 32, engine=counted))
    assert seen.confidence == "certain" and "10 rejections" in seen.evidence[1].text


def test_a_503_after_half_a_minute_is_not_at_once():
    whole = alter(clean_run(), 32, lambda r: failing(r, "refused", "HTTP 503", 503, took_s=30.0), range(10))
    assert refused_at_once(whole) is None
    assert timeout_while_queued(whole) is not None
