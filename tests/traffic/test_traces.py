import gzip
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from servemark.domain.exchange import Message
from servemark.domain.workload import PlannedRequest
from servemark.errors import InputError
from servemark.traffic.traces import (
    Trace,
    read_trace,
    write_trace,
)

AZURE = """TIMESTAMP,ContextTokens,GeneratedTokens
2023-11-16 23:59:59.9799600,4808,10
2023-11-17 00:00:00.0319600,3180,8
"""
BURSTGPT = """Timestamp,Model,Request tokens,Response tokens,Total tokens,Log Type
5,ChatGPT,472,18,490,Conversation log
45.5,GPT-4,100,0,100,API log
118,ChatGPT,1087,230,1317,Conversation log
"""
MOONCAKE = """{"timestamp": 1000, "input_length": 1100, "output_length": 500, "hash_ids": [0, 1, 2]}
{"timestamp": 3052, "input_length": 300, "output_length": 794}
"""
OWN = """{"schema": "servemark.trace/1", "name": "mine", "prefix_block_tokens": 64}
{"at_s": 0.5, "input_tokens": 130, "output_tokens": 3, "prefix_blocks": [7, 8]}
{"at_s": 2.25, "input_tokens": 20, "output_tokens": 4, "messages": [{"role": "user", "content": "Hi"}]}
"""
OWN_CSV = "at_s,input_tokens,output_tokens\n0.5,130,3\n2.25,20,4\n"
FILES = {"azure": AZURE, "burstgpt": BURSTGPT, "mooncake": MOONCAKE, "servemark": OWN}


def written(folder, text, name="trace.any"):
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def rows(trace):
    return [(r.index, r.scheduled_s, r.input_tokens, r.output_tokens) for r in trace.requests]


def test_azure(tmp_path):
    trace = read_trace(written(tmp_path, AZURE, "one.csv"))
    assert (trace.name, trace.format, trace.skipped) == ("one", "azure", 0)
    assert rows(trace) == [(0, 0.0, 4808, 10), (1, pytest.approx(0.052, abs=1e-12), 3180, 8)]


def test_azure_of_2024_with_a_zone(tmp_path):
    text = AZURE.replace(".9799600", "+00:00").replace(".0319600", ".5+00:00")
    assert [row[1] for row in rows(read_trace(written(tmp_path, text)))] == [0.0, 1.5]


def test_burstgpt_leaves_out_failed_requests(tmp_path):
    trace = read_trace(written(tmp_path, BURSTGPT))
    assert (trace.format, trace.skipped) == ("burstgpt", 1)
    assert rows(trace) == [(0, 0.0, 472, 18), (1, 113.0, 1087, 230)]


def test_mooncake_keeps_its_blocks(tmp_path):
    trace = read_trace(written(tmp_path, MOONCAKE))
    assert rows(trace) == [(0, 0.0, 1100, 500), (1, pytest.approx(2.052), 300, 794)]
    assert (trace.requests[0].prefix_blocks, trace.requests[0].prefix_block_tokens) == ((0, 1, 2), 512)
    assert (trace.requests[1].prefix_blocks, trace.requests[1].prefix_block_tokens) == ((), 0)


def test_our_own(tmp_path):
    trace = read_trace(written(tmp_path, OWN))
    assert (trace.name, trace.format) == ("mine", "servemark")
    assert rows(trace) == [(0, 0.5, 130, 3), (1, 2.25, 20, 4)]
    assert (trace.requests[0].prefix_blocks, trace.requests[0].prefix_block_tokens) == ((7, 8), 64)
    assert trace.requests[1].messages == (Message(role="user", content="Hi"),)
    assert rows(read_trace(written(tmp_path, OWN_CSV))) == rows(trace)


@pytest.mark.parametrize("form", FILES)
def test_recognised_by_content_gzipped_or_not(tmp_path, form):
    plain = read_trace(written(tmp_path, FILES[form], "a.txt"))
    packed = tmp_path / "a.txt.gz"
    packed.write_bytes(gzip.compress(FILES[form].encode()))
    assert read_trace(packed) == plain
    assert plain.format == form
    with_mark = tmp_path / "a.bin"
    with_mark.write_text("\ufeff" + FILES[form].replace("\n", "\r\n"), encoding="utf-8")
    assert read_trace(with_mark).requests == plain.requests


