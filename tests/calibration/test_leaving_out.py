"""Rows predicted by fits that have not seen them."""

import pytest

from servemark import accuracy
from servemark.calibration.leaving_out import left_out
from servemark.calibration.rows import shipped_rows

from .test_observations import observed


def test_releases_of_one_architecture_leave_together():
    old, new, other = (
        left_out(observed(m), "unseen_model") for m in ("llama-3.1-70b", "llama-3.3-70b", "llama-3.1-8b")
    )
    assert old == new != other
    assert left_out(observed(), "unseen_gpu") == "h100-sxm"
    assert left_out(observed(engine="sglang"), "unseen_version")[0] == "sglang"


def test_all_loads_and_metrics_of_a_setting_leave_together():
    one = left_out(observed(), "unseen_curve")
    assert one == left_out(observed(sequences=64, metric="ttft"), "unseen_curve")
    others = {left_out(observed(input_tokens=n), "unseen_curve") for n in range(100, 140)}
    assert others == set(range(5))


@pytest.fixture
def few(monkeypatch):
    """A GPU and a half of the shipped rows."""
    rows = [r for r in shipped_rows() if r["source"].startswith("XiongjieDai") and "A100" not in r["gpu"]]
    monkeypatch.setattr("servemark.api.accuracies.shipped_rows", lambda: tuple(rows[:40]))
    return rows[:40]


def test_gpus_left_out_one_at_a_time(few):
    steps = []
    found = accuracy(protocol="unseen-gpu", by="gpu", on_step=steps.append)
    (table,) = found.tables
    assert table.protocol == "unseen_gpu"
    assert len(found.scored) + len(found.unpredicted) == len(few)
    folds = [step for step in steps if "left out" in step]
    assert len(folds) == len({each.row["gpu"] for each in found.scored})
    whole = {s.metric: s for s in accuracy(protocol="in-sample").tables[0].overall}
    for score in table.overall:
        assert score.mape_ratio > whole[score.metric].mape_ratio
        assert score.coverage80_ratio is not None
