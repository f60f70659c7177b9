"""Any split of the bytes gives the same events."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from servemark.client.sse import EventParser

STREAM = (
    b": comment\n\n"
    b'data: {"a":1}\n\n'
    b"event: error\r\ndata: broken\r\n\r\n"
    b"data: first\ndata:second\n\n"
    b"id: 7\nretry: 10\n\n"
    b'error: {"code":500}\n\n'
    b"data: \xe4\xbd\xa0\xe5\xa5\xbd\n\n"
    b"data: [DONE]\n\n"
)
EVENTS = [
    (b"", b'{"a":1}'),
    (b"error", b"broken"),
    (b"", b"first\nsecond"),
    (b"error", b'{"code":500}'),
    (b"", "你好".encode()),
    (b"", b"[DONE]"),
]


def read(pieces):
    parser = EventParser()
    events = [event for piece in pieces for event in parser.feed(piece)]
    return events + parser.close()


def test_one_read_with_many_events():
    assert read([STREAM]) == EVENTS


def test_byte_by_byte():
    assert read([STREAM[i : i + 1] for i in range(len(STREAM))]) == EVENTS


@given(st.lists(st.integers(0, len(STREAM)), max_size=12))
def test_any_split_gives_the_same_events(cuts):
    at = [0, *sorted(cuts), len(STREAM)]
    assert read([STREAM[a:b] for a, b in pairwise(at)]) == EVENTS


def test_a_last_event_without_blank_line_counts_and_a_torn_line_does_not():
    assert read([b"data: [DONE]\n"]) == [(b"", b"[DONE]")]
    assert read([b'data: {"half":']) == []


def test_a_name_does_not_outlive_its_event():
    assert read([b"event: error\n\ndata: x\n\n"]) == [(b"", b"x")]
