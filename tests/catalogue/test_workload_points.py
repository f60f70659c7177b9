"""Published figures of workloads beyond text."""

import pytest

from servemark.catalogue.gpu_types import gpu_catalogue
from servemark.catalogue.workload_points import workload_points


@pytest.mark.parametrize("workload", ["images", "speech", "genome"])
def test_every_figure_has_a_gpu_a_source_and_a_date(workload):
    points = workload_points(workload)
    assert len(points) >= 3
    for point in points:
        assert point.gpu in gpu_catalogue()
        assert point.value > 0 and point.unit in ("s", "x")
        assert point.source and point.date[:2] == "20"
