import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from servemark import units
from servemark.errors import InputError


@pytest.mark.parametrize(
    ("text", "dimension", "value"),
    [
        ("80GB", "bytes", 80e9),
        ("46068MiB", "bytes", 46068 * 1024**2),
        ("3.35 TB/s", "bytes_per_s", 3.35e12),
        ("989TFLOPS", "flop_per_s", 989e12),
        ("500ms", "s", 0.5),
        ("2", "s", 2.0),
        ("10min", "s", 600.0),
        ("1%", "ratio", 0.01),
        ("0.01", "ratio", 0.01),
        ("3/s", "per_s", 3.0),
        ("180/min", "per_s", 3.0),
        ("50M", "tokens", 50e6),
        ("14B", "tokens", 14e9),
        ("5 000usd", "usd", 5000.0),
        (1.5, "s", 1.5),
    ],
)
def test_parse(text, dimension, value):
    assert units.parse(text, dimension, path="x") == pytest.approx(value)


@pytest.mark.parametrize("text", ["", "fast", "80XB", "-1GB", "nan", "1e999GB", "12 GB 3"])
def test_parse_refuses_with_path_and_example(text):
    with pytest.raises(InputError) as refused:
        units.parse(text, "bytes", path="gpu.memory")
    assert refused.value.path == "gpu.memory"
    assert "80GB" in refused.value.expected
    assert text in refused.value.found


@pytest.mark.parametrize(
    ("value_s", "text"),
    [(0.0123, "12.3 ms"), (2.0, "2.00 s"), (0.9999, "1.00 s"), (45e-6, "45.0 µs"), (3e-9, "3.00 ns"),
     (0, "0 s"), (7200, "2.0 h"), (math.inf, "-")],
)  # fmt: skip
def test_format_seconds(value_s, text):
    assert units.format_seconds(value_s) == text


def test_format_memory_in_binary_units():
    assert units.format_bytes(15316.5 * 1024**2) == "15,316 MiB"
    assert units.format_bytes(128 * 1024) == "128 KiB"
    assert units.format_bytes(100 * 1024**3) == "100.0 GiB"


def test_format_data_sheet_figures_in_decimal_units():
    assert units.format_bandwidth(864e9) == "864 GB/s"
    assert units.format_bandwidth(3.35e12) == "3.35 TB/s"
    assert units.format_flops(362.05e12) == "362 TFLOPS"


@given(st.floats(min_value=1e-8, max_value=1e5))
def test_formatted_seconds_read_back_within_three_digits(value_s):
    text = units.format_seconds(value_s)
    assert units.parse(text.replace(",", ""), "s", path="x") == pytest.approx(value_s, rel=0.051)
