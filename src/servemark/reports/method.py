"""How each run came to be: everything another person needs to repeat or doubt it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from servemark.domain.coefficients import Coefficients, Fitted
from servemark.domain.gpu import Gpu
from servemark.domain.metrics import METRICS
from servemark.domain.run import Run
from servemark.reports.labels import ORIGINS, joined_label, length_label, percent, slo_label
from servemark.reports.page import ABSENT, Cell, Column, Section, Series, Table
from servemark.reports.tables import LATENCIES
from servemark.units import format_seconds

COEFFICIENTS: tuple[tuple[str, str], ...] = (
    ("compute_efficiency", "share of peak FLOP/s reached"),
    ("memory_efficiency", "share of peak bandwidth, weights"),
    ("kv_efficiency", "share of peak bandwidth, KV reads"),
    ("attention_efficiency", "share of peak FLOP/s, attention"),
    ("link_efficiency", "share of link bandwidth"),
    ("collective_latency_s", "latency of one collective"),
    ("layer_overhead_s", "overhead per layer and step"),
    ("token_overhead_s", "overhead per token of a step"),
    ("sequence_overhead_s", "overhead per sequence of a step"),
    ("step_overhead_s", "overhead per step"),
    ("request_overhead_s", "overhead per request, outside steps"),
    ("expert_efficiency", "routed experts against dense layers"),
    ("expert_overhead_s", "overhead per layer of experts and step"),
    ("decode_attention_efficiency", "share of peak FLOP/s, attention while decoding"),
    ("prompt_overhead_s", "overhead per prompt of a step"),
    ("power_drop", "slower at the power limit"),
    ("time_ratio", "this model's kernels against all models'"),
)
"""Fields of `Coefficients` with what they mean, in words."""


def method_section(runs: Sequence[Run], series: Sequence[Series]) -> Section:
    """Provenance of the runs, then formulas, coefficients, and unverified data-sheet figures."""
    tables = [_facts_table(runs, series), _formula_table(runs)]
    fitted = [(run, each) for run, each in zip(runs, series, strict=True) if run.coefficients]
    if fitted:
        tables.append(_coefficient_table(fitted))
    gpus = {run.deployment.node.gpu.key: run.deployment.node.gpu for run in runs if run.deployment}
    text = " ".join(sheet for gpu in gpus.values() if (sheet := _unverified(gpu)))
    return Section(key="method", title="Method", text=text, tables=tuple(tables))


def _facts_table(runs: Sequence[Run], series: Sequence[Series]) -> Table:
    rows: list[tuple[Cell, ...]] = []
    for name, fact in FACTS:
        texts = [fact(run) for run in runs]
        if any(texts):
            rows.append((Cell(text=name), *(Cell(text=text or ABSENT) for text in texts)))
    heads = [
        Column(label=f"{each.glyph} {each.label}", numeric=False, colour=each.colour) for each in series
    ]
    return Table(
        title="How it was done", columns=(Column(label="", numeric=False), *heads), rows=tuple(rows)
    )


def _requests(run: Run) -> str:
    load = run.workload
    asked = {each.item for level in run.levels for each in level.requests} - {None}
    if asked:
        return f"{len(asked):,} questions in turn, {_counted(run)}answers up to {length_label(load.output)} tokens"
    text = f"input {length_label(load.input)}, output {length_label(load.output)} tokens"
    if load.shared_prefix_tokens:
        text += f", {load.shared_prefix_tokens:,} of the input shared by all"
    named = [name for name in (load.profile, load.suite) if name]
    return text + (f" ({', '.join(named)})" if named else "")


def _counted(run: Run) -> str:
    """`input 58 to 91 tokens, `, as the server counted them."""
    counts = [each.input_tokens for level in run.levels for each in level.requests if each.input_tokens]
    return f"input {min(counts):,} to {max(counts):,} tokens, " if counts else ""


def _served_by(run: Run) -> str:
    if run.endpoint is not None:
        server = f", {run.endpoint.server}" if run.endpoint.server else ""
        return f"{run.endpoint.model} at {run.endpoint.url}{server}"
    return ""


def _engine(run: Run) -> str:
    parts: list[str] = []
    if run.deployment is not None:
        engine = run.deployment.engine
        parts.append(engine.name + (f" {engine.version}" if engine.version else ""))
        parts.append(f"max_num_seqs {engine.max_num_seqs}")
        parts.append(f"max_num_batched_tokens {engine.max_num_batched_tokens}")
        parts.append(f"gpu_memory_utilization {engine.gpu_memory_utilization:g}")
        parts.append(f"KV cache {run.deployment.kv_dtype}")
        spread = run.deployment.parallelism
        if spread.gpus > 1:
            parts.append(f"tensor {spread.tensor} x pipeline {spread.pipeline}")
        if run.deployment.replicas > 1:
            parts.append(f"{run.deployment.replicas} replicas, {run.deployment.router}")
    if run.endpoint is not None:
        parts += [f"{name} {value}" for name, value in sorted(run.endpoint.settings.items())]
    return ", ".join(parts)


def _joined(run: Run) -> str:
    """What joins the GPUs of a replica, where there are several."""
    if run.deployment is None or run.deployment.parallelism.gpus == 1:
        return ""
    node = run.deployment.group
    return joined_label(node) + (" (assumed)" if node.topology is None else "")


def _clock(run: Run) -> str:
    match run.method:
        case "closed form":
            return "none: no request is played"
        case "simulation":
            return "simulated"
        case "load test":
            factor = run.endpoint.time_factor if run.endpoint else 1.0
            return "real time" if factor == 1.0 else f"{factor:g} times real time; figures in its seconds"


def _warmup(run: Run) -> str:
    sent = sorted({level.warmup_sent for level in run.levels})
    if not sent or run.method == "closed form":
        return ""
    if sent == [0]:
        return "none"
    span = f"{sent[0]}" if len(sent) == 1 else f"{sent[0]} to {sent[-1]}"
    return f"{span} request{'' if sent == [1] else 's'} a level, not counted"


def _window(run: Run) -> str:
    windows = [level.window for level in run.levels if level.window is not None]
    if not windows:
        return ""
    lengths = sorted(window.end_s - window.start_s for window in windows)
    ends = dict.fromkeys(format_seconds(length) for length in (lengths[0], lengths[-1]))
    text = f"{' to '.join(ends)} a level"
    unsteady = sum(not window.steady for window in windows)
    return text + (f"; {unsteady} of {len(windows)} never steady" if unsteady else "")


def _lag(run: Run) -> str:
    lags = [level.lag for level in run.levels if level.lag is not None]
    if not lags:
        return ""
    text = f"at most {format_seconds(max(lag.total_s for lag in lags))} too long (p99)"
    server = max((lag.server_p99_s or 0.0 for lag in lags), default=0.0)
    if server:
        text += f", {format_seconds(server)} of it the twin's"
    text += f"; sent {format_seconds(max(lag.send_p99_s for lag in lags))} late (p99)"
    return text + ("; reduced accuracy" if any(lag.reduced_accuracy for lag in lags) else "")


def _machine(run: Run) -> str:
    made = run.provenance
    parts = [
        f"Servemark {made.servemark}",
        f"Python {made.python}" if made.python else "",
        made.platform,
        f"{made.cores} cores" if made.cores else "",
    ]
    if made.load_average is not None:
        parts.append(f"load average {made.load_average:.2f}")
    return ", ".join(part for part in parts if part)


FACTS: tuple[tuple[str, Callable[[Run], str]], ...] = (
    ("method", lambda run: ORIGINS[run.method]),
    ("deployment", lambda run: run.deployment.title if run.deployment else ""),
    ("endpoint", _served_by),
    ("engine", _engine),
    ("GPUs joined by", _joined),
    ("requests", _requests),
    ("promises", lambda run: ", ".join(slo_label(slo) for slo in run.slos) or "none"),
    ("seed", lambda run: "" if run.method == "closed form" else str(run.provenance.seed)),
    ("clock", _clock),
    ("warm-up", _warmup),
    ("steady window", _window),
    ("instrument lag", _lag),
    ("made with", _machine),
    ("command", lambda run: run.provenance.command),
    ("run", lambda run: ", started ".join(part for part in (run.id, run.provenance.started) if part)),
)
"""Rows of the table of facts: name, and what it says of a run ("" = nothing to say)."""


def _formula_table(runs: Sequence[Run]) -> Table:
    used = {key for key in LATENCIES if any(key in level.metrics for run in runs for level in run.levels)}
    used |= {slo.metric for run in runs for slo in run.slos}
    used |= {"output_tokens_per_s", "requests_per_s"}
    if any(run.quality is not None for run in runs):
        used |= {"accuracy_ratio", "useful_ratio", "quality_loss_ratio"}
    rows = tuple(
        (Cell(text=metric.label), Cell(text=metric.formula), Cell(text=metric.source))
        for key, metric in METRICS.items()
        if key in used
    )
    heads = tuple(Column(label=label, numeric=False) for label in ("metric", "formula", "source"))
    return Table(title="What is measured", columns=heads, rows=rows)


def _coefficient_table(fitted: Sequence[tuple[Run, Series]]) -> Table:
    """One column per distinct set of coefficients; what no fit speaks of is left out."""
    distinct: list[tuple[Coefficients, list[Series]]] = []
    for run, each in fitted:
        assert run.coefficients is not None
        same = next((names for found, names in distinct if found == run.coefficients), None)
        if same is None:
            distinct.append((run.coefficients, [each]))
        else:
            same.append(each)
    rows = tuple(
        (Cell(text=words), *(Cell(text=fitted_label(name, getattr(found, name))) for found, _ in distinct))
        for name, words in COEFFICIENTS
        if any(getattr(found, name).relative_error for found, _ in distinct)
    )
    heads = [
        Column(label=" ".join(each.glyph for each in names) + f" {names[0].label}") for _, names in distinct
    ]
    notes = tuple(_origin_of(found) for found, _ in distinct)
    return Table(
        title="Coefficients of the prediction, with their standard error",
        columns=(Column(label="", numeric=False), *heads),
        rows=rows,
        notes=notes,
    )


def fitted_label(name: str, fitted: Fitted) -> str:
    """A coefficient with its standard error: `64.0 % ± 7 %`."""
    value = format_seconds(fitted.value) if name.endswith("_s") else f"{100 * fitted.value:.1f} %"
    return f"{value} ± {percent(fitted.relative_error)}" if fitted.value else value


def _origin_of(found: Coefficients) -> str:
    engine = found.engine + (f" {found.engine_version}" if found.engine_version else "")
    rows = f"fitted to {found.rows:,} measured rows" if found.rows else "not fitted for it"
    if found.inherited_from:
        rows += f", inherited from {found.inherited_from}"
    source = f"; {found.source}" if found.source else ""
    date = f" ({found.date})" if found.date else ""
    return f"{found.gpu}, {found.dtype}, {engine}: {rows}{source}{date}.{_remaining(found)}"


def _remaining(found: Coefficients) -> str:
    """What the bands hold besides the errors of the coefficients."""
    words = {"throughput": "throughput", "tpot": "TPOT", "ttft": "TTFT"}
    errors = [
        f"{words[family]} {percent(error)}"
        for family, error in found.residual_log_errors.items()
        if family in words
    ]
    return f" Standard error beyond that of the coefficients: {', '.join(errors)}." if errors else ""


def _unverified(gpu: Gpu) -> str:
    """Which figures of the data sheet nobody compared with a second source."""
    fields = gpu.unverified_fields
    if not fields:
        return f"Every figure of the {gpu.name} was checked against a second source."
    sources = dict.fromkeys(f"{gpu.source_of(f).text} ({gpu.source_of(f).date})" for f in fields)
    names = ", ".join(field_label(field) for field in fields)
    return f"{gpu.name}, unverified against a second source: {names}; from {'; '.join(sources)}."


def field_label(field: str) -> str:
    """A field of `Gpu` in words: `bandwidth_bytes_per_s` -> `bandwidth`."""
    words = {"dense_flop_per_s": "FLOP/s", "l2_bytes": "L2 cache", "tdp_w": "TDP", "pcie": "PCIe"}
    short = field.removesuffix("_bytes_per_s").removesuffix("_bytes")
    return words.get(field, short.replace("_", " "))
