"""The rules of thumb follow from the catalogue."""

import pytest
from guide_questions import section

from servemark.api.guidance import guide
from servemark.catalogue.gpu_types import gpu_catalogue


def test_the_rules_follow_from_the_catalogue():
    found = guide(for_="rules")
    ridge = section(found, "rule_bandwidth")
    by_gpu = {row[0]: row for row in ridge.rows}
    # L40S: 362.05e12 / 864e9 = 419 FLOP per byte
    assert by_gpu["l40s"][3] == pytest.approx(362.05e12 / 864e9)
    assert by_gpu["l40s"][4] == pytest.approx(864e9 / (2 * 8030261248))
    fp8 = section(found, "rule_fp8")
    able = {row[0] for row in fp8.rows if row[4] == "units"}
    assert able == {
        gpu.key
        for gpu in gpu_catalogue().values()
        if gpu.vendor == "nvidia" and float(gpu.compute_capability or 0) >= 8.9
    }
    assert "from 8.9 on all, up to 8.6 none" in fp8.finding
    memory = {row[0]: row for row in section(found, "rule_memory").rows}
    assert memory[80][1] == pytest.approx((0.9 * 81051 * 2**20 / 1e9 - 3) / 2, rel=0.01)
    sparse = {row[0]: row for row in section(found, "rule_sparse").rows}
    assert sparse["l40s"][2] == "733 / 1,466"


def test_links_decide_how_to_split():
    found = section(guide(for_="rules"), "rule_links")
    rows = {row[0]: row for row in found.rows}
    # 160 all-reduces of 16,384 bytes x 1.5 / 32 GB/s = 123 us against 2 x 70.6e9 / 4 / 362e12 = 97 us
    assert rows["l40s"][3] == pytest.approx(123 / (123 + 97.5), abs=0.005)
    assert rows["l40s"][5] == "pipeline"
    for key in ("h100-sxm", "a100-sxm-80gb", "b200-sxm", "mi300x"):
        assert rows[key][5] == "tensor"
    assert rows["rtx-4090"][1] == "pcie through the host"
