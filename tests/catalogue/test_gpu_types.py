"""The GPUs: every spelling found, no two alike, every number sane, sourced and dated."""

import datetime
from collections import Counter

import pytest

from servemark.catalogue.gpu_types import find_gpu, find_gpu_types, gpu_catalogue, is_family
from servemark.catalogue.tables import table_names
from servemark.domain.gpu import NUMERIC_FIELDS
from servemark.errors import UnknownName, fold_name
from servemark.units import MIB

GPUS = list(gpu_catalogue().values())
SPELLINGS = {
    # specification sheets
    "H100-SXM5-80GB": "h100-sxm", "H100-PCIe-80GB": "h100-pcie", "H100-NVL-94GB": "h100-nvl",
    "H200-SXM-141GB": "h200-sxm", "H200-NVL-141GB": "h200-nvl", "B200-SXM-180GB": "b200-sxm",
    "GB200-per-GPU": "gb200", "A100-PCIe-40GB": "a100-pcie-40gb", "A100-SXM4-40GB": "a100-sxm-40gb",
    "A100-PCIe-80GB": "a100-pcie-80gb", "A100-SXM4-80GB": "a100-sxm-80gb", "L40S": "l40s", "L40": "l40",
    "L4": "l4", "A40": "a40", "A10": "a10", "A10G": "a10g", "A30": "a30", "RTX-A6000": "rtx-a6000",
    "RTX-6000-Ada": "rtx-6000-ada", "RTX-PRO-6000-Blackwell-Server": "rtx-pro-6000-server",
    "RTX-PRO-6000-Blackwell-Workstation": "rtx-pro-6000-workstation", "RTX-4090": "rtx-4090",
    "RTX-5090": "rtx-5090", "RTX-3090": "rtx-3090", "RTX-4080": "rtx-4080", "T4": "t4",
    "V100-SXM2-32GB": "v100-sxm-32gb", "V100-PCIe-32GB": "v100-pcie-32gb", "MI300X": "mi300x",
    "B300-SXM": "b300-sxm",
    # published measurements
    "H100-SXM-80GB": "h100-sxm", "MI300X-192GB": "mi300x", "A100-SXM-40GB": "a100-sxm-40gb",
    "MI250-128GB": "mi250", "GH200-96GB": "gh200", "GB200-192GB": "gb200",
    "RTX-PRO-6000-Blackwell-SE": "rtx-pro-6000-server", "A100-SXM-80GB": "a100-sxm-80gb",
    "L40S-48GB": "l40s", "RTX-PRO-6000-Blackwell": "rtx-pro-6000-workstation", "GH200-480GB": "gh200",
    # price lists
    "H100": "h100-sxm", "H200": "h200-sxm", "B200-180GB": "b200-sxm", "RTX4090": "rtx-4090",
    "A6000": "rtx-a6000", "V100-16GB": "v100-sxm-16gb", "B200-192GB": "b200-sxm", "A40-48GB": "a40",
    "B300-288GB": "b300-sxm", "RTX3090": "rtx-3090", "RTX-PRO-6000-96GB": "rtx-pro-6000-server",
    "A100-80GB": "a100-sxm-80gb",
    # nvidia-smi
    "NVIDIA H100 80GB HBM3": "h100-sxm", "NVIDIA H100 NVL": "h100-nvl",
    "NVIDIA A100-SXM4-80GB": "a100-sxm-80gb", "NVIDIA A100 80GB PCIe": "a100-pcie-80gb",
    "NVIDIA GeForce RTX 4090": "rtx-4090", "Tesla T4": "t4", "NVIDIA L40S": "l40s",
    "NVIDIA GH200 480GB": "gh200", "NVIDIA RTX 6000 Ada Generation": "rtx-6000-ada",
}  # fmt: skip


@pytest.mark.parametrize(("spelling", "key"), SPELLINGS.items())
def test_every_spelling_is_found(spelling, key):
    assert find_gpu(spelling).key == key
    assert find_gpu(spelling.upper().replace("-", "_")).key == key
    assert find_gpu(spelling.lower().replace("-", " ")).key == key


def test_no_two_gpus_share_a_name():
    names = Counter(
        name for gpu in GPUS for name in {fold_name(n) for n in (gpu.key, gpu.name, *gpu.aliases)}
    )
    assert [name for name, count in names.items() if count > 1] == []


