"""Single records as small tables: a memory budget, GPUs, models, a list of runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from servemark.domain.gpu import Gpu, Link
from servemark.domain.memory import MemoryBudget
from servemark.domain.model import ModelArch
from servemark.domain.run import Run
from servemark.domain.workload import load_label
from servemark.reports.answers import sentence_of
from servemark.reports.bars import memory_parts
from servemark.reports.labels import ORIGINS, percent
from servemark.reports.method import field_label
from servemark.reports.page import ABSENT, Cell, Column, Table
from servemark.store.folders import RunEntry
from servemark.units import GB, MIB, format_bandwidth, format_count, format_flops


def memory_table(budget: MemoryBudget) -> Table:
    """Part by part what one GPU's memory goes to."""
    rows = tuple(
        (Cell(text=part), Cell(text=f"{size / MIB:,.0f}"), Cell(text=percent(size / budget.usable_bytes)))
        for part, size in memory_parts(budget)
    )
    if budget.fits:
        notes = (
            f"KV cache: {budget.kv_tokens:,} tokens in {budget.kv_blocks:,} blocks, "
            f"{budget.kv_bytes_per_token / 1024:,.0f} KiB per token.",
            f"The engine reserves {_mib(budget.reserved_bytes)}; nvidia-smi then shows "
            f"{_mib(budget.reported_bytes)} of {_mib(budget.total_reported_bytes)}.",
        )
    else:
        notes = (f"It does not fit: {_mib(budget.missing_bytes or 0.0)} are missing per GPU.",)
    columns = (
        Column(label="memory of one GPU", numeric=False),
        Column(label="size", unit="MiB"),
        Column(label="share", unit="of CUDA's total"),
    )
    return Table(title="", columns=columns, rows=rows, notes=(*notes, *filter(None, [budget.sum])))


def gpu_table(gpus: Sequence[Gpu]) -> Table:
    """One row per GPU; a figure nobody checked against a second source is greyed."""
    heads = [
        Column(label="GPU", numeric=False), Column(label="key", numeric=False),
        *(Column(label=label, unit=unit) for label, unit, _, _ in GPU_COLUMNS),
        Column(label="source", numeric=False, essential=False),
    ]  # fmt: skip
    rows = tuple(
        (
            Cell(text=gpu.name), Cell(text=gpu.key),
            *(Cell(text=write(gpu), faint=not gpu.source_of(field).checked)
              for _, _, field, write in GPU_COLUMNS),
            Cell(text=f"{gpu.source_of('*').text} ({gpu.source_of('*').date})"),
        )
        for gpu in gpus
    )  # fmt: skip
    faint = any(cell.faint for row in rows for cell in row)
    notes = ("In grey: the data sheet's word alone, checked against no second source.",) if faint else ()
    return Table(title="", columns=tuple(heads), rows=rows, notes=notes)


def gpu_card(gpu: Gpu) -> Table:
    """One GPU, one row per figure, each with its source."""
    rows = [
        (Cell(text=f"{label}, {unit}" if unit else label), Cell(text=write(gpu)), _source(gpu, field))
        for label, unit, field, write in GPU_COLUMNS
    ]
    for dtype, rate in gpu.dense_flop_per_s.items():
        rows.append(
            (Cell(text=f"{dtype}, dense"), Cell(text=format_flops(rate)), _source(gpu, "dense_flop_per_s"))
        )
    if gpu.link is not None:
        rows.append((Cell(text="GPU to GPU"), Cell(text=_link(gpu.link)), _source(gpu, "link")))
    rows.append((Cell(text="PCIe"), Cell(text=_link(gpu.pcie)), _source(gpu, "pcie")))
    columns = (
        Column(label=gpu.name, numeric=False),
        Column(label=gpu.key),
        Column(label="source", numeric=False),
    )
    unverified = ", ".join(map(field_label, gpu.unverified_fields))
    notes = (*((f"Unverified: {unverified}.",) if unverified else ()), *gpu.notes)
    return Table(title="", columns=columns, rows=tuple(rows), notes=notes)


