from made_runs import START_S, USERS, alter, clean_run, defect, failing, on_level, samples
from msgspec.structs import replace

from servemark.diagnosis.failures import engine_restarted, failures_flat_in_load


def everywhere(change, n):
    whole = clean_run()
    for users in USERS:
        whole = alter(whole, users, change, range(n))
    return whole


def test_a_wrong_model_name_fails_at_every_load():
    seen = failures_flat_in_load(everywhere(lambda r: failing(r, "refused", "HTTP 404: no model", 404), 30))
    assert (seen.confidence, seen.weight) == ("certain", 0.75)
    assert "30 of 40 at 1 user and 30 of 40 at 32 users" in seen.claim
    assert "60 % to 86 %" in seen.evidence[0].text


def test_answers_that_miss_their_schema_are_failures_of_this_kind():
    seen = failures_flat_in_load(everywhere(lambda r: defect(r, "bad_format"), 8))
    assert seen.confidence == "likely" and "schema" in seen.claim


def test_failures_that_rise_with_load_are_not_flat():
    whole = alter(clean_run(), 32, lambda r: failing(r, "refused", "HTTP 400", 400), range(30))
    assert failures_flat_in_load(whole) is None
    whole = alter(whole, 1, lambda r: failing(r, "refused", "HTTP 400", 400), range(4))
    assert failures_flat_in_load(whole) is None


def test_turned_away_and_timed_out_are_other_rows():
    assert failures_flat_in_load(everywhere(lambda r: failing(r, "refused", "HTTP 503", 503), 20)) is None
    assert failures_flat_in_load(everywhere(lambda r: failing(r, "timed_out", "no end"), 20)) is None


def test_one_failure_in_forty_is_no_class():
    assert failures_flat_in_load(everywhere(lambda r: failing(r, "refused", "HTTP 400", 400), 1)) is None


def restarted(users):
    later = [replace(each, process_start_s=START_S + 100) for each in samples(users)]
    return on_level(clean_run(), users, engine=(*samples(users)[:5], *later[5:]))


def test_another_process_start_is_a_restart():
    whole = alter(restarted(32), 32, lambda r: failing(r, "transport", "connection reset"), range(10))
    seen = engine_restarted(whole)
    assert (seen.confidence, seen.weight) == ("certain", 0.25) and "at 32 users" in seen.claim


def test_refused_connections_after_answers_are_likely_one():
    def refused(r):
        return failing(r, "transport", "ClientConnectorError: Cannot connect to host")

    seen = engine_restarted(alter(clean_run(), 32, refused, range(20, 40)))
    assert (seen.confidence, seen.weight) == ("likely", 0.5)


def test_connections_refused_from_the_beginning_are_not():
    whole = alter(clean_run(), 32, lambda r: failing(r, "transport", "Cannot connect to host"), range(40))
    assert engine_restarted(whole) is None


def test_an_unknown_process_start_says_nothing():
    unknown = tuple(replace(each, process_start_s=None) for each in samples(32))
    assert engine_restarted(on_level(clean_run(), 32, engine=unknown)) is None
