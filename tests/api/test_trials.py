"""The closed loop on this machine's CPU, for real but short: what comes out of it is the machine's business."""

import pytest

import servemark as sm
from servemark.calibration.trials import Trial
from servemark.domain.workload import Users
from servemark.store.calibrations import find_calibration, read_calibration
from servemark.store.folders import load_run

SHORT = Trial(calibration=tuple(Users(users=n) for n in (1, 2, 4)), validation=(Users(users=3),))


def test_the_order_is_a_b_b_a():
    assert [load.users for load in SHORT.order] == [1, 2, 4, 3, 3, 4, 2, 1]


@pytest.mark.needs("xllamacpp")
def test_a_trial_measures_fits_and_keeps_everything(tmp_path, monkeypatch):
    for module in ("trials", "calibrations"):
        monkeypatch.setattr(f"servemark.api.{module}.TRIAL", SHORT)
    told = []
    found = sm.calibrate(device="cpu", requests=10, runs=tmp_path, on_step=told.append)
    assert found.outcome in ("improved", "not improved", "inconclusive")
    assert found.noise_ratio is not None and found.device.vendor == "other"
    assert {each.role for each in found.errors} == {"calibration", "validation"}
    assert len(told) >= 4
    run = load_run(tmp_path, 1)
    assert [level.load for level in run.levels] == list(SHORT.order)
    assert run.deployment is not None and run.deployment.node.gpu == found.device
    assert read_calibration(find_calibration(tmp_path, "last")) == found
    # the next prediction needs no more than the file
    file = tmp_path / "calibrations" / f"{found.id}.json"
    assert sm.predict(users=3, calibration=file).deployment == run.deployment
