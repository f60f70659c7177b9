"""Lists and budgets on the terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from servemark.domain.gpu import NUMERIC_FIELDS, Gpu, Link
from servemark.domain.memory import Fit
from servemark.domain.model import ModelArch
from servemark.domain.workload import load_label
from servemark.store.folders import RunEntry
from servemark.units import GB, MIB, format_bandwidth, format_bytes, format_count, format_flops

UNVERIFIED = "°"
"""Behind a figure that nobody compared with a second source."""


def new_table(*columns: tuple[str, str]) -> Table:
    """A calm table; columns as (title, justify)."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold")
    for title, justify in columns:
        table.add_column(title, justify="right" if justify == "right" else "left", no_wrap=True)
    return table


def print_gpus(gpus: Sequence[Gpu], console: Console) -> None:
    """One line per GPU; a single GPU figure by figure with source and date."""
    if len(gpus) == 1:
        _print_gpu(gpus[0], console)
        return
    table = new_table(
        ("key", "left"), ("memory", "right"), ("smi total", "right"), ("CUDA total", "right"), ("bandwidth", "right"),
        ("bf16 dense", "right"), ("fp8 dense", "right"), ("TDP", "right"), ("GPU link", "right"), ("PCIe", "right"),
        ("CC", "left"), ("launch", "left"), ("source date", "left"),
    )  # fmt: skip
    for gpu in gpus:
        table.add_row(
            gpu.key,
            _figure(gpu, "memory_nominal_bytes", f"{gpu.memory_nominal_bytes / GB:.0f} GB"),
            _figure(gpu, "memory_reported_bytes", _mib(gpu.memory_reported_bytes)),
            _figure(gpu, "memory_usable_bytes", _mib(gpu.memory_usable_bytes)),
            _figure(gpu, "bandwidth_bytes_per_s", format_bandwidth(gpu.bandwidth_bytes_per_s)),
            _rate(gpu, "bf16"),
            _rate(gpu, "fp8"),
            _figure(gpu, "tdp_w", f"{gpu.tdp_w:.0f} W"),
            _figure(gpu, "link", _link(gpu.link)) if gpu.link else "-",
            _figure(gpu, "pcie", _link(gpu.pcie)),
            gpu.compute_capability or "-",
            gpu.launch,
            gpu.source_of("*").date,
        )
    console.print(table)
    console.print(
        f"{len(gpus)} GPUs. {UNVERIFIED} = data sheet or estimate, not compared with a second source. "
        "Links: one direction. "
        "One GPU in full: servemark gpus KEY"
    )


def _figure(gpu: Gpu, field: str, text: str) -> str:
    return text if gpu.source_of(field).checked else f"{text}{UNVERIFIED}"


def _mib(value_bytes: float) -> str:
    """Memory totals as nvidia-smi prints them."""
    return f"{value_bytes / MIB:,.0f} MiB"


def _rate(gpu: Gpu, dtype: str) -> str:
    rate = gpu.dense_flop_per_s.get(dtype)
    return "-" if rate is None else _figure(gpu, "dense_flop_per_s", format_flops(rate))


def _link(link: Link | None) -> str:
    return "none" if link is None else format_bandwidth(link.bandwidth_bytes_per_s)


def _print_gpu(gpu: Gpu, console: Console) -> None:
    console.print(Text(f"{gpu.name} ({gpu.key})", style="bold"))
    console.print(
        f"{gpu.architecture}, {gpu.form_factor}, {gpu.tier}, "
        f"graphics pipeline: {'yes' if gpu.graphics_pipeline else 'no'}"
    )
    values = {
        "dense_flop_per_s": ", ".join(f"{k} {format_flops(v)}" for k, v in gpu.dense_flop_per_s.items())
        + " (dense)",
        "bandwidth_bytes_per_s": format_bandwidth(gpu.bandwidth_bytes_per_s),
        "memory_nominal_bytes": f"{gpu.memory_nominal_bytes / GB:.0f} GB {gpu.memory_kind}",
        "memory_reported_bytes": f"{_mib(gpu.memory_reported_bytes)} (nvidia-smi)",
        "memory_usable_bytes": f"{_mib(gpu.memory_usable_bytes)} (CUDA)",
        "tdp_w": f"{gpu.tdp_w:.0f} W",
        "link": f"{gpu.link.kind} {_link(gpu.link)} per direction, up to {gpu.link.spans_gpus} GPUs"
        if gpu.link
        else "none",
        "pcie": f"{gpu.pcie.generation} {_link(gpu.pcie)} per direction".strip(),
        "l2_bytes": format_bytes(gpu.l2_bytes) if gpu.l2_bytes else "-",
        "multiprocessors": str(gpu.multiprocessors or "-"),
        "compute_capability": gpu.compute_capability or "-",
        "launch": gpu.launch,
    }
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold")
    for title in ("figure", "value", "checked", "source", "date"):
        table.add_column(title, overflow="fold")
    for field in NUMERIC_FIELDS:
        source = gpu.source_of(field)
        note = f" ({source.note})" if source.note else ""
        table.add_row(
            field,
            values[field],
            "yes" if source.checked else "not verified",
            source.text + note,
            source.date,
        )
    console.print(table)
    console.print(f"also known as: {', '.join(gpu.aliases) or '-'}")
    for note in gpu.notes:
        console.print(f"note: {note}")


