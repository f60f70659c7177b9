import pytest
from example_runs import measured, measured_with_failures, tiny_model

from servemark.reports.redaction import hide_secrets, without_secrets


@pytest.mark.parametrize(
    ("text", "hidden"),
    [
        ("measure http://h/v1 --api-key sk-12 --users 1", "measure http://h/v1 --api-key *** --users 1"),
        ("--api-key=sk-12", "--api-key=***"),
        ("--header 'Authorization: Bearer abc'", "--header ***"),
        ("Bearer abc.def", "Bearer ***"),
        ("https://me:pw@host/v1?api_key=12&x=1", "https://***@host/v1?api_key=***&x=1"),
        ("OPENAI_API_KEY=sk-1 servemark measure", "OPENAI_API_KEY=*** servemark measure"),
    ],
)
def test_credentials_are_hidden(text, hidden):
    assert hide_secrets(text) == hidden


@pytest.mark.parametrize(
    "text",
    ["--set max_num_batched_tokens=8192", "--output 128 --slo output_tokens=50", "num_key_value_heads 8"],
)
def test_what_only_sounds_like_one_stays(text):
    assert hide_secrets(text) == text


def test_a_run_is_cleared_everywhere():
    assert "sk-123" not in repr(without_secrets(measured()))
    assert "user:pw" not in repr(without_secrets(measured_with_failures()))
    settings = without_secrets(tiny_model()).endpoint.settings
    assert settings == {"n_ctx": "16384", "n_parallel": "8", "api_key": "***"}
