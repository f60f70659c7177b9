"""The two charts of parts: where the memory of a GPU goes, and how requests failed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec.structs import replace

from servemark.domain.memory import MemoryBudget
from servemark.domain.run import OUTCOMES, Level, Run
from servemark.domain.workload import load_label, load_value
from servemark.reports.drawing import Spec, chart_spec, text_layers
from servemark.reports.labels import percent
from servemark.reports.page import Chart, Series
from servemark.reports.palette import INK, LIMIT, MUTED, PARTS, RUNS
from servemark.reports.placement import Label
from servemark.reports.scales import Axis, value_axis
from servemark.units import GIB, MIB

ROW_PX = 24
MEMORY_PX = 220.0
NARROW_PX = 130.0
"""The memory bar, when several charts stand side by side."""
FAILURES_PX = 300.0
FAILURE_COLOURS: dict[str, str] = dict(
    zip(OUTCOMES[1:], (RUNS[4], RUNS[1], RUNS[0], RUNS[3], RUNS[5]), strict=True)
)
_PART_COLOURS: dict[str, str] = dict(
    zip(("weights", "KV cache", "activations", "CUDA graphs", "runtime", "free"), PARTS, strict=True)
)


def memory_parts(budget: MemoryBudget) -> tuple[tuple[str, float], ...]:
    """Name and bytes of every part of one GPU's memory, in the order they are taken."""
    taken = (
        ("weights", budget.weights_bytes),
        ("KV cache", max(0.0, budget.kv_pool_bytes)),
        ("activations", budget.activation_bytes),
        ("CUDA graphs", budget.graph_bytes),
        ("runtime", budget.runtime_bytes),
    )
    if not budget.fits:
        return (*taken, ("missing", budget.missing_bytes or 0.0))
    return (*taken, ("free", max(0.0, budget.usable_bytes - sum(size for _, size in taken))))


def memory_charts(
    budgets: Sequence[tuple[str, MemoryBudget]], *, narrow: bool = False
) -> tuple[Chart, ...]:
    """One chart: the only budget part by part, or several as one stacked row each."""
    match budgets:
        case []:
            return ()
        case [(_, budget)]:
            return (memory_chart(budget, narrow=narrow),)
        case _:
            return (_stacked_chart(budgets),)


def _stacked_chart(budgets: Sequence[tuple[str, MemoryBudget]]) -> Chart:
    """One row per subject on one axis; a row that fits ends at CUDA's total."""
    rows: list[Spec] = []
    texts: list[Label] = []
    largest = max(sum(size for _, size in memory_parts(budget)) for _, budget in budgets) / GIB
    axis = value_axis([largest], title="GiB of one GPU", length_px=MEMORY_PX)
    names = [subject for subject, _ in budgets]
    for i, (subject, budget) in enumerate(budgets):
        start = 0.0
        for part, size in memory_parts(budget):
            rows.append(
                {"subject": subject, "start": round(start / GIB, 3), "end": round((start + size) / GIB, 3),
                 "colour": _PART_COLOURS.get(part, LIMIT), "tip": f"{subject}, {part}: {_mib(size)}"}
            )  # fmt: skip
            start += size
        held = (
            f"{budget.kv_tokens:,} tokens"
            if budget.fits
            else f"{_mib(budget.missing_bytes or 0.0)} missing"
        )
        texts.append(
            Label(text=held, x=MEMORY_PX + 8, y=ROW_PX * (i + 0.5), colour=INK if budget.fits else LIMIT)
        )
    bars = bar_layer(rows, axis, "subject", names)
    return Chart(
        key="memory",
        title="Memory of one GPU",
        caption="A row ends at CUDA's total. At its right what the KV cache holds.",
        text=" ".join(f"{subject}: {_parts_text(budget)}" for subject, budget in budgets),
        spec=chart_spec(
            MEMORY_PX, ROW_PX * len(names), [bars, *key_layers(_PART_COLOURS), *text_layers(texts)]
        ),
    )


