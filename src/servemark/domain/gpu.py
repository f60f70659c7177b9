"""What a GPU is: figures of the data sheet, each with where it comes from."""

from __future__ import annotations

from typing import Final, Literal

from servemark.domain.record import Record


class Source(Record, frozen=True, kw_only=True):
    """Where a figure comes from.

    `checked` is true when the figure was compared with a second source; otherwise it is the data
    sheet's word alone and is shown as unverified.
    """

    text: str
    date: str
    """Day or month the figure was read or checked, ISO (`2026-11-20`)."""
    checked: bool = False
    note: str = ""


class Link(Record, frozen=True, kw_only=True):
    """A connection between GPUs. Bandwidth is per GPU and per *direction* (data sheets of NVLink
    print both directions together).
    """

    kind: Literal["nvlink", "nvlink-bridge", "infinity-fabric", "pcie"]
    generation: str = ""
    bandwidth_bytes_per_s: float
    spans_gpus: int = 8
    """How many GPUs one such domain joins at most (a bridge joins 2)."""
    optional: bool = False
    """A bridge that is bought apart: not there unless `Node.bridged` says so."""


class Gpu(Record, frozen=True, kw_only=True):
    """One GPU. FLOP/s are dense (never the sparse figure of the data sheet)."""

    key: str
    name: str
    aliases: tuple[str, ...] = ()
    vendor: Literal["nvidia", "amd", "intel", "other"] = "nvidia"
    """`other`: no GPU at all, but a CPU that `calibrate --device cpu` has measured."""
    family: str
    """Name people use for several members at once: `a100`, `h100`."""
    architecture: str
    compute_capability: str | None = None
    form_factor: str
    tier: Literal["data-centre", "professional", "consumer"] = "data-centre"
    memory_nominal_bytes: float
    """The figure on the box, in decimal bytes (80 GB)."""
    memory_reported_bytes: float
    """Total that nvidia-smi reports."""
    memory_usable_bytes: float
    """Total that CUDA reports: what `gpu_memory_utilization` multiplies."""
    memory_kind: str = ""
    bandwidth_bytes_per_s: float
    dense_flop_per_s: dict[str, float]
    """Tensor rate by dtype key (`fp16 bf16 fp8 int8 fp4`), FP32 accumulate; absent = no such unit. `fp32`
    only where there is no TF32 unit."""
    tdp_w: float
    link: Link | None = None
    """GPU-to-GPU link; None where only PCIe joins them."""
    pcie: Link
    l2_bytes: float | None = None
    multiprocessors: int | None = None
    peer_to_peer: bool = True
    """False where the driver does not let GPUs of this type copy to each other over PCIe."""
    graphics_pipeline: bool
    launch: str
    sources: dict[str, Source]
    """Field name -> source; `*` covers every field that is not named."""
    notes: tuple[str, ...] = ()

    def source_of(self, field: str) -> Source:
        """The source of one field."""
        return self.sources.get(field, self.sources["*"])

    @property
    def unverified_fields(self) -> tuple[str, ...]:
        """Numeric fields that nobody checked against a second source."""
        return tuple(f for f in NUMERIC_FIELDS if not self.source_of(f).checked)


NUMERIC_FIELDS = (
    "dense_flop_per_s", "bandwidth_bytes_per_s", "memory_nominal_bytes", "memory_reported_bytes",
    "memory_usable_bytes", "tdp_w", "link", "pcie", "l2_bytes", "multiprocessors",
    "compute_capability", "launch",
)  # fmt: skip


Topology = Literal["nvswitch", "nvlink-bridge", "pcie-switch", "pcie-numa", "host"]
TOPOLOGIES: Final[dict[Topology, str]] = {
    "nvswitch": "NVLink between all of them",
    "nvlink-bridge": "an NVLink bridge",
    "pcie-switch": "PCIe under one switch, peer to peer",
    "pcie-numa": "PCIe across two sockets, peer to peer",
    "host": "PCIe through host memory",
}
"""What joins the GPUs of a group, and in words. `nvswitch` stands for Infinity Fabric too."""


def topologies_of(gpu: Gpu) -> tuple[Topology, ...]:
    """What can join GPUs of this type: their own link, where they have one, and PCIe."""
    pcie: tuple[Topology, ...] = ("pcie-switch", "pcie-numa", "host")
    if gpu.link is None:
        return pcie
    return ("nvlink-bridge" if gpu.link.kind == "nvlink-bridge" else "nvswitch", *pcie)


class Node(Record, frozen=True, kw_only=True):
    """A server: some number of one GPU and what joins them."""

    gpu: Gpu
    gpus: int = 1
    peer_to_peer: bool = True
    """False when PCIe transfers between GPUs bounce through host memory."""
    bridged: bool = False
    """The optional bridge between the GPUs is fitted."""
    topology: Topology | None = None
    """What joins the GPUs; None = nobody said, and what `joined_by` says is assumed."""

    @property
    def link(self) -> Link:
        """The link that collectives run over: the GPU link where it spans the group, else PCIe."""
        link = self.gpu.link
        if link is None or self.gpus > link.spans_gpus:
            return self.gpu.pcie
        if self.topology is None:
            return self.gpu.pcie if link.optional and not self.bridged else link
        return link if self.topology in ("nvswitch", "nvlink-bridge") else self.gpu.pcie

    @property
    def joined_by(self) -> Topology:
        """What joins the GPUs. Assumed where `topology` is None: the GPU link where there is one (an
        optional bridge only where it is fitted), else one PCIe switch, with peer-to-peer copies where the
        driver allows them.
        """
        link = self.link
        if link.kind != "pcie":
            return "nvlink-bridge" if link.kind == "nvlink-bridge" else "nvswitch"
        if not self.peer_to_peer or self.topology == "host":
            return "host"
        return "pcie-numa" if self.topology == "pcie-numa" else "pcie-switch"
