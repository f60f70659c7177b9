"""Answers that were written without knowledge of the checks: the clean ones stay clean, each fault is found."""

import json
from pathlib import Path

import pytest

from servemark.quality.judging import judge_exchange
from servemark.quality.recordings import exchange_of_row

ROWS = [
    json.loads(line)
    for line in (Path(__file__).parent / "data" / "unseen_exchanges.jsonl").read_text("utf-8").splitlines()
]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: str(row["line"]["id"]))
def test_the_finding_is_the_expected_one(row):
    judgement = judge_exchange(exchange_of_row(row["line"], "line"))
    found = {each.check for each in judgement.findings}
    if row["expected"] is None:
        assert not found, judgement.findings
    else:
        assert row["expected"] in found
