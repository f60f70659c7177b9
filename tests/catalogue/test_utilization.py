"""Every GPU has a utilization with a source; classes are taken in order."""

import pytest

from servemark.catalogue.gpu_types import find_gpu, gpu_catalogue
from servemark.catalogue.utilization import find_utilization


@pytest.mark.parametrize("key", gpu_catalogue())
def test_every_gpu_has_an_ordered_interval_and_a_source(key):
    for servers in (1, 4):
        found = find_utilization(find_gpu(key), servers=servers)
        assert 0 < found.share.low < found.share.value < found.share.high < 1
        assert len(found.source) > 20
        assert found.date == "2026-11-20"


@pytest.mark.parametrize(
    ("gpu", "servers", "key"),
    [
        ("a100-sxm-80gb", 1, "ampere-one-server"),
        ("a100-pcie-80gb", 1, "ampere-one-server"),
        ("a100-sxm-40gb", 64, "ampere-several-servers"),
        ("h100-sxm", 1, "hopper-one-server"),
        ("h200-sxm", 2, "hopper-several-servers"),
        ("b200-sxm", 1, "blackwell-one-server"),
        ("l40s", 1, "ada-power-limited"),
        ("l40s", 4, "ada-power-limited"),
        ("rtx-4090", 1, "geforce"),
        ("rtx-3090", 1, "geforce"),
        ("a10", 1, "other"),
        ("mi300x", 1, "other"),
    ],
)
def test_classes(gpu, servers, key):
    found = find_utilization(find_gpu(gpu), servers=servers)
    assert found.key == key
    assert found.assumed == (key in ("other", "blackwell-one-server"))
