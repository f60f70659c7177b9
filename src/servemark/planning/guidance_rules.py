"""The rules of thumb, each computed from the catalogue and shown with its numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from servemark.catalogue.architectures import find_model
from servemark.domain.gpu import Gpu, Node
from servemark.domain.guidance import GuideSection, Heading, Value
from servemark.domain.model import ModelArch
from servemark.physics.collectives import all_reduce_traffic_ratio, group_bandwidth_bytes_per_s
from servemark.physics.work import sixteen_bit_flop_per_s
from servemark.units import GB, TB, TFLOP

TENSOR: Final = 4
MICRO_BATCHES: Final = 8
IDLE: Final = (TENSOR - 1) / (MICRO_BATCHES + TENSOR - 1)
"""What a pipeline of as many stages loses to filling and draining, with so many prompts in flight."""
EXAMPLE: Final = "llama-3.1-8b"
LARGE: Final = "llama-3.1-70b"
SIXTEEN_BITS: Final = 2.0
RESERVED_BYTES: Final = 3.0 * GB
"""Activations, graphs and context beside weights; the rest of the fraction is for the cache."""
FRACTION: Final = 0.9


def rule_sections(gpus: Sequence[Gpu]) -> tuple[GuideSection, ...]:
    """All rules over these GPUs."""
    return (
        ridge_section(gpus),
        link_section(gpus),
        fp8_section(gpus),
        memory_section(gpus),
        sparse_section(gpus),
    )


def ridge_section(gpus: Sequence[Gpu]) -> GuideSection:
    """Decode is bandwidth, prefill is compute: where the one becomes the other."""
    model = find_model(EXAMPLE)
    rows: list[tuple[Value, ...]] = []
    for gpu in sorted(gpus, key=_ridge):
        flop, rate = sixteen_bit_flop_per_s(gpu), gpu.bandwidth_bytes_per_s
        decode = rate / (SIXTEEN_BITS * model.params)
        prefill = flop / (2 * model.params)
        rows.append((gpu.key, rate / TB, flop / TFLOP, _ridge(gpu), decode, prefill, prefill / decode))
    low, high = rows[0], rows[-1]
    return GuideSection(
        key="rule_bandwidth",
        title="decode is bandwidth, prefill is compute",
        finding=(
            f"Decoding {model.name} in 16 bits stays bound by bandwidth up to a batch of {low[3]:.0f} ({low[0]}) to "
            f"{high[3]:.0f} ({high[0]}); alone, a token costs as much time as {low[6]:.0f} to {high[6]:.0f} "
            "prompt tokens."
        ),
        headings=(
            Heading(key="gpu", label="GPU", style="text"),
            Heading(key="bandwidth_tb_per_s", label="bandwidth", unit="TB/s"),
            Heading(key="dense_16_bit_tflop_per_s", label="16-bit", unit="TFLOPS"),
            Heading(key="ridge_flop_per_byte", label="ridge", unit="FLOP/byte"),
            Heading(key="decode_tokens_per_s", label="decode, alone", unit="tok/s bound", style="count"),
            Heading(key="prefill_tokens_per_s", label="prefill", unit="tok/s bound", style="count"),
            Heading(key="ratio", label="ratio", style="count"),
        ),
        rows=tuple(rows),
        formula="ridge = FLOP/s / (bytes/s); decode alone = bytes/s / (2 P); prefill = FLOP/s / (2 P)",
        sources=("data sheets in the catalogue, servemark gpus",),
        not_modelled="bounds, not predictions: see servemark predict",
    )


def _ridge(gpu: Gpu) -> float:
    return sixteen_bit_flop_per_s(gpu) / gpu.bandwidth_bytes_per_s


class _Joined(NamedTuple):
    """Four GPUs of one type and what their link costs a prompt."""

    gpu: str
    kind: str
    gb_per_s: float
    tensor: float
    pipeline: float

    @property
    def better(self) -> str:
        return "tensor" if self.tensor < IDLE else "pipeline"


def link_section(gpus: Sequence[Gpu]) -> GuideSection:
    """NVLink means tensor parallel, PCIe pipeline parallel: the share of a prompt's time on the link."""
    model = find_model(LARGE)
    joined = sorted((_joined(model, gpu) for gpu in gpus), key=lambda each: each.tensor)
    return GuideSection(
        key="rule_links",
        title="NVLink means tensor parallel, PCIe pipeline parallel",
        finding=_link_finding(model, joined),
        headings=(
            Heading(key="gpu", label="GPU", style="text"),
            Heading(key="link", label=f"link of {TENSOR}", style="text"),
            Heading(key="link_gb_per_s", label="one way", unit="GB/s"),
            Heading(key="tensor_ratio", label="all-reduces", unit="of prefill", style="percent"),
            Heading(key="pipeline_ratio", label="hops", unit="of prefill", style="percent"),
            Heading(key="better", label="better", style="text"),
        ),
        rows=tuple((*each, each.better) for each in joined),
        formula=(
            "per prompt token: two all-reduces per layer of 2 h bytes, 2 (t - 1) / t of them over the link, against "
            "2 P / t FLOPs at the data sheet's rate; a pipeline sends 2 h bytes per hop and idles "
            f"(t - 1) / (m + t - 1) with m = {MICRO_BATCHES} prompts in flight; the smaller loss is better"
        ),
        sources=("Megatron-LM, arXiv 1909.08053",),
        not_modelled="start-up of each collective, which counts in decode; overlap",
    )


