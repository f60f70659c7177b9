from made_runs import USERS, alter, clean_run, failing
from msgspec.structs import replace

from servemark.diagnosis.connections import stale_connections


def test_retried_and_answered_on_a_fresh_connection():
    seen = stale_connections(alter(clean_run(), 32, lambda r: replace(r, retried=True), range(5)))
    assert (seen.confidence, seen.weight) == ("certain", 0.0)
    assert "5 of 5 requests went through" in seen.evidence[0].text


def test_disconnected_before_any_byte_and_more_with_load():
    seen = stale_connections(
        alter(
            clean_run(),
            32,
            lambda r: failing(r, "transport", "Server disconnected"),
            range(8),
        )
    )
    assert (seen.confidence, seen.weight) == ("likely", 0.2)


def test_as_many_at_one_user_or_after_the_first_byte_is_another_cause():
    whole = clean_run()
    for users in USERS:
        whole = alter(whole, users, lambda r: failing(r, "transport", "Server disconnected"), range(8))
    assert stale_connections(whole) is None
    begun = {"status": 200, "first_byte_s": 0.1}
    late = alter(clean_run(), 32, lambda r: failing(r, "transport", "reset", **begun), range(8))
    assert stale_connections(late) is None
