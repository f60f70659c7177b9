import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from servemark.domain.run import GpuSample, RequestRecord
from servemark.errors import StoreError
from servemark.store.rows import RowsFile, read_rows

floats = st.floats(allow_nan=False, allow_infinity=False)
records = st.builds(
    RequestRecord,
    index=st.integers(0, 10**9),
    scheduled_s=floats,
    end_s=floats,
    outcome=st.sampled_from(["complete", "broken"]),
    text=st.text(max_size=50),
    chunk_s=st.lists(floats, max_size=5).map(tuple),
)


@given(st.lists(st.tuples(st.integers(0, 3), records), max_size=8), st.integers(0, 400))
def test_rows_come_back_as_they_were_and_a_torn_end_costs_one_row(tmp_path_factory, rows, torn):
    path = tmp_path_factory.mktemp("rows") / "requests.jsonl"
    file = RowsFile(path)
    for level, record in rows:
        file.append(level, record)
    file.close()
    found, was_torn = read_rows(path, RequestRecord)
    assert not was_torn
    assert [(level, each) for level in range(4) for each in found[level]] == sorted(
        rows, key=lambda r: r[0]
    )
    if not rows:
        return
    whole = path.read_bytes()
    last = len(whole) - (whole[:-1].rfind(b"\n") + 1)
    path.write_bytes(whole[: len(whole) - 1 - min(torn, last - 2)])
    found, was_torn = read_rows(path, RequestRecord)
    assert was_torn and sum(map(len, found.values())) == len(rows) - 1


def test_no_file_means_no_rows(tmp_path):
    file = RowsFile(tmp_path / "gpu.jsonl")
    file.close()
    assert read_rows(tmp_path / "gpu.jsonl", GpuSample) == ({}, False)
    assert list(tmp_path.iterdir()) == []


def test_each_row_is_in_the_file_at_once(tmp_path):
    file = RowsFile(tmp_path / "gpu.jsonl")
    file.append(2, GpuSample(at_s=0.5, gpu=1))
    assert json.loads((tmp_path / "gpu.jsonl").read_bytes())["row"]["gpu"] == 1
    file.append(2, GpuSample(at_s=1.5, gpu=1))
    assert len((tmp_path / "gpu.jsonl").read_bytes().splitlines()) == 2
    file.close()


def test_an_unreadable_line_is_named(tmp_path):
    path = tmp_path / "gpu.jsonl"
    path.write_text('{"level":0,"row":{"at_s":0.5,"gpu":0}}\n{"level":0,"row":{"gpu":"x"}}\n')
    with pytest.raises(StoreError, match=r"gpu.jsonl:2: expected a GpuSample"):
        read_rows(path, GpuSample)


def test_rows_that_cannot_be_read_at_all(tmp_path):
    (tmp_path / "gpu.jsonl").mkdir()
    with pytest.raises(StoreError, match=r"gpu.jsonl: expected a readable file, found Is a directory"):
        read_rows(tmp_path / "gpu.jsonl", GpuSample)
