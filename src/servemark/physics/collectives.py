"""Communication inside one replica: all-reduces of tensor parallelism, hops of a pipeline.

A ring all-reduce of n bytes over t GPUs moves 2 n (t - 1) / t bytes in and out of each
(Patarasuk and Yuan 2009); its start-up cost is taken as one latency per doubling of the group.
"""

from __future__ import annotations

import math

import msgspec

from servemark.domain.gpu import Node

GPUS_PER_SERVER = 8
"""Of the usual servers, on PCIe or with switched links."""
HOST_BOUNCE = 0.5
"""Share of the PCIe rate that is left when GPUs cannot reach each other's memory: every byte crosses
the bus twice, into host memory and out of it (NCCL's shared-memory transport)."""

SOCKET_LINK_BYTES_PER_S = 16e9 * 16 / 12
"""What the link between two sockets carries for a ring, per direction and in data-sheet bytes: NCCL counts
16 GB/s for AMD (10 for Intel Skylake, 22 for Sapphire Rapids) where it counts 12 for PCIe Gen3 x16, whose
sheet says 16. Source: NCCL 2.28, `src/graph/topo.h`, 2025."""


def group_bandwidth_bytes_per_s(node: Node, gpus: int) -> float:
    """Bandwidth per GPU and direction that a group of `gpus` neighbours has between them."""
    group = msgspec.structs.replace(node, gpus=gpus)
    bandwidth = group.link.bandwidth_bytes_per_s
    match group.joined_by:
        case "host":
            return bandwidth * HOST_BOUNCE
        case "pcie-numa":
            return min(bandwidth, SOCKET_LINK_BYTES_PER_S)
        case _:
            return bandwidth


def all_reduce_traffic_ratio(gpus: int) -> float:
    """Bytes through each GPU's link per byte reduced: 2 (t - 1) / t; 0 for one GPU."""
    return 2.0 * (gpus - 1) / gpus


def all_reduce_rounds(gpus: int) -> float:
    """Start-up latencies of one all-reduce: log2 t."""
    return math.log2(gpus)