def _parts_text(budget: MemoryBudget) -> str:
    return "; ".join(f"{part} {_mib(size)}" for part, size in memory_parts(budget)) + "."


def memory_chart(budget: MemoryBudget, *, narrow: bool = False) -> Chart:
    """The budget of one GPU as one bar unrolled: each part starts where the last one ended."""
    rows: list[Spec] = []
    start = 0.0
    for part, size in memory_parts(budget):
        rows.append(
            {"part": part, "start": round(start / GIB, 3), "end": round((start + size) / GIB, 3),
             "colour": _PART_COLOURS.get(part, LIMIT),
             "tip": f"{part}: {_mib(size)} of {_mib(budget.usable_bytes)}"}
        )  # fmt: skip
        start += size
    width = NARROW_PX if narrow else MEMORY_PX
    axis = value_axis([start / GIB, budget.usable_bytes / GIB], title="GiB", length_px=width)
    height = ROW_PX * len(rows)
    x = {"field": "start", "type": "quantitative", "scale": axis.scale(), "axis": axis.axis(grid=True)}
    bars = bar_layer(rows, axis, "part", [row["part"] for row in rows])
    rule = {
        "data": {"values": [{"start": budget.usable_bytes / GIB}]},
        "mark": {"type": "rule", "stroke": MUTED, "strokeDash": [3, 3]},
        "encoding": {"x": x},
    }
    sizes = [
        Label(text=_mib(size), x=width + 84, y=ROW_PX * (i + 0.5),
              colour=LIMIT if part == "missing" else INK)
        for i, (part, size) in enumerate(memory_parts(budget))
    ]  # fmt: skip
    shares = [
        Label(text=percent(size / budget.usable_bytes).replace("under ", "< "), x=width + 124,
              y=ROW_PX * (i + 0.5), colour=MUTED)
        for i, (_, size) in enumerate(memory_parts(budget))
    ]  # fmt: skip
    total = Label(text="CUDA's total", x=axis.at(budget.usable_bytes / GIB), y=-7, colour=MUTED)
    layers = [
        rule,
        bars,
        *text_layers([*sizes, *shares], align="right"),
        *text_layers([total], align="center"),
    ]
    return Chart(
        key="memory",
        title="Memory of one GPU",
        caption=_memory_caption(budget),
        text=_parts_text(budget),
        spec=chart_spec(width, height, layers),
    )


def _memory_caption(budget: MemoryBudget) -> str:
    if not budget.fits:
        return f"It does not fit: {_mib(budget.missing_bytes or 0.0)} are missing per GPU."
    return (
        f"The KV cache holds {budget.kv_tokens:,} tokens in {budget.kv_blocks:,} blocks. Before any user "
        f"comes, nvidia-smi shows {_mib(budget.reported_bytes)} of {_mib(budget.total_reported_bytes)} as used."
    )


def _mib(size: float) -> str:
    return f"{size / MIB:,.0f} MiB"


def bar_layer(rows: Sequence[Spec], axis: Axis, field: str, names: Sequence[str]) -> Spec:
    """Bars from `start` to `end` of their `colour`, in the row of the name that `field` holds."""
    return {
        "data": {"values": list(rows)},
        "mark": {"type": "bar", "height": 14},
        "encoding": {
            "x": {"field": "start", "type": "quantitative", "scale": axis.scale(), "axis": axis.axis(grid=True)},
            "x2": {"field": "end"},
            "y": _row_axis(field, names),
            "color": {"field": "colour", "type": "nominal", "scale": None},
            "tooltip": {"field": "tip", "type": "nominal"},
        },
    }  # fmt: skip