def _joined(model: ModelArch, gpu: Gpu) -> _Joined:
    node = Node(gpu=gpu, gpus=TENSOR, peer_to_peer=gpu.peer_to_peer)
    rate = group_bandwidth_bytes_per_s(node, TENSOR)
    bounced = node.link.kind == "pcie" and not gpu.peer_to_peer
    kind = f"{node.link.kind}{' through the host' if bounced else ''}"
    return _Joined(gpu.key, kind, rate / GB, *link_shares(model, gpu, rate))


def _link_finding(model: ModelArch, joined: Sequence[_Joined]) -> str:
    """The spread over each kind of link, least first, and what is the exception."""
    linked = [each for each in joined if not each.kind.startswith("pcie")]
    plain = [each for each in joined if each.kind.startswith("pcie")]
    if not linked or not plain:
        return "Only one kind of link among these GPUs."
    exceptions = ", ".join(each.gpu for each in plain if each.better == "tensor") or "none"
    hops = max(each.pipeline for each in plain)
    return (
        f"A prompt of {model.name} over {TENSOR} GPUs spends {linked[0].tensor:.0%} to "
        f"{linked[-1].tensor:.0%} of its time in all-reduces over NVLink or the like and "
        f"{plain[0].tensor:.0%} to {plain[-1].tensor:.0%} over PCIe; a pipeline idles {IDLE:.0%} and its "
        f"hops take {hops:.1%} at most. Over PCIe tensor parallel wins on {exceptions}."
    )


def link_shares(model: ModelArch, gpu: Gpu, rate_bytes_per_s: float) -> tuple[float, float]:
    """Shares of a prompt's time on the link: tensor parallel, pipeline parallel."""
    vector = SIXTEEN_BITS * model.hidden
    compute = 2 * model.params / TENSOR / sixteen_bit_flop_per_s(gpu)
    reduces = 2 * model.layers * vector * all_reduce_traffic_ratio(TENSOR) / rate_bytes_per_s
    hops = (TENSOR - 1) * vector / gpu.pcie.bandwidth_bytes_per_s / TENSOR
    return reduces / (reduces + compute), hops / (hops + compute)


def fp8_section(gpus: Sequence[Gpu]) -> GuideSection:
    """FP8 needs compute capability 8.9: who has the units, and what they bring."""
    known = [gpu for gpu in gpus if gpu.vendor == "nvidia"]
    able = [gpu for gpu in known if "fp8" in gpu.dense_flop_per_s]
    without = [gpu for gpu in known if gpu not in able]
    least = min((_capability(gpu) for gpu in able), default=0.0)
    most = max((_capability(gpu) for gpu in without), default=0.0)
    rows: tuple[tuple[Value, ...], ...] = tuple(
        (
            gpu.key,
            _capability(gpu),
            gpu.dense_flop_per_s["fp8"] / TFLOP if gpu in able else None,
            gpu.dense_flop_per_s["fp8"] / sixteen_bit_flop_per_s(gpu) if gpu in able else 1.0,
            "units" if gpu in able else "weights alone: half the bytes, 16-bit maths",
        )
        for gpu in sorted(known, key=lambda gpu: (_capability(gpu), gpu.key))
    )
    return GuideSection(
        key="rule_fp8",
        title="FP8 needs compute capability 8.9",
        finding=(
            f"{len(able)} of {len(known)} NVIDIA types have FP8 units: from {least:.1f} on all, up to {most:.1f} none."
        ),
        headings=(
            Heading(key="gpu", label="GPU", style="text"),
            Heading(key="compute_capability", label="capability"),
            Heading(key="dense_fp8_tflop_per_s", label="FP8 dense", unit="TFLOPS"),
            Heading(key="gain", label="over 16 bits", unit="x"),
            Heading(key="fp8", label="FP8 weights", style="text"),
        ),
        rows=rows,
        formula="Gpu.dense_flop_per_s of the catalogue",
        sources=("data sheets in the catalogue",),
        not_modelled="accuracy of FP8",
    )


