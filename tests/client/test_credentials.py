from servemark.client.credentials import Credentials

KEY = "sk-a-very-secret-key"


def test_the_key_goes_into_the_header_and_nowhere_else():
    credentials = Credentials(KEY, {"X-Team-Token": "team-token-0001"})
    assert credentials.headers()["Authorization"] == f"Bearer {KEY}"
    assert KEY not in repr(credentials) and "team-token" not in repr(credentials)


def test_secrets_are_taken_out_of_texts():
    credentials = Credentials(KEY, {"X-Team-Token": "team-token-0001", "X-Short": "a"})
    text = f"a wrong key {KEY} (Bearer {KEY}) of team-token-0001"
    assert credentials.redact(text) == "a wrong key *** (Bearer ***) of ***"


def test_without_a_key_nothing_is_sent_or_hidden():
    assert Credentials().headers() == {}
    assert Credentials("").redact("all of it") == "all of it"
