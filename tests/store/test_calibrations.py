import pytest

from servemark.catalogue.coefficients import find_coefficients
from servemark.catalogue.gpu_types import find_gpu
from servemark.domain.calibration import Calibration
from servemark.errors import StoreError
from servemark.store.calibrations import find_calibration, keep_calibration, read_calibration

GPU = find_gpu("l40s")
COEFFICIENTS = find_coefficients(GPU, dtype="bf16", engine="vllm", version=None)
CALIBRATION = Calibration(
    method="load test", started="2026-11-20T12:00:00Z", device=GPU, coefficients=(COEFFICIENTS,),
    prior=(COEFFICIENTS,),
)  # fmt: skip


def test_calibrations_are_numbered_and_read_back(tmp_path):
    first, _ = keep_calibration(tmp_path, CALIBRATION)
    second, path = keep_calibration(tmp_path, CALIBRATION)
    assert (first.id, second.id) == ("0001-l40s-bf16-vllm", "0002-l40s-bf16-vllm")
    assert path == find_calibration(tmp_path, "last")
    assert read_calibration(path) == second


def test_an_own_file_is_named_after_itself_and_replaced(tmp_path):
    path = tmp_path / "mine.json"
    for _ in range(2):
        kept, _ = keep_calibration(tmp_path, CALIBRATION, path)
    assert kept.id == "mine"
    assert [each.name for each in tmp_path.iterdir()] == ["mine.json"]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "No such file"),
        ("{}", "wrote"),
        ('{"schema": "servemark.run/1"}', "servemark.calibration/1"),
        ("nonsense", "wrote"),
        ('{"schema": "servemark.calibration/1"}', "missing required field"),
    ],
)
def test_what_is_no_calibration_is_refused_in_one_line(tmp_path, content, said):
    path = tmp_path / "file.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(StoreError, match=said) as raised:
        read_calibration(path)
    assert raised.value.exit_code == 2 and "\n" not in str(raised.value)


def test_none_kept_and_no_room_to_keep(tmp_path):
    with pytest.raises(StoreError, match="servemark calibrate"):
        find_calibration(tmp_path, "last")
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="can be written"):
        keep_calibration(tmp_path / "file", CALIBRATION)
