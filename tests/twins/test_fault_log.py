import pytest

from servemark.twins.fault_log import FaultLog, StruckRequest, read_fault_log

ROWS = [
    StruckRequest(
        request=i, id=f"chatcmpl-{i}", kind=kind, position=0, item="a", nonce="", in_flight=2, at_s=0.5
    )
    for i, kind in enumerate(["loop", "refusal", "loop"])
]


def test_lines_are_there_at_once_and_come_back(tmp_path):
    path = tmp_path / "log.jsonl"
    path.write_text("left over\n")
    log = FaultLog(path)
    log.add(ROWS[0])
    assert read_fault_log(path) == ROWS[:1]
    for row in ROWS[1:]:
        log.add(row)
    log.close()
    assert read_fault_log(path) == ROWS
    assert log.counts == {"loop": 2, "refusal": 1}


def test_it_counts_without_a_file_and_refuses_a_folder(tmp_path):
    log = FaultLog(None)
    log.add(ROWS[1])
    log.close()
    assert log.counts == {"refusal": 1}
    with pytest.raises(OSError, match=tmp_path.name):
        FaultLog(tmp_path)
