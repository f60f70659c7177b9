import pytest

from servemark.catalogue.gpu_types import find_gpu
from servemark.domain.gpu import TOPOLOGIES, Node, topologies_of


@pytest.mark.parametrize(
    ("gpu", "gpus", "assumed"),
    [("h100-sxm", 8, "nvswitch"), ("h100-sxm", 16, "pcie-switch"), ("h100-nvl", 2, "nvlink-bridge"),
     ("h100-nvl", 4, "pcie-switch"), ("a100-pcie-80gb", 2, "pcie-switch"), ("l40s", 4, "pcie-switch"),
     ("rtx-4090", 2, "host"), ("mi300x", 8, "nvswitch")],
)  # fmt: skip
def test_what_is_assumed_to_join_gpus(gpu, gpus, assumed):
    """A bridge that is bought apart is not; consumer cards of this generation do not copy to each other."""
    found = find_gpu(gpu)
    node = Node(gpu=found, gpus=gpus, peer_to_peer=found.peer_to_peer)
    assert node.joined_by == assumed
    assert (node.link is found.pcie) == (assumed in ("pcie-switch", "host"))


def test_what_was_said_wins_over_what_is_assumed():
    a100, h100 = find_gpu("a100-pcie-80gb"), find_gpu("h100-sxm")
    bridged = Node(gpu=a100, gpus=2, topology="nvlink-bridge")
    assert (bridged.link, bridged.joined_by) == (a100.link, "nvlink-bridge")
    # a bridge of two does not join four
    assert Node(gpu=a100, gpus=4, topology="nvlink-bridge").joined_by == "pcie-switch"
    for topology in ("pcie-switch", "pcie-numa", "host"):
        node = Node(gpu=h100, gpus=8, topology=topology)
        assert (node.link, node.joined_by) == (h100.pcie, topology)


def test_without_peer_to_peer_everything_on_pcie_passes_the_host():
    assert Node(gpu=find_gpu("l40s"), gpus=4, topology="pcie-numa", peer_to_peer=False).joined_by == "host"


def test_only_what_a_gpu_has_can_join_it():
    assert topologies_of(find_gpu("l40s")) == ("pcie-switch", "pcie-numa", "host")
    assert topologies_of(find_gpu("h100-sxm"))[0] == "nvswitch"
    assert topologies_of(find_gpu("a30"))[0] == "nvlink-bridge"
    assert set(TOPOLOGIES) == {"nvlink-bridge", *topologies_of(find_gpu("h100-sxm"))}