def print_models(models: Sequence[ModelArch], console: Console) -> None:
    """One line per model; parameter counts computed from the architecture."""
    table = new_table(
        ("key", "left"), ("parameters", "right"), ("published", "right"), ("active", "right"), ("layers", "right"),
        ("hidden", "right"), ("attention", "left"), ("ffn", "left"), ("context", "right"), ("dtype", "left"),
        ("source", "left"), ("date", "left"),
    )  # fmt: skip
    for model in models:
        published = f"{model.published_params / 1e9:.3f} B" if model.published_params else "-"
        table.add_row(
            model.key,
            f"{model.params / 1e9:.3f} B",
            published,
            f"{model.active_params / 1e9:.2f} B",
            str(model.layers),
            str(model.hidden),
            model.attention_kind,
            model.feedforward_kind,
            format_count(model.max_context_tokens),
            model.dtype,
            _short(model.source or "-", 44),
            model.date or "-",
        )
    console.print(table)
    console.print(
        f"{len(models)} models. Parameters: computed from the architecture, as loaded to serve text."
    )


def _short(text: str, width: int) -> str:
    return text if len(text) <= width else text[: width - 1] + "…"


def print_runs(entries: Sequence[RunEntry], console: Console) -> None:
    """One line per run, oldest first."""
    table = new_table(
        ("run", "left"), ("origin", "left"), ("method", "left"), ("title", "left"), ("levels", "right"),
        ("capacity", "left"), ("started", "left"), ("finished", "left"),
    )  # fmt: skip
    for entry in entries:
        load = entry.capacity.load if entry.capacity else None
        table.add_row(
            entry.id, entry.origin, entry.method, _short(entry.problem or entry.title, 60), str(entry.levels),
            load_label(load) if load else "-", entry.started, "yes" if entry.finished else "no",
        )  # fmt: skip
    console.print(table if entries else "no runs kept yet")


def print_fit(fit: Fit, console: Console) -> None:
    """The sentence, then the budget part by part."""
    memory, deployment = fit.memory, fit.deployment
    if memory.fits:
        console.print(
            Text(
                f"{deployment.title} fits: the KV cache holds {format_count(memory.kv_tokens)} tokens, "
                f"{format_count(fit.sequences)} sequences of {format_count(fit.sequence_tokens)} at once.",
                style="bold",
            )
        )
    else:
        missing = format_bytes(memory.missing_bytes or 0)
        console.print(
            Text(f"{deployment.title} does not fit: {missing} missing on each GPU.", style="bold")
        )
        console.print(memory.sum)
    table = new_table(("per GPU", "left"), ("bytes", "right"), ("share of CUDA total", "right"))
    parts = (
        ("weights", memory.weights_bytes),
        ("activations (peak)", memory.activation_bytes),
        ("KV pool", max(0.0, memory.kv_pool_bytes)),
        ("reserved by the engine before any user", memory.reserved_bytes),
        ("CUDA graphs", memory.graph_bytes),
        ("runtime and context", memory.runtime_bytes),
        (f"nvidia-smi then reports, of {_mib(memory.total_reported_bytes)}", memory.reported_bytes),
        ("needed for one such sequence", memory.needed_bytes),
    )
    for name, value in parts:
        table.add_row(name, format_bytes(value), f"{100 * value / memory.usable_bytes:.1f} %")
    console.print(table)
    if memory.kv_blocks:
        console.print(
            f"KV cache: {format_bytes(memory.kv_bytes_per_token)} per token, {format_count(memory.kv_blocks)} blocks "
            f"of {deployment.engine.block_size} tokens. The reservation is a setting (gpu_memory_utilization "
            f"{deployment.engine.gpu_memory_utilization:g}), not what the model needs."
        )
    gpu = deployment.node.gpu
    if not gpu.source_of("memory_usable_bytes").checked:
        console.print(
            f"{UNVERIFIED} the CUDA total of {gpu.name} is not verified: {gpu.source_of('memory_usable_bytes').text}"
        )
