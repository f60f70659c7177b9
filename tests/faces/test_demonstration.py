"""The demo, real in all three parts, with short levels."""

import pytest

from servemark.faces.demonstration import ENGINE_USERS, USERS, demo


@pytest.mark.needs("xllamacpp")
def test_demo(tmp_path):
    steps = []
    made = demo(level="1s", output=tmp_path / "demo.html", runs=tmp_path / "runs", on_step=steps.append)
    predicted, twin, engine = made.runs
    assert [run.origin for run in made.runs] == ["predicted", "measured", "measured"]
    assert [level.load.users for level in twin.levels] == list(USERS)
    assert [level.load.users for level in engine.levels] == list(ENGINE_USERS)
    for run in made.runs:
        assert all(level.outcomes["complete"] == level.requests_sent > 0 for level in run.levels)
    # the twin is the simulation behind HTTP: one arrival plan on two clocks
    assert twin.endpoint.time_factor == 4.0
    for simulated, measured in zip(predicted.levels, twin.levels, strict=True):
        assert measured.metrics["tpot_s"].p50 == pytest.approx(simulated.metrics["tpot_s"].p50, rel=0.15)
    assert engine.levels[0].cpu.engine_cores > 0
    assert sorted(p.name[:4] for p in (tmp_path / "runs").iterdir()) == ["0001", "0002", "0003"]
    page = (tmp_path / "demo.html").read_text()
    assert len(page) < 2_000_000
    assert "llama.cpp" in page
    assert [step[:3] for step in steps if step[0].isdigit()] == ["1/4", "2/4", "3/4", "4/4"]