def test_rows_out_of_order_are_sorted(tmp_path):
    text = OWN_CSV + "1.0,55,5\n\n"
    assert rows(read_trace(written(tmp_path, text))) == [
        (0, 0.5, 130, 3),
        (1, 1.0, 55, 5),
        (2, 2.25, 20, 4),
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            AZURE + "2023-11-17 00:00:01.0,4x,1\n",
            "trace.csv:4: ContextTokens: expected a whole number of tokens, at least 1, found '4x'",
        ),
        (
            AZURE + "2023-11-17 00:00:01.0,0,1\n",
            "trace.csv:4: ContextTokens: expected a whole number of tokens, at least 1, found '0'",
        ),
        (
            AZURE + "2023-11-17 00:00:01.0,5,-1\n",
            "trace.csv:4: GeneratedTokens: expected a whole number of tokens, at least 0, found '-1'",
        ),
        (
            AZURE + "2023-13-17 00:00:01.0,5,1\n",
            "trace.csv:4: TIMESTAMP: expected a time such as 2023-11-16 18:17:03.97996, "
            "found '2023-13-17 00:00:01.0'",
        ),
        (
            AZURE + "2023-11-17 00:00:01.0,1,234,5\n",
            "trace.csv:4: expected 3 columns, found 4: '2023-11-17 00:00:01.0,1,234,5'",
        ),
        (
            BURSTGPT + ",GPT-4,1,1,2,x\n",
            "trace.csv:5: Timestamp: expected a time in seconds, at least 0, found nothing",
        ),
        (MOONCAKE + "{oops\n", "trace.csv:3: expected one JSON object, found '{oops'"),
        (
            MOONCAKE + '{"timestamp": 1, "input_length": 2.5, "output_length": 1}\n',
            "trace.csv:3: input_length: expected a whole number of tokens, at least 1, found 2.5",
        ),
        (
            MOONCAKE + '{"timestamp": 1, "input_length": true, "output_length": 1}\n',
            "trace.csv:3: input_length: expected a whole number of tokens, at least 1, found True",
        ),
        (
            MOONCAKE + '{"timestamp": 1, "input_length": 2}\n',
            "trace.csv:3: output_length: expected a whole number of tokens, at least 0, found nothing",
        ),
        (
            MOONCAKE + '{"timestamp": 1, "input_length": 1024, "output_length": 1, "hash_ids": [4]}\n',
            "trace.csv:3: hash_ids: expected one for each 512 of 1024 tokens, found 1 blocks",
        ),
        (
            MOONCAKE + '{"timestamp": 1, "input_length": 9, "output_length": 1, "hash_ids": ["a"]}\n',
            "trace.csv:3: hash_ids: expected a list of whole numbers, found ['a']",
        ),
        (
            OWN + '{"at_s": -1, "input_tokens": 2, "output_tokens": 1}\n',
            "trace.csv:4: at_s: expected a time in seconds, at least 0, found -1",
        ),
        (
            OWN + '{"at_s": 3, "input_tokens": 64, "output_tokens": 1, "prefix_blocks": [1, 2]}\n',
            "trace.csv:4: prefix_blocks: expected blocks of 64 tokens (see the header) within 64 tokens, "
            "found 2 blocks",
        ),
        (
            OWN.replace("trace/1", "trace/9"),
            "trace.csv:1: schema: expected servemark.trace/1, found 'servemark.trace/9'",
        ),
        (
            "time,in,out\n1,2,3\n",
            "trace.csv:1: expected the header of an Azure, BurstGPT, Mooncake or servemark.trace/1 file, "
            "found 'time,in,out'",
        ),
        (
            '{"prompt": "x"}\n',
            "trace.csv:1: expected the header of an Azure, BurstGPT, Mooncake or servemark.trace/1 file, "
            'found \'{"prompt": "x"}\'',
        ),
    ],
)
def test_malformed_rows_are_refused_by_line_and_column(tmp_path, text, message):
    with pytest.raises(InputError) as error:
        read_trace(written(tmp_path, text, "trace.csv"))
    assert str(error.value) == message


