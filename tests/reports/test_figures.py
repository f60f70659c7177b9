import math

import pytest

from servemark.reports.figures import plain_scale, seconds_scale


@pytest.mark.parametrize(
    ("values", "unit", "written"),
    [
        ([0.078, 1.72], "ms", ["78", "1,720"]),
        ([0.0236, 0.0611], "ms", ["23.6", "61.1"]),
        ([7.1, 19.99], "s", ["7.10", "19.99"]),
        ([0.094, 24.4], "ms", ["94", "24,400"]),
        ([0.00042, 0.0083], "ms", ["0.42", "8.30"]),
        ([4.2e-5, 9e-4], "µs", ["42.0", "900.0"]),
        ([0.0], "ms", ["0"]),
    ],
)
def test_a_column_shares_unit_and_decimals(values, unit, written):
    scale = seconds_scale([None, *values])
    assert ([scale.write(v) for v in values], scale.unit) == (written, unit)


def test_plain_numbers():
    assert [plain_scale([42.1, 652.0]).write(v) for v in (42.1, 652.0)] == ["42.1", "652.0"]
    assert plain_scale([0.14, 2.17]).write(0.14) == "0.14"
    assert plain_scale([5400.0]).write(5400.0) == "5,400"


def test_no_number_is_a_dash():
    assert plain_scale([]).write(None) == "–"
    assert plain_scale([1.0]).write(math.nan) == "–"
