import re
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from servemark.calibration.rows import COLUMNS, parse_rows, read_rows, shipped_rows
from servemark.errors import InputError

from .conftest import CELLS, table


def parse(text):
    return parse_rows(text.splitlines(keepends=True), "own.csv")


def test_columns_in_any_order_and_others_ignored():
    columns = ("note", *reversed(COLUMNS))
    text = "note," + table({}, columns=tuple(reversed(COLUMNS)))
    text = text.replace("\n9.5", "\nhello,9.5").replace("\n1", "\nhello,1")
    (row,) = parse(text)
    assert list(row.cells) == list(columns)
    assert row.value == 9.5
    assert row["gpu"] == "H100"
    assert row.line == 2


def test_byte_order_mark_windows_lines_and_blank_lines(tmp_path):
    file = tmp_path / "own.csv"
    file.write_bytes(b"\xef\xbb\xbf" + table({}, {"value": "10"}).replace("\n", "\r\n\r\n").encode())
    assert [row.value for row in read_rows(file)] == [9.5, 10.0]


def test_lines_count_line_breaks_inside_cells():
    text = table({"source": '"two\nlines"'}, {"value": "7"})
    assert [row.line for row in parse(text)] == [2, 4]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"own.csv:1: source: expected this column, found an empty file"),
        ("gpu,value\n", r"own.csv:1: source: expected this column, found gpu, value"),
        (table({}).replace("value\n", "valu\n"), r"own.csv:1: value: .*nearest: valu"),
        (table({}).replace("unit", "gpu"), r"own.csv:1: gpu: expected this column, found two of that name"),
        (table({"value": "n/a"}), r"own.csv:2: value: expected a number above 0, found 'n/a'"),
        (table({}, {"value": "-3"}), r"own.csv:3: value: expected a number above 0, found '-3'"),
        (table({"value": "inf"}), r"own.csv:2: value: expected a number above 0, found 'inf'"),
        (table({"value": ""}), r"own.csv:2: value: expected a number above 0, found nothing"),
        (table({"tp": "two"}), r"own.csv:2: tp: expected a whole number, at least 1, found 'two'"),
        (table({"num_gpus": "0"}), r"own.csv:2: num_gpus: expected a whole number, at least 1, found '0'"),
        (table({"model": ""}), r"own.csv:2: model: expected a name, found nothing"),
        (table({}) + "1,2,3\n", r"own.csv:3: expected 16 columns, found 3: '1,2,3'"),
        (table({"source": '"never closed'}), r"own.csv:2: expected a CSV record"),
    ],
)
def test_a_bad_file_is_refused_in_one_line(text, message):
    with pytest.raises(InputError, match=message) as refusal:
        parse(text)
    assert "\n" not in str(refusal.value)


def test_files_that_cannot_be_read(tmp_path):
    with pytest.raises(InputError, match="a readable CSV file"):
        read_rows(tmp_path / "none.csv")
    (tmp_path / "latin.csv").write_bytes(b"source\xff")
    with pytest.raises(InputError, match="UTF-8"):
        read_rows(tmp_path / "latin.csv")


def test_no_pipeline_column_value_means_one():
    (row,) = parse(table({"pp": ""}))
    assert row["pp"] == "1"


@given(st.text(max_size=200))
def test_any_text_is_read_or_refused(text):
    try:
        parse(text)
    except InputError as error:
        assert re.match(r"own\.csv:\d+", str(error))


@given(st.dictionaries(st.sampled_from(COLUMNS), st.text('ab1." ,-', max_size=6), max_size=3))
def test_any_cells_are_read_or_refused(cells):
    try:
        rows = parse(table({k: '"' + v.replace('"', '""') + '"' for k, v in cells.items()}))
    except InputError:
        return
    assert all(row.value > 0 for row in rows)
    for name, cell in cells.items():
        assert rows[0][name] == (cell.strip() or ("1" if name == "pp" else ""))


def test_shipped_rows_have_source_licence_and_date():
    rows = shipped_rows()
    assert len(rows) == 6698
    assert all(row["source"] and re.fullmatch(r"\d{4}-\d\d-\d\d", row["date"]) for row in rows)
    assert Counter(row["licence"] for row in rows) == {
        "Apache-2.0": 3754 + 591 + 176 + 144,
        "BSD-3-Clause": 1931,
        "MIT": 24,
        "facts, no licence stated": 78,
    }
    assert set(CELLS) == set(COLUMNS)
