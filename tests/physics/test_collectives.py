import pytest

from servemark.catalogue.gpu_types import find_gpu
from servemark.domain.gpu import Node
from servemark.physics.collectives import (
    all_reduce_rounds,
    all_reduce_traffic_ratio,
    group_bandwidth_bytes_per_s,
)


@pytest.mark.parametrize(("gpus", "traffic", "rounds"), [(1, 0, 0), (2, 1, 1), (4, 1.5, 2), (8, 1.75, 3)])
def test_ring(gpus, traffic, rounds):
    assert all_reduce_traffic_ratio(gpus) == traffic
    assert all_reduce_rounds(gpus) == rounds


def test_nvlink_carries_the_group():
    h100 = find_gpu("h100-sxm")
    assert group_bandwidth_bytes_per_s(Node(gpu=h100, gpus=8), 8) == h100.link.bandwidth_bytes_per_s


def test_a_bridge_joins_two_and_pcie_four():
    a100 = find_gpu("a100-pcie-80gb")
    node = Node(gpu=a100, gpus=4, bridged=True)
    assert group_bandwidth_bytes_per_s(node, 2) == a100.link.bandwidth_bytes_per_s
    assert group_bandwidth_bytes_per_s(node, 4) == a100.pcie.bandwidth_bytes_per_s


def test_without_peer_to_peer_every_byte_crosses_the_bus_twice():
    l40s = find_gpu("l40s")
    direct, bounced = (Node(gpu=l40s, gpus=4, peer_to_peer=p) for p in (True, False))
    assert group_bandwidth_bytes_per_s(direct, 4) == 32e9
    assert group_bandwidth_bytes_per_s(bounced, 4) == 16e9
    # NVLink does not pass through the host
    h100 = Node(gpu=find_gpu("h100-sxm"), gpus=4, peer_to_peer=False)
    assert group_bandwidth_bytes_per_s(h100, 4) == h100.gpu.link.bandwidth_bytes_per_s


def test_a_group_across_two_sockets_has_their_link_between_it():
    l40s, h100 = find_gpu("l40s"), find_gpu("h100-sxm")
    numa = Node(gpu=l40s, gpus=4, topology="pcie-numa")
    # 16 GB/s in the measure in which PCIe Gen3 x16, 16 GB/s on the sheet, has 12
    assert group_bandwidth_bytes_per_s(numa, 4) == pytest.approx(21.333e9, rel=1e-4)
    assert group_bandwidth_bytes_per_s(Node(gpu=l40s, gpus=4, topology="host"), 4) == 16e9
    assert group_bandwidth_bytes_per_s(Node(gpu=h100, gpus=8, topology="pcie-switch"), 8) == 64e9
