import io

import pytest
from msgspec.structs import replace
from rich.console import Console

from servemark.catalogue.coefficients import find_coefficients
from servemark.catalogue.gpu_types import find_gpu
from servemark.domain.calibration import Calibration, CalibrationError, CalibrationPoint
from servemark.domain.coefficients import Fitted
from servemark.domain.workload import Users
from servemark.faces.calibration_words import (
    calibration_document,
    calibration_exit_code,
    point_table,
    print_calibration,
    sentence,
)

GPU = find_gpu("l40s")
PRIOR = find_coefficients(GPU, dtype="bf16", engine="vllm", version=None)
AFTER = replace(PRIOR, memory_efficiency=Fitted(value=0.55, relative_error=0.02))


def point(users=4, *, metric="tpot_s", role="calibration", measured=0.020, held_out=0.021):
    return CalibrationPoint(
        run="0001-measured-x", model="llama-3.1-8b", load=Users(users=users), input_tokens=512.0, output_tokens=128.0,
        metric=metric, role=role, measured=measured, relative_error=0.01, before=0.030, after=0.0202, held_out=held_out,
    )  # fmt: skip


def error(role="calibration", after=0.02, held_out=0.04):
    return CalibrationError(
        role=role, metric="all", points=3, before_ratio=0.4, after_ratio=after, held_out_ratio=held_out
    )


def calibration(**changes):
    told = {
        "method": "load test", "points": (point(),), "errors": (error(),), "outcome": "improved",
    } | changes  # fmt: skip
    return Calibration(
        id="0001-l40s-bf16-vllm", started="2026-11-20", device=GPU, coefficients=(AFTER,),
        prior=(PRIOR,), **told,
    )  # fmt: skip


def test_the_first_line_is_what_loads_it_has_not_seen_say():
    assert sentence(calibration()) == (
        "Improved: L40S, bf16, vllm. Mean error on loads left out in turn: 40 % before, 4 % after."
    )


def test_validation_loads_speak_before_loads_left_out():
    both = (error(), error(role="validation", after=0.1, held_out=None))
    said = sentence(calibration(errors=both, outcome="inconclusive", noise_ratio=0.22))
    assert said == (
        "Inconclusive: L40S, bf16, vllm. Mean error on validation loads: 40 % before, 10 % after."
        " The same load measured twice differs by 22 %."
    )


def test_kernels_have_no_loads():
    assert sentence(calibration(method="kernels", points=(), errors=(), outcome=None)) == (
        "Calibrated to the kernels of L40S, bf16, vllm."
    )


def test_one_row_per_load_and_metric_and_twice_measured_is_averaged():
    table = point_table((point(measured=0.018), point(measured=0.022), point(8, held_out=None)))
    texts = [[cell.text for cell in row] for row in table.rows]
    first = ["4 users", "512 + 128", "calibration", "TPOT", "20.0 ms", "30.0 ms  +50 %", "20.2 ms  +1 %"]
    assert texts[0] == [*first, "21.0 ms  +5 %"]
    assert texts[1][-1] == "–"


@pytest.mark.parametrize(
    ("role", "outcome", "code"),
    [("calibration", "not improved", 0), ("validation", "not improved", 3), ("validation", "inconclusive", 0),
     ("validation", "improved", 0)],
)  # fmt: skip
def test_only_a_decided_failure_on_validation_loads_fails(role, outcome, code):
    assert calibration_exit_code(calibration(points=(point(role=role),), outcome=outcome)) == code


def test_everything_is_printed_and_the_document_is_the_file():
    text = io.StringIO()
    told = calibration(notes=("left out: 1 user: 3 complete requests, fewer than 10",))
    print_calibration(told, Console(file=text, width=200))
    assert text.getvalue().rstrip().endswith("next: servemark predict MODEL --calibration last")
    assert "55.0 % ± 2 %" in text.getvalue() and "note: left out: 1 user" in text.getvalue()
    assert calibration_document(told)["schema"] == "servemark.calibration/1"
