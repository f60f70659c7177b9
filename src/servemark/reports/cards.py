"""Single records as small tables: a memory budget, GPUs, models, a list of runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from msgspec.structs import replace

from servemark.domain.gpu import Gpu, Link, Node, topologies_of
from servemark.domain.memory import Fit, MemoryBudget
from servemark.domain.model import ModelArch
from servemark.domain.run import Run
from servemark.domain.workload import load_label
from servemark.reports.answers import sentence_of
from servemark.reports.labels import ORIGINS, axis_label, joined_label, or_list
from servemark.reports.page import ABSENT, Cell, Column, Table
from servemark.store.folders import RunEntry
from servemark.units import (
    GB,
    KIB,
    MIB,
    TFLOP,
    format_bandwidth,
    format_bytes,
    format_count,
    format_flops,
    format_ratio,
)

UNVERIFIED = "°"
"""Behind a figure that nobody compared with a second source; a grey alone does not outlive a pipe."""
UNVERIFIED_NOTE = (
    f"{UNVERIFIED} not compared with a second source: the data sheet's word alone, or an estimate."
)


def fit_table(fit: Fit) -> Table:
    """The answer in a sentence, then part by part what one GPU's memory goes to."""
    engine, gpu = fit.deployment.engine, fit.deployment.node.gpu
    table = memory_table(fit.memory, gpu=gpu)
    notes: list[str] = []
    if fit.memory.kv_blocks:
        setting = f"gpu_memory_utilization {engine.gpu_memory_utilization:g}"
        notes.append(f"The reservation is a setting ({setting}), not what the model needs.")
    if fit.deployment.parallelism.gpus > 1:
        node = fit.deployment.group
        assumed = "; assumed, --topology says otherwise" if node.topology is None else ""
        notes.append(f"The GPUs of a replica are joined by {joined_label(node)}{assumed}.")
    source = gpu.source_of("memory_usable_bytes")
    if not source.checked:
        notes.append(f"{UNVERIFIED} The CUDA total of {gpu.name} is not verified: {source.text}.")
    return replace(table, title=_fit_sentence(fit), notes=(*table.notes, *notes))


def _fit_sentence(fit: Fit) -> str:
    memory, title = fit.memory, fit.deployment.title
    if not memory.fits:
        return f"{title} does not fit: {_shortage(memory)}"
    if not memory.kv_blocks:
        return f"{title} fits: each GPU needs {_mib(memory.needed_bytes)}, and no KV cache is kept."
    plural = "" if fit.sequences == 1 else "s"
    return (
        f"{title} fits: the KV cache holds {format_count(memory.kv_tokens)} tokens, "
        f"{format_count(fit.sequences)} sequence{plural} of {format_count(fit.sequence_tokens)} at once."
    )


def _shortage(budget: MemoryBudget) -> str:
    """What is missing; below it the sum that failed."""
    return f"{_mib(budget.missing_bytes or 0.0)} missing on each GPU.\n{budget.sum}"


def memory_table(budget: MemoryBudget, *, gpu: Gpu | None = None) -> Table:
    """Part by part what one GPU's memory goes to.

    What the engine reserves and nvidia-smi reports is left out where it does not fit: it never starts.

    Args:
        budget: the budget of that GPU.
        gpu: its figures are marked where nobody verified them.
    """
    usable, reported = _mib(budget.usable_bytes), _mib(budget.total_reported_bytes)
    if gpu is not None:
        usable = _marked(gpu, "memory_usable_bytes", usable)
        reported = _marked(gpu, "memory_reported_bytes", reported)
    parts = [
        ("weights", budget.weights_bytes),
        ("activations (peak)", budget.activation_bytes),
        ("KV pool", max(0.0, budget.kv_pool_bytes)),
        ("reserved before any user comes", budget.reserved_bytes),
        ("CUDA graphs", budget.graph_bytes),
        ("runtime and context", budget.runtime_bytes),
        (f"nvidia-smi then reports, of {reported}", budget.reported_bytes),
        ("needed for one sequence", budget.needed_bytes),
    ]
    if not budget.fits:
        del parts[6], parts[3]
    columns = (
        Column(label="memory of one GPU", numeric=False),
        Column(label="size", unit="MiB"),
        Column(label="share of CUDA's total", unit=usable),
    )
    rows = tuple(
        _texts(part, f"{size / MIB:,.0f}", format_ratio(size / budget.usable_bytes)) for part, size in parts
    )
    notes = (
        f"KV cache: {budget.kv_bytes_per_token / KIB:,.0f} KiB per token, {budget.kv_blocks:,} blocks "
        f"of {budget.kv_tokens // budget.kv_blocks} tokens.",
    ) if budget.kv_blocks else ()  # fmt: skip
    title = "" if budget.fits else f"It does not fit: {_shortage(budget)}"
    return Table(title=title, columns=columns, rows=rows, notes=notes)