def _capability(gpu: Gpu) -> float:
    return float(gpu.compute_capability or 0)


def memory_section(gpus: Sequence[Gpu]) -> GuideSection:
    """Memory tiers: the parameters that one card holds in 16, 8 and 4 bits."""
    tiers: dict[int, list[Gpu]] = {}
    for gpu in gpus:
        tiers.setdefault(round(gpu.memory_nominal_bytes / GB), []).append(gpu)
    rows: list[tuple[Value, ...]] = []
    for size, members in sorted(tiers.items()):
        room = FRACTION * min(gpu.memory_usable_bytes for gpu in members) - RESERVED_BYTES
        rows.append(
            (
                size,
                *(max(0.0, room / each / 1e9) for each in (2.0, 1.0, 0.52)),
                ", ".join(g.key for g in members),
            )
        )
    return GuideSection(
        key="rule_memory",
        title="memory decides what runs at all",
        finding=(
            f"One card holds {rows[0][1]:.0f}B parameters in 16 bits with {rows[0][0]} GB and {rows[-1][1]:.0f}B with "
            f"{rows[-1][0]} GB; 4 bits hold {2.0 / 0.52:.1f} times as many."
        ),
        headings=(
            Heading(key="memory_gb", label="memory", unit="GB", style="count"),
            Heading(key="params_16_bit", label="16 bits", unit="B params"),
            Heading(key="params_8_bit", label="8 bits", unit="B params"),
            Heading(key="params_4_bit", label="4 bits", unit="B params"),
            Heading(key="gpus", label="GPUs", style="text"),
        ),
        rows=tuple(rows),
        formula=(
            f"({FRACTION:g} x memory of the smallest - {RESERVED_BYTES / GB:g} GB) / bytes per parameter, "
            "before any cache"
        ),
        sources=("CUDA totals in the catalogue",),
        not_modelled="KV cache: servemark fit has it all",
    )


def sparse_section(gpus: Sequence[Gpu]) -> GuideSection:
    """The sparse trap: what data sheets print, and what dense matrices get."""
    able = [gpu for gpu in gpus if gpu.vendor == "nvidia" and _capability(gpu) >= 8.0]
    rows: tuple[tuple[Value, ...], ...] = tuple(
        (gpu.key, *(_pair(gpu, dtype) for dtype in ("bf16", "fp8", "fp4")))
        for gpu in sorted(able, key=sixteen_bit_flop_per_s)
    )
    count = sum(1 for gpu in able if "fp8" in gpu.dense_flop_per_s)
    return GuideSection(
        key="rule_sparse",
        title="sparse figures are twice the dense ones",
        finding=(
            f"Data sheets of {len(able)} types (capability 8.0 and above) print rates with 2:4 sparsity, "
            f"{count} of them for FP8 too: half of it is what ordinary weights get."
        ),
        headings=(
            Heading(key="gpu", label="GPU", style="text"),
            Heading(key="bf16", label="16 bits", unit="dense / printed", style="text"),
            Heading(key="fp8", label="FP8", unit="dense / printed", style="text"),
            Heading(key="fp4", label="FP4", unit="dense / printed", style="text"),
        ),
        rows=rows,
        formula="printed = 2 x dense, TFLOPS",
        sources=("data sheets in the catalogue, halved where they print the sparse rate",),
        not_modelled="models pruned to 2:4",
    )


def _pair(gpu: Gpu, dtype: str) -> str | None:
    dense = gpu.dense_flop_per_s.get(dtype)
    return None if dense is None else f"{dense / TFLOP:,.0f} / {2 * dense / TFLOP:,.0f}"