def test_an_unknown_gpu_gets_the_nearest_names():
    with pytest.raises(UnknownName) as caught:
        find_gpu("l40x", path="gpu")
    assert str(caught.value).startswith("gpu: expected a GPU, found 'l40x'; nearest: l40")


def test_a_family_means_all_members_in_a_list_and_the_sxm_part_elsewhere():
    members = {"a100-pcie-40gb", "a100-pcie-80gb", "a100-sxm-40gb", "a100-sxm-80gb"}
    assert is_family("A100")
    assert {gpu.key for gpu in find_gpu_types(["A100"])} == members
    assert find_gpu("A100").key == "a100-sxm-80gb"
    assert find_gpu("v100").key == "v100-sxm-32gb"
    assert not is_family("l40s")
    assert not is_family("A100-80GB")


def test_a_list_holds_each_type_once():
    assert [gpu.key for gpu in find_gpu_types(["h200-sxm", "l40s", "H200"])] == [
        "h200-sxm",
        "l40s",
        "h200-nvl",
    ]


def test_known_figures():
    l40s = find_gpu("l40s")
    assert l40s.memory_reported_bytes == 46068 * MIB
    assert l40s.memory_usable_bytes == 45486 * MIB
    assert l40s.dense_flop_per_s["fp8"] == 733e12  # 1,466 is the sparse figure
    assert l40s.bandwidth_bytes_per_s == 864e9
    assert l40s.link is None
    assert find_gpu("rtx-4090").memory_usable_bytes == 24081 * MIB
    assert find_gpu("h100-sxm").link.bandwidth_bytes_per_s == 450e9  # 900 GB/s is both directions


@pytest.mark.parametrize("gpu", GPUS, ids=lambda gpu: gpu.key)
def test_every_number_is_sane(gpu):
    assert 1e11 < gpu.bandwidth_bytes_per_s < 1e13
    assert 0.97 * gpu.memory_reported_bytes < gpu.memory_usable_bytes <= gpu.memory_reported_bytes
    assert 0.85 < gpu.memory_reported_bytes / gpu.memory_nominal_bytes < 1.10
    assert 50 <= gpu.tdp_w <= 1400
    assert gpu.launch >= "2017"
    dense = gpu.dense_flop_per_s
    assert set(dense) <= {"fp32", "fp16", "bf16", "fp8", "int8", "fp4"}
    assert 50e12 <= dense["fp16"] <= 2500e12
    ridge = dense["fp16"] / gpu.bandwidth_bytes_per_s
    assert 70 < ridge < 425  # FLOPs per byte
    assert dense.get("bf16", dense["fp16"]) == dense["fp16"]
    assert dense.get("fp8", 2 * dense["fp16"]) == pytest.approx(2 * dense["fp16"], rel=0.03)
    assert dense.get("fp4", 4e15) <= 15000e12
    assert gpu.pcie.kind == "pcie"
    assert 15e9 <= gpu.pcie.bandwidth_bytes_per_s <= 128e9
    if gpu.link is not None:
        assert gpu.pcie.bandwidth_bytes_per_s < gpu.link.bandwidth_bytes_per_s <= 900e9
        assert gpu.link.optional == (gpu.link.kind == "nvlink-bridge" and gpu.key != "h100-nvl")


@pytest.mark.parametrize("gpu", GPUS, ids=lambda gpu: gpu.key)
def test_every_number_has_a_source_and_a_date(gpu):
    assert set(gpu.sources) - {"*"} <= {*NUMERIC_FIELDS, "graphics_pipeline"}
    for field in NUMERIC_FIELDS:
        source = gpu.source_of(field)
        assert source.text
        assert datetime.date.fromisoformat(source.date) >= datetime.date(2026, 1, 1)


def test_what_nobody_verified_says_so():
    assert "dense_flop_per_s" not in find_gpu("l40s").unverified_fields
    assert "multiprocessors" in find_gpu("l40s").unverified_fields
    assert set(NUMERIC_FIELDS) == set(find_gpu("h200-nvl").unverified_fields)
    assert "tdp_w" in find_gpu("a10g").unverified_fields
    assert "bandwidth_bytes_per_s" not in find_gpu("a10g").unverified_fields


def test_one_file_per_gpu():
    assert table_names("gpus") == tuple(gpu.key for gpu in GPUS)
    assert len(GPUS) >= 34