def gpu_table(gpus: Sequence[Gpu]) -> Table:
    """One row per GPU, or a single GPU figure by figure."""
    if len(gpus) == 1:
        return gpu_card(gpus[0])
    columns = (
        Column(label="key", numeric=False),
        Column(label="name", numeric=False, essential=False),
        *(Column(label=label, group=group, unit=unit) for group, label, unit, _, _ in GPU_COLUMNS),
        Column(label="source date", numeric=False),
        Column(label="source", numeric=False, essential=False),
    )
    rows = tuple(
        (
            *_texts(gpu.key, gpu.name),
            *(_figure(gpu, field, write(gpu)) for _, _, _, field, write in GPU_COLUMNS),
            *_texts(gpu.source_of("*").date, gpu.source_of("*").text),
        )
        for gpu in gpus
    )
    faint = any(cell.faint for row in rows for cell in row)
    count = f"{len(gpus)} GPUs." + (" One of them figure by figure: servemark gpus KEY" if gpus else "")
    notes = (UNVERIFIED_NOTE, count) if faint else (count,)
    return Table(title="", columns=columns, rows=rows, notes=notes)


def gpu_card(gpu: Gpu) -> Table:
    """One GPU, one row per figure, each with its source and date."""
    columns = tuple(
        Column(label=label, numeric=False) for label in ("figure", "value", "checked", "source and date")
    )
    rows = tuple(_card_row(gpu, label, field, value) for label, field, value in _figures(gpu))
    pair = Node(gpu=gpu, gpus=2, peer_to_peer=gpu.peer_to_peer)
    graphics = "with a graphics pipeline" if gpu.graphics_pipeline else "no graphics pipeline"
    notes = (
        f"{gpu.architecture}, {gpu.form_factor}, {gpu.tier}, {graphics}.",
        f"Also known as: {', '.join(gpu.aliases) or ABSENT}.",
        f"A group of it is joined by {or_list(topologies_of(gpu))} (--topology); {pair.joined_by} is assumed.",
        *(f"Note: {note}" for note in gpu.notes),
        *((UNVERIFIED_NOTE,) if gpu.unverified_fields else ()),
    )
    return Table(title=f"{gpu.name} ({gpu.key})", columns=columns, rows=rows, notes=notes)


def _card_row(gpu: Gpu, label: str, field: str, value: str) -> tuple[Cell, ...]:
    source = gpu.source_of(field)
    text = f"{source.text} ({source.note})" if source.note else source.text
    checked = "yes" if source.checked else "not verified"
    return (Cell(text=label), _figure(gpu, field, value), *_texts(checked, f"{text}, {source.date}"))


def _figures(gpu: Gpu) -> tuple[tuple[str, str, str], ...]:
    """Name, field (for its source) and value of everything known of a GPU."""
    rates = gpu.dense_flop_per_s.items()
    return (
        ("memory", "memory_nominal_bytes", f"{gpu.memory_nominal_bytes / GB:,.0f} GB {gpu.memory_kind}".strip()),
        ("nvidia-smi total", "memory_reported_bytes", _mib(gpu.memory_reported_bytes)),
        ("CUDA total", "memory_usable_bytes", _mib(gpu.memory_usable_bytes)),
        ("bandwidth", "bandwidth_bytes_per_s", format_bandwidth(gpu.bandwidth_bytes_per_s)),
        *((f"{dtype}, dense", "dense_flop_per_s", format_flops(rate)) for dtype, rate in rates),
        ("TDP", "tdp_w", f"{gpu.tdp_w:,.0f} W"),
        ("GPU link", "link", f"{_link(gpu.link)}, up to {gpu.link.spans_gpus} GPUs" if gpu.link else "none"),
        ("PCIe", "pcie", _link(gpu.pcie)),
        ("L2 cache", "l2_bytes", format_bytes(gpu.l2_bytes) if gpu.l2_bytes else ABSENT),
        ("multiprocessors", "multiprocessors", str(gpu.multiprocessors or ABSENT)),
        ("compute capability", "compute_capability", gpu.compute_capability or ABSENT),
        ("launch", "launch", gpu.launch),
    )  # fmt: skip


def model_table(models: Sequence[ModelArch]) -> Table:
    """One row per model; its parameters computed from the architecture and as its maker states them."""
    columns = (
        Column(label="key", numeric=False),
        Column(label="name", numeric=False, essential=False),
        Column(label="computed", group="parameters", unit="billion"),
        Column(label="published", group="parameters", unit="billion"),
        Column(label="active", group="parameters", unit="billion"),
        Column(label="layers"),
        Column(label="hidden"),
        Column(label="attention", numeric=False),
        Column(label="ffn", numeric=False),
        Column(label="context", unit="tokens"),
        *(Column(label=label, numeric=False) for label in ("dtype", "source", "date")),
    )
    notes = (
        f"{len(models)} model{'' if len(models) == 1 else 's'}. "
        "Parameters computed: from the architecture, all of the checkpoint (a vision tower included).",
    )
    return Table(title="", columns=columns, rows=tuple(map(_model_row, models)), notes=notes)