def test_malformed_messages(tmp_path):
    text = OWN + '{"at_s": 3, "input_tokens": 6, "output_tokens": 1, "messages": [{"role": "king"}]}\n'
    with pytest.raises(InputError, match=r"trace.csv:4: messages: expected chat messages, found"):
        read_trace(written(tmp_path, text, "trace.csv"))


def test_files_that_are_no_trace(tmp_path):
    for content in (b"", b"\xff\xfe\x00\x01", b"\x1f\x8bgarbage", gzip.compress(AZURE.encode())[:-9]):
        path = tmp_path / "x"
        path.write_bytes(content)
        with pytest.raises(InputError):
            read_trace(path)
    with pytest.raises(InputError, match="a readable trace"):
        read_trace(tmp_path / "absent.csv")
    with pytest.raises(InputError, match="at least one request with output, found 0 rows"):
        read_trace(written(tmp_path, AZURE.splitlines()[0] + "\n"))


requests = st.builds(
    dict,
    gap=st.floats(0, 1e6),
    tokens=st.integers(1, 10**7),
    output=st.integers(1, 10**6),
    blocks=st.lists(st.integers(0, 2**62), max_size=3),
)


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(requests, min_size=1, max_size=20), st.sampled_from(["t.jsonl", "t.jsonl.gz"]))
def test_what_is_written_is_read_back(tmp_path, recorded, name):
    at_s, planned = 0.0, []
    for index, each in enumerate(recorded):
        at_s += each["gap"]
        blocks = tuple(each["blocks"][: -(-each["tokens"] // 512)])
        planned.append(
            PlannedRequest(
                index=index,
                scheduled_s=at_s,
                input_tokens=each["tokens"],
                output_tokens=each["output"],
                prefix_blocks=blocks,
                prefix_block_tokens=512 if blocks else 0,
            )
        )
    trace = Trace(name="any", format="servemark", requests=tuple(planned))
    assert read_trace(write_trace(trace, tmp_path / name)) == trace


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.one_of(st.binary(max_size=200), st.text(max_size=200).map(str.encode)), st.sampled_from(list(FILES))
)
def test_any_bytes_are_read_or_refused(tmp_path, tail, form):
    path = tmp_path / "fuzz"
    path.write_bytes(FILES[form].encode() + tail)
    try:
        trace = read_trace(path)
    except InputError as error:
        assert "\n" not in str(error)
    else:
        assert all(each.input_tokens > 0 and each.output_tokens > 0 for each in trace.requests)


def test_writing_is_repeatable(tmp_path):
    trace = read_trace(written(tmp_path, OWN))
    one = write_trace(trace, tmp_path / "one.jsonl.gz").read_bytes()
    assert write_trace(trace, tmp_path / "two.jsonl.gz").read_bytes() == one
    header = msgspec.json.decode(gzip.decompress(one).splitlines()[0])
    assert header == {"schema": "servemark.trace/1", "name": "mine", "prefix_block_tokens": 64}


@pytest.mark.needs("traces")
@pytest.mark.parametrize(
    ("name", "form", "count", "last_s"),
    [
        ("azure-2023-conversation.csv", "azure", 19_366, 3501.721937),
        ("azure-2023-code.csv", "azure", 8_819, 3435.948056),
        ("mooncake-conversation-first2000.jsonl", "mooncake", 2_000, 669.0),
    ],
)
def test_real_traces(traces: Path, name, form, count, last_s):
    trace = read_trace(traces / name)
    assert (trace.format, len(trace.requests), trace.skipped) == (form, count, 0)
    assert trace.requests[-1].scheduled_s == pytest.approx(last_s, abs=1e-6)
    if form == "mooncake":
        assert {each.prefix_blocks[0] for each in trace.requests} == {0}
