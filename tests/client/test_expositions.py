"""The reader of wanted lines, against the parser of prometheus_client and line by line."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.parser import text_string_to_metric_families

from servemark.client.expositions import has_prefix, read_exposition

VALUES = st.floats(allow_nan=True, allow_infinity=True)
WORDS = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
ROWS = st.lists(st.tuples(st.tuples(WORDS, WORDS), VALUES), max_size=4, unique_by=lambda row: row[0])


class Families:
    def __init__(self, *families):
        self.families = families

    def collect(self):
        return self.families


def exposition(*families):
    registry = CollectorRegistry()
    registry.register(Families(*families))
    return generate_latest(registry).decode()


@given(ROWS, ROWS)
def test_it_reads_what_the_parser_of_prometheus_client_reads(gauges, counters):
    gauge = GaugeMetricFamily("vllm:running", "of\nall", labels=("model", "why"))
    counter = CounterMetricFamily("vllm:done", 'so "far"', labels=("model", "why"))
    for family, rows in (gauge, gauges), (counter, counters):
        for labels, value in rows:
            family.add_metric(labels, value)
    text = exposition(gauge, counter)
    wanted = {"vllm:running", "vllm:done_total"}
    expected = {name: [] for name in wanted}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            if math.isfinite(sample.value):
                expected[sample.name].append((sample.labels, sample.value))
    assert read_exposition(text, wanted) == {name: rows for name, rows in expected.items() if rows}


@pytest.mark.parametrize(
    ("line", "row"),
    [
        ("up 1", ({}, 1.0)),
        ("up{} 1", ({}, 1.0)),
        ("up 1 1395066363000", ({}, 1.0)),
        ('up{a="b"}  2.5e3', ({"a": "b"}, 2500.0)),
        ('up{a="b",} 1', ({"a": "b"}, 1.0)),
        ('up{ a = "b" , c = "d" } 1', ({"a": "b", "c": "d"}, 1.0)),
        (r'up{a="} 7 \"\\\n{"} 1', ({"a": '} 7 "\\\n{'}, 1.0)),
        ('up{a="b"} 1 # {trace="x"} 0.5', ({"a": "b"}, 1.0)),
        ('up{a="b"} NaN', None),
        ("up +Inf", None),
        ('up{a="b', None),
        ('up{a="b"', None),
        ('up{a="b"}', None),
        ("up", None),
        ("up one", None),
        ("up_total 1", None),
        ("# up 1", None),
    ],
)
def test_line_by_line(line, row):
    assert read_exposition(f"before 1\n{line}\nafter 1\n", {"up"}) == ({"up": [row]} if row else {})


@given(st.text())
def test_any_text_is_read_without_an_exception(text):
    for rows in read_exposition(text + "\nup{" + text, {"up", text}).values():
        assert all(math.isfinite(value) for _, value in rows)


def test_a_prefix_is_that_of_a_name_or_of_a_comment_on_one():
    assert has_prefix("vllm:x 1", "vllm:")
    assert has_prefix("a 1\nvllm:x 1", "vllm:")
    assert has_prefix("a 1\n# TYPE vllm:x gauge\n", "vllm:")
    assert not has_prefix('a{b="vllm:x"} 1\n', "vllm:")
