"""Prose that holds no code and does not repeat itself."""

import random
import re

import pytest

from servemark.quality.code_words import code_words
from servemark.quality.haystacks import haystack


@pytest.mark.parametrize("language", ["en", "ms"])
def test_sentences_without_repetition_or_code(language):
    told = haystack(language, 2000, random.Random(7))
    assert len(set(told)) == len(told)
    assert 2000 <= sum(len(each.split()) for each in told) < 2040
    for each in told:
        assert each[0].isupper() or each[0].isdigit()
        assert each.endswith(".") and "{" not in each
        assert not re.search(r"[A-Z]{2,}-\d", each)


def test_codes_share_no_number():
    codes = code_words(500, random.Random(1))
    assert len({code.split("-")[1] for code in codes}) == 500
    assert all(re.fullmatch(r"[A-Z]{4,8}-\d{4}", code) for code in codes)
    assert all(int(code.split("-")[1]) >= 2100 for code in codes)
