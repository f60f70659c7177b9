import pytest

from servemark.client.endpoint import base_url, is_loopback, server_root
from servemark.errors import EndpointError


@pytest.mark.parametrize(
    ("typed", "base"),
    [
        ("http://127.0.0.1:8000/v1", "http://127.0.0.1:8000/v1"),
        (" https://llm.example.org/v1/ ", "https://llm.example.org/v1"),
        ("http://h:1/v1/chat/completions", "http://h:1/v1"),
        ("http://h:1/v1/completions", "http://h:1/v1"),
        ("http://h:1/v1/models", "http://h:1/v1"),
        ("http://[::1]:8000/v1", "http://[::1]:8000/v1"),
    ],
)
def test_the_api_root(typed, base):
    assert base_url(typed) == base


@pytest.mark.parametrize(
    ("typed", "says"),
    [
        ("127.0.0.1:8000/v1", "without scheme; nearest: http://127.0.0.1:8000/v1"),
        ("ftp://h/v1", "scheme 'ftp'"),
        ("http://", "http://127.0.0.1:8000/v1"),
        ("http://h:99999/v1", "'http://h:99999/v1'"),
        ("http://user:password@h/v1", "without credentials"),
        ("http://h/v1?key=abc", "without credentials or query"),
    ],
)
def test_what_is_refused_before_anything_is_sent(typed, says):
    with pytest.raises(EndpointError) as caught:
        base_url(typed)
    assert says in str(caught.value)
    assert "password" not in str(caught.value) and "abc" not in str(caught.value)


def test_the_root_of_the_server_and_loopback():
    assert server_root("http://h:1/llm/v1") == "http://h:1/llm"
    assert server_root("http://h:1") == "http://h:1"
    assert is_loopback("http://127.0.0.1:8000/v1") and is_loopback("http://localhost/v1")
    assert is_loopback("http://[::1]:8000/v1")
    assert not is_loopback("http://10.0.0.1/v1") and not is_loopback("http://llm.example.org/v1")
