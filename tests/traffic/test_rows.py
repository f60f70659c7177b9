from servemark.traffic.rows import RecordedRow, read_rows


def test_rows_are_read_as_they_are_asked_for():
    lines = iter(["at_s,input_tokens,output_tokens\n", "0.5,10,2\n", "broken\n"])
    form, name, rows = read_rows(lines, "t.csv")
    assert (form, name) == ("servemark", "")
    assert next(rows) == RecordedRow(0, 0.5, 10, 2)
    assert next(lines) == "broken\n"


def test_columns_are_found_by_name_in_any_order():
    lines = ["output_tokens, note ,at_s,input_tokens\n", '2,"a, b",1,10.0\n', "\n", "3,,1.5,20\n"]
    assert list(read_rows(lines, "t.csv")[2]) == [RecordedRow(0, 1.0, 10, 2), RecordedRow(0, 1.5, 20, 3)]


def test_stamps_keep_seven_digits():
    lines = ["TIMESTAMP,ContextTokens,GeneratedTokens\n", "2023-11-16 18:17:03.9799600,4808,10\n"]
    [row] = read_rows(lines, "t.csv")[2]
    # 2023-11-16T18:17:03Z
    assert (row.whole_s, row.part_s) == (1_700_158_623, 0.97996)