def _model_row(model: ModelArch) -> tuple[Cell, ...]:
    published = f"{model.published_params / 1e9:,.3f}" if model.published_params else ""
    return _texts(
        model.key, model.name, f"{model.checkpoint_params / 1e9:,.3f}", published, f"{model.active_params / 1e9:,.2f}",
        str(model.layers), format_count(model.hidden), model.attention_kind, model.feedforward_kind,
        format_count(model.max_context_tokens), model.dtype, model.source, model.date,
    )  # fmt: skip


def run_table(runs: Sequence[Run]) -> Table:
    """One row per run, with its answer."""
    columns = tuple(Column(label=label, numeric=False) for label in ("run", "method", "started", "answer"))
    rows = tuple(
        _texts(run.id, ORIGINS[run.method], _minute(run.provenance.started), sentence_of(run))
        for run in runs
    )
    return Table(title="", columns=columns, rows=rows)


def entry_table(entries: Sequence[RunEntry]) -> Table:
    """One row per kept run, from its manifest."""
    labels = ("run", "origin", "method", "title", "levels", "capacity", "started", "finished", "problem")
    kept = len(labels) if any(each.problem for each in entries) else -1
    columns = tuple(Column(label=label, numeric=label == "levels") for label in labels)
    rows = tuple(_entry_row(each)[:kept] for each in entries)
    notes = () if entries else ("no runs kept yet",)
    if any(each.capacity and each.capacity.band for each in entries):
        notes = ("In brackets the 80 % band of a predicted capacity.",)
    return Table(title="", columns=columns[:kept], rows=rows, notes=notes)


def _entry_row(entry: RunEntry) -> tuple[Cell, ...]:
    load, band = (entry.capacity.load, entry.capacity.band) if entry.capacity else (None, None)
    ends = f" ({' to '.join(map(axis_label, band))})" if band else ""
    return _texts(
        entry.id, entry.origin, entry.method, entry.title, str(entry.levels),
        load_label(load) + ends if load is not None else "", _minute(entry.started),
        "yes" if entry.finished else "no", entry.problem,
    )  # fmt: skip


def _minute(started: str) -> str:
    """`2026-11-20 14:05` of an ISO 8601 moment."""
    return started[:16].replace("T", " ")


def _texts(*texts: str) -> tuple[Cell, ...]:
    return tuple(Cell(text=text or ABSENT) for text in texts)


def _mib(size: float) -> str:
    return f"{size / MIB:,.0f} MiB"


def _marked(gpu: Gpu, field: str, text: str) -> str:
    """The text of a figure, with the mark where nobody verified it."""
    return text if text == ABSENT or gpu.source_of(field).checked else f"{text}{UNVERIFIED}"


def _figure(gpu: Gpu, field: str, text: str) -> Cell:
    marked = _marked(gpu, field, text)
    return Cell(text=marked, faint=marked != text)


def _link(link: Link) -> str:
    """`nvlink 4, 450 GB/s per direction`; a bridge may be bought apart."""
    kind = "" if link.kind == "pcie" else link.kind
    name = " ".join(word for word in (kind, link.generation, "(optional)" if link.optional else "") if word)
    return ", ".join(filter(None, (name, f"{format_bandwidth(link.bandwidth_bytes_per_s)} per direction")))


def _rate(dtype: str) -> Callable[[Gpu], str]:
    """Writes the dense rate of one dtype."""

    def write(gpu: Gpu) -> str:
        rate = gpu.dense_flop_per_s.get(dtype)
        return f"{rate / TFLOP:,.0f}" if rate else ABSENT

    return write


def _gb_per_s(link: Link | None) -> str:
    return f"{link.bandwidth_bytes_per_s / GB:,.0f}" if link else ABSENT


GPU_COLUMNS: tuple[tuple[str, str, str, str, Callable[[Gpu], str]], ...] = (
    ("", "memory", "GB", "memory_nominal_bytes", lambda gpu: f"{gpu.memory_nominal_bytes / GB:,.0f}"),
    ("total by", "nvidia-smi", "MiB", "memory_reported_bytes",
     lambda gpu: f"{gpu.memory_reported_bytes / MIB:,.0f}"),
    ("total by", "CUDA", "MiB", "memory_usable_bytes", lambda gpu: f"{gpu.memory_usable_bytes / MIB:,.0f}"),
    ("", "bandwidth", "GB/s", "bandwidth_bytes_per_s", lambda gpu: f"{gpu.bandwidth_bytes_per_s / GB:,.0f}"),
    ("dense", "bf16", "TFLOPS", "dense_flop_per_s", _rate("bf16")),
    ("dense", "fp8", "TFLOPS", "dense_flop_per_s", _rate("fp8")),
    ("", "TDP", "W", "tdp_w", lambda gpu: f"{gpu.tdp_w:,.0f}"),
    ("per direction", "GPU link", "GB/s", "link", lambda gpu: _gb_per_s(gpu.link)),
    ("per direction", "PCIe", "GB/s", "pcie", lambda gpu: _gb_per_s(gpu.pcie)),
    ("compute", "capability", "", "compute_capability", lambda gpu: gpu.compute_capability or ABSENT),
    ("", "launch", "", "launch", lambda gpu: gpu.launch),
)  # fmt: skip
"""Group, label, unit, field (for its source), and how the figure is written."""
