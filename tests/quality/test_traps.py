"""Clean exchanges that look like a defect, and defects in their plainest form: recorded lines through all checks.

`data/clean.jsonl` and `data/defects.jsonl` are files as `servemark check --exchanges` reads them; in the second,
`check` names the one defect of the line.
"""

import json
from pathlib import Path

import pytest

from servemark.quality.judging import judge_all
from servemark.quality.recordings import exchange_of_row

DATA = Path(__file__).parent / "data"
CLEAN, DEFECTS = (
    {row["id"]: row for row in map(json.loads, (DATA / name).read_text("utf-8").splitlines())}
    for name in ("clean.jsonl", "defects.jsonl")
)
OTHER = {
    "id": "other",
    "question": "What is the code?\n[ref SM-9XH2M7KQ4D]",
    "context": "The vault code is ZULU-48213.",
    "answer": "ZULU-48213",
}


def exchange(row):
    return exchange_of_row(row, str(row["id"]))


@pytest.mark.parametrize("name", CLEAN)
def test_what_looks_like_a_defect_is_none(name):
    (judgement,) = judge_all([exchange(CLEAN[name])])
    assert judgement.findings == ()


def test_nor_is_it_one_beside_all_the_others():
    found = dict(zip(CLEAN, judge_all([exchange(row) for row in CLEAN.values()]), strict=True))
    assert {name: each.findings for name, each in found.items() if each.findings} == {}


@pytest.mark.parametrize("name", DEFECTS)
def test_a_defect_is_found_by_its_own_check_alone(name):
    row = DEFECTS[name]
    asked = {} if "messages" in row else {"question": "What do turtles eat?"}
    judgement = judge_all([exchange(asked | row), exchange(OTHER)])[0]
    assert [each.check for each in judgement.findings] == [row["check"]]
    assert judgement.findings[0].detail
    assert judgement.failed(row["check"]) is True