def model_table(models: Sequence[ModelArch]) -> Table:
    """One row per model."""
    columns = (
        Column(label="model", numeric=False), Column(label="key", numeric=False),
        Column(label="parameters", unit="billion"), Column(label="active", unit="billion"),
        Column(label="layers"), Column(label="context", unit="tokens"), Column(label="dtype", numeric=False),
        Column(label="source", numeric=False, essential=False),
    )  # fmt: skip
    rows = tuple(
        tuple(
            Cell(text=text)
            for text in (
                model.name, model.key, f"{model.params / 1e9:,.2f}", f"{model.active_params / 1e9:,.2f}",
                str(model.layers), format_count(model.max_context_tokens), model.dtype,
                f"{model.source} ({model.date})" if model.date else model.source,
            )
        )
        for model in models
    )  # fmt: skip
    return Table(title="", columns=columns, rows=rows)


def run_table(runs: Sequence[Run]) -> Table:
    """One row per run, with its answer."""
    columns = tuple(Column(label=label, numeric=False) for label in ("run", "method", "started", "answer"))
    rows = tuple(
        tuple(
            Cell(text=text or ABSENT)
            for text in (run.id, ORIGINS[run.method], run.provenance.started, sentence_of(run))
        )
        for run in runs
    )
    return Table(title="", columns=columns, rows=rows)


def entry_table(entries: Sequence[RunEntry]) -> Table:
    """One row per kept run, from its manifest."""
    columns = (
        Column(label="run"),
        *(Column(label=label, numeric=False) for label in ("id", "started", "what", "capacity")),
    )
    rows = tuple(
        tuple(
            Cell(text=text or ABSENT)
            for text in (
                str(each.number),
                each.id,
                _minute(each.started),
                each.title,
                _capacity(each),
            )
        )
        for each in entries
    )
    return Table(title="", columns=columns, rows=rows)


def _minute(started: str) -> str:
    """`2026-11-20 14:05` of an ISO 8601 moment."""
    return started[:16].replace("T", " ")


def _capacity(entry: RunEntry) -> str:
    load = entry.capacity.load if entry.capacity else None
    return load_label(load) if load is not None else entry.problem


def _mib(size: float) -> str:
    return f"{size / MIB:,.0f} MiB"


def _source(gpu: Gpu, field: str) -> Cell:
    source = gpu.source_of(field)
    return Cell(text=f"{source.text} ({source.date})", faint=not source.checked)


def _link(link: Link) -> str:
    name = " ".join(word for word in (link.kind, link.generation) if word)
    return f"{name}, {format_bandwidth(link.bandwidth_bytes_per_s)} per direction"


def _peak(gpu: Gpu) -> str:
    rate = gpu.dense_flop_per_s.get("bf16") or gpu.dense_flop_per_s.get("fp16")
    return f"{rate / 1e12:,.0f}" if rate else ABSENT


GPU_COLUMNS: tuple[tuple[str, str, str, Callable[[Gpu], str]], ...] = (
    ("memory", "GB", "memory_nominal_bytes", lambda gpu: f"{gpu.memory_nominal_bytes / GB:,.0f}"),
    ("nvidia-smi", "MiB", "memory_reported_bytes", lambda gpu: f"{gpu.memory_reported_bytes / MIB:,.0f}"),
    ("CUDA", "MiB", "memory_usable_bytes", lambda gpu: f"{gpu.memory_usable_bytes / MIB:,.0f}"),
    ("bandwidth", "GB/s", "bandwidth_bytes_per_s", lambda gpu: f"{gpu.bandwidth_bytes_per_s / GB:,.0f}"),
    ("16-bit dense", "TFLOPS", "dense_flop_per_s", _peak),
    ("TDP", "W", "tdp_w", lambda gpu: f"{gpu.tdp_w:,.0f}"),
)
"""Label, unit, field (for its source), and how the number is written."""
