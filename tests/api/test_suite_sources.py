import pytest

from servemark.api.suite_sources import named_suite
from servemark.engines import tiny
from servemark.errors import InputError, UnknownName
from servemark.quality.suites import find_suite


@pytest.mark.parametrize(
    ("name", "key", "bank"), [("Tiny", "tiny", tiny.bank), ("tiny_short", "tiny-short", tiny.short_bank)]
)
def test_the_banks_of_the_tiny_model_are_suites_without_codes(name, key, bank):
    suite = named_suite(name)
    assert (suite.key, suite.nonce, suite.canary, suite.max_tokens) == (key, False, False, 64)
    assert [item.id for item in suite.items] == [item.id for item in bank()]
    assert [item.messages for item in suite.items] == [item.messages for item in bank()]
    for item in suite.items:
        assert item.format == "choice"
        assert item.key in item.options


def test_other_names_are_those_of_the_suites():
    assert named_suite("needles", seed=3) == find_suite("needles", seed=3)
    with pytest.raises(UnknownName) as caught:
        named_suite("tinny")
    assert "tiny" in caught.value.nearest


def test_a_faulty_file_is_refused(tmp_path):
    (tmp_path / "own.jsonl").write_text("{}\n")
    with pytest.raises(InputError, match=r"own\.jsonl"):
        named_suite(tmp_path / "own.jsonl")
