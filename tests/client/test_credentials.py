import pytest

from servemark.client.credentials import Credentials
from servemark.errors import InputError

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


def test_the_end_of_a_line_is_no_part_of_the_key():
    assert Credentials(f"{KEY}\n").headers() == Credentials(KEY).headers()


@pytest.mark.parametrize(
    ("key", "headers", "path"),
    [
        ("sk-very\nsecret", {}, "api_key"),
        ("sk-very\0secret", {}, "api_key"),
        (None, {"X-Team": "very\r\nsecret"}, "headers.X-Team"),
        (None, {"X secret": "a"}, "headers"),
        (None, {"": "secret"}, "headers"),
    ],
)
def test_what_no_header_can_carry_is_refused_and_not_quoted(key, headers, path):
    with pytest.raises(InputError) as caught:
        Credentials(key, headers)
    assert caught.value.path == path and "secret" not in str(caught.value)
