# ruff: noqa: E501 - tables of texts
"""Exact answers, numbers with units, JSON."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from servemark.domain.exchange import Exchange
from servemark.quality.choices import wrong_answer
from servemark.quality.grades import bad_form, digits_value, is_exact, number_of, numbers_of


def ruling(answer, key, format):
    return wrong_answer(Exchange(id="x", answer=answer, key=key, format=format))


@pytest.mark.parametrize(
    ("answer", "key"),
    [
        ("KX-42", "KX-42"), ("`KX-42`", "KX-42"), ('"KX-42".', "KX-42"), ("Answer: KX-42", "KX-42"), ("The answer is KX-42.", "KX-42"),
        ("Jawapan: KX-42", "KX-42"), ("Sure! Here it is:\nKX-42", "KX-42"), ("The code is KX-42, as stated.", "KX-42"),
        ("kuala lumpur", "Kuala Lumpur"), ("Kuala  Lumpur\n", "Kuala Lumpur"), ("“Kuala Lumpur”", "Kuala Lumpur"),
        ("Jalan tiga – empat", "Jalan tiga - empat"), ("It's late.", "It’s late."), ("7", "7"), ("caf\u0065\u0301", "café"),
    ],
)  # fmt: skip
def test_exact_right(answer, key):
    assert is_exact(answer, key)
    assert ruling(answer, key, "exact").defect is None


@pytest.mark.parametrize(
    ("answer", "key"),
    [("KX-43", "KX-42"), ("kx-42", "KX-42"), ("KX-421", "KX-42"), ("AKX-42", "KX-42"), ("KX-42-B", "KX-42"), ("17", "7"),
     ("7 out of 10", "7"), ("Kuala", "Kuala Lumpur"), ("The tapir sleeps by day. [kora-lemi]", "The tapir sleeps by night. [kora-lemi]")],
)  # fmt: skip
def test_exact_wrong(answer, key):
    assert not is_exact(answer, key)
    found = ruling(answer, key, "exact").defect
    assert found and found.check == "wrong_answer" and found.detail == f"expected {key}"


@pytest.mark.parametrize(
    ("digits", "value", "decimals"),
    [("1234", 1234, 0), ("1,234", 1234, 0), ("1,234.5", 1234.5, 1), ("1.234,5", 1234.5, 1), ("1.234.567", 1234567, 0), ("1 234", 1234, 0),
     ("0,5", 0.5, 1), ("0.25", 0.25, 2), ("3,14", 3.14, 2), ("1.234", 1.234, 3), ("0,125", 0.125, 3), (".5", 0.5, 1)],
)  # fmt: skip
def test_digits(digits, value, decimals):
    assert digits_value(digits) == (value, decimals)


@pytest.mark.parametrize(
    ("answer", "value"),
    [
        ("Answer: 42", 42), ("The 3 boxes hold 14 each, which makes 42.", 42), ("42 apples", 42), ("It is 42, from 3 boxes of 14.", 42),
        ("Jawapan: 42\n(3 kotak)", 42), ("3 x 14 = 42", 42), ("-7", -7), ("−7 °C", -7), ("RM42.50", 42.5), ("USD 1,200", 1200), ("50%", 50),
        ("2.5 million", 2.5e6), ("3 juta", 3e6), ("1.5e3", 1500), ("6 x 10^23", 6e23), ("3/4", 0.75), ("twelve", 12), ("dua belas", 12),
        ("tiga puluh", 30), ("delapan", 8), ("The answer is 12 because 4 x 3 = 12 and not 13.", 12),
    ],
)  # fmt: skip
def test_number_of_an_answer(answer, value):
    found = number_of(answer)
    assert found is not None and found.value == pytest.approx(value, rel=1e-12)


@pytest.mark.parametrize(
    ("answer", "key", "right"),
    [
        ("42", "42", True), ("42.0", "42", True), ("43", "42", False), ("42.4", "42", False), ("3.14159", "3.14", True),
        ("3.15", "3.14", False), ("3.14", "3.14159", True), ("3", "3.14159", False), ("12 km", "12 km", True),
        ("12,000 m", "12 km", True), ("12 m", "12 km", False), ("1.5 hours", "90 minutes", True), ("0.5 kg", "500 g", True),
        ("75%", "75 %", True), ("75 %", "0.75", True), ("0.333", "1/3", True), ("RM 1.234,50", "1234.5", True), ("about 41", "42", False),
        ("1e-3", "0.001", True), ("-5", "5", False), ("1,234", "1234", True), ("Answer: 1234 ringgit", "1234", True),
    ],
)  # fmt: skip
def test_numbers_within_rounding_and_units(answer, key, right):
    assert (ruling(answer, key, "number").defect is None) == right


def test_a_number_that_is_missing_is_a_matter_of_format():
    exchange = Exchange(id="x", answer="I worked it out.", key="42", format="number")
    assert bad_form(exchange).defect.check == "bad_format"
    assert not wrong_answer(exchange).applied
    assert bad_form(Exchange(id="x", answer="Answer: 42", format="number")).defect is None
    assert not bad_form(Exchange(id="x", answer="I cannot help with that.", format="number")).applied
    assert not bad_form(Exchange(id="x", answer="", format="number")).applied
    assert not bad_form(Exchange(id="x", answer="word", format="text")).applied


def test_json_by_value():
    key = '{"name": "Aisyah", "boxes": 3}'
    assert ruling('{"boxes": 3, "name": "Aisyah"}', key, "json").defect is None
    assert ruling('```json\n{"boxes": 3.0, "name": "Aisyah"}\n```', key, "json").defect is None
    assert (
        ruling('{"boxes": 4, "name": "Aisyah"}', key, "json").defect.detail
        == "differs from the key in boxes"
    )
    assert not ruling("boxes: 4", key, "json").applied


@given(st.integers(-(10**9), 10**9))
def test_whole_numbers_come_back(number):
    for text in (f"{number}", f"{number:,}", f"The answer is {number}.", f"Jawapan: {number:,}"):
        found = number_of(text)
        assert found is not None and found.value == number, text


@given(st.text(max_size=200))
def test_any_text_is_read_without_error(text):
    assert all(isinstance(each.value, float) for each in numbers_of(text))
    is_exact(text, "key 1")