def _row_axis(field: str, names: Sequence[str]) -> dict[str, Any]:
    """One row per name, in the order given, each `ROW_PX` high."""
    return {
        "field": field,
        "type": "nominal",
        "scale": {"domain": list(names), "paddingInner": 0, "paddingOuter": 0},
        "axis": {
            "title": None,
            "domain": False,
            "ticks": False,
            "labelColor": INK,
            "labelPadding": 8,
            "labelLimit": 0,
        },
    }


def failure_charts(drawn: Sequence[tuple[Run, Series]]) -> tuple[Chart, ...]:
    """Shares of failed requests by kind and level, one chart per run that has failures."""
    failing = [(run, each) for run, each in drawn if any(_failures(level) for level in run.levels)]
    return tuple(_failure_chart(run, each, f"failures-{i + 1}") for i, (run, each) in enumerate(failing))


def _failures(level: Level) -> dict[str, int]:
    return {kind: n for kind in OUTCOMES[1:] if (n := level.outcomes.get(kind, 0))}


def _failure_chart(run: Run, series: Series, name: str) -> Chart:
    levels = sorted(run.levels, key=lambda level: load_value(level.load))
    names = [load_label(level.load) for level in levels]
    rows: list[Spec] = []
    texts: list[Label] = []
    ends = [100 * sum(_failures(level).values()) / max(1, level.requests_sent) for level in levels]
    axis = value_axis([*ends, 1.0], title="failed, % of requests sent", length_px=FAILURES_PX)
    if axis.kind == "log":  # parts of a whole stack from zero only
        axis = value_axis([max(ends)], title=axis.title, length_px=FAILURES_PX)
    if axis.high > 100:
        axis = replace(axis, high=100.0, ticks=tuple(t for t in axis.ticks if t <= 100))
    for i, (level, name_of_level) in enumerate(zip(levels, names, strict=True)):
        start = 0.0
        for kind, count in _failures(level).items():
            end = start + 100 * count / max(1, level.requests_sent)
            tip = f"{name_of_level}: {count:,} {kind.replace('_', ' ')} of {level.requests_sent:,}"
            rows.append({"level": name_of_level, "start": round(start, 3), "end": round(end, 3),
                         "colour": FAILURE_COLOURS[kind], "tip": tip})  # fmt: skip
            start = end
        listed = ", ".join(f"{n:,} {kind.replace('_', ' ')}" for kind, n in _failures(level).items())
        texts.append(Label(text=f"{listed or 'none'} of {level.requests_sent:,}", x=FAILURES_PX + 8,
                           y=ROW_PX * (i + 0.5), colour=INK if listed else MUTED))  # fmt: skip
    bars = bar_layer(rows, axis, "level", names)
    kinds = [k for k in OUTCOMES[1:] if any(k in _failures(level) for level in levels)]
    return Chart(
        key=name,
        title=f"Failures by kind: {series.label}",
        caption="",
        text="; ".join(f"{n}: {t.text}" for n, t in zip(names, texts, strict=True)) + ".",
        spec=chart_spec(
            FAILURES_PX,
            ROW_PX * len(levels),
            [
                bars,
                *key_layers({k.replace("_", " "): FAILURE_COLOURS[k] for k in kinds}),
                *text_layers(texts),
            ],
        ),
    )


def key_layers(colours: Mapping[str, str]) -> list[Spec]:
    """Names in their colours, above the bars, in as many lines as they need."""
    x = 0.0
    lines: list[list[tuple[float, str, str]]] = [[]]
    for name, colour in colours.items():
        if x > FAILURES_PX - 60:
            x = 0.0
            lines.append([])
        lines[-1].append((x, name, colour))
        x += 20 + Label(text=name, x=0, y=0, colour=MUTED).width_px
    labels: list[Label] = []
    for i, line in enumerate(reversed(lines)):
        for x, name, colour in line:
            labels.append(Label(text="■", x=x, y=-10 - 14 * i, colour=colour))
            labels.append(Label(text=name, x=x + 12, y=-10 - 14 * i, colour=MUTED))
    return text_layers(labels)
