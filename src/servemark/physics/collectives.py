"""Communication inside one replica: all-reduces of tensor parallelism, hops of a pipeline.

A ring all-reduce of n bytes over t GPUs moves 2 n (t - 1) / t bytes in and out of each
(Patarasuk and Yuan 2009); its start-up cost is taken as one latency per doubling of the group.
"""

from __future__ import annotations

import math

import msgspec

from servemark.domain.gpu import Node

HOST_BOUNCE = 0.5
"""Share of the PCIe rate that is left when GPUs cannot reach each other's memory: every byte crosses
the bus twice, into host memory and out of it (NCCL's shared-memory transport)."""


def group_bandwidth_bytes_per_s(node: Node, gpus: int) -> float:
    """Bandwidth per GPU and direction that a group of `gpus` neighbours has between them."""
    link = msgspec.structs.replace(node, gpus=gpus).link
    bounced = link.kind == "pcie" and not node.peer_to_peer
    return link.bandwidth_bytes_per_s * (HOST_BOUNCE if bounced else 1.0)


def all_reduce_traffic_ratio(gpus: int) -> float:
    """Bytes through each GPU's link per byte reduced: 2 (t - 1) / t; 0 for one GPU."""
    return 2.0 * (gpus - 1) / gpus


def all_reduce_rounds(gpus: int) -> float:
    """Start-up latencies of one all-reduce: log2 t."""
    return math.log2(gpus)
