"""`demo`: the main job on this machine, without a GPU, a key or a network.

Predicts one deployment by simulation, measures its twin over HTTP with the same arrival plan, measures a
real engine with the small model that ships, and lays all three on one page.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from servemark.api.listing import DEFAULT_RUNS
from servemark.api.measured import measure
from servemark.api.quantities import parse_duration
from servemark.api.reporting import report
from servemark.api.simulated import simulate, twin
from servemark.domain.record import Record
from servemark.domain.run import Run
from servemark.engines import llamacpp, tiny
from servemark.errors import MissingExtra
from servemark.load.progress import Progress
from servemark.reports.answers import sentence_of
from servemark.reports.writing import check_output

MODEL, GPU = "llama-3.1-8b", "l40s"
USERS = (1, 4, 8, 16, 32)
ENGINE_USERS = (1, 4, 8)
ENGINE_SLOTS = 8
INPUT_TOKENS, OUTPUT_TOKENS = 512, 32
PROMISES = "ttft_p95=500ms,tpot_p95=45ms,failures=1%"
ENGINE_PROMISES = "ttft_p95=500ms,failures=1%"
LEVEL_S = 8.0
TIME_FACTOR = 4.0
SEED = 0


class Demo(Record, frozen=True, kw_only=True):
    """What the demo made: its runs and the page that holds them."""

    runs: tuple[Run, ...]
    path: Path
    elapsed_s: float


def demo(
    *,
    level: float | str = LEVEL_S,
    output: Path = Path("servemark-demo.html"),
    runs: Path = DEFAULT_RUNS,
    on_progress: Callable[[int, Progress], None] = lambda level, progress: None,
    on_step: Callable[[str], None] = lambda _: None,
) -> Demo:
    """Predict one deployment, measure its twin and a real engine on this machine, write one page.

    Args:
        level: length of a level on the twin, of this machine's time; the engine gets half of it.
        output: the page.
        runs: folder that keeps the runs.
        on_progress: told how far the level in progress has come.
        on_step: told each step in a sentence.

    Raises:
        EngineError: the twin or the engine did not start.
    """
    started_s = time.monotonic()
    check_output(Path(output))
    level_s = parse_duration(level, "level") or LEVEL_S
    on_step(f"1/4 predicting {MODEL} on one {GPU}")
    predicted = simulate(
        MODEL,
        gpu=GPU,
        users=USERS,
        input=INPUT_TOKENS,
        output=OUTPUT_TOKENS,
        duration=level_s * TIME_FACTOR,
        slo=PROMISES,
        seed=SEED,
        runs=runs,
    )
    on_step(f"    {sentence_of(predicted)}")
    on_step(f"2/4 measuring its twin over HTTP, {TIME_FACTOR:g} times faster than real time")
    made = [predicted, _measured_twin(level_s, runs, on_progress)]
    on_step(f"    {sentence_of(made[-1])}")
    if not made[-1].provenance.finished:
        return _page(made, Path(output), started_s)
    on_step("3/4 measuring a real engine, llama.cpp, on this machine")
    try:
        made.append(_measured_engine(level_s / 2, runs, on_progress))
        on_step(f"    {sentence_of(made[-1])}")
    except MissingExtra as missing:
        on_step(f"    left out: {missing}")
        made[-1] = msgspec.structs.replace(
            made[-1], notes=(*made[-1].notes, f"no real engine measured: {missing}")
        )
    on_step(f"4/4 writing {output}")
    return _page(made, Path(output), started_s)


def _page(made: Sequence[Run], output: Path, started_s: float) -> Demo:
    """All runs on one page; after Ctrl-C those made so far."""
    report(*made, output=output, title="Servemark demo")
    return Demo(runs=tuple(made), path=output, elapsed_s=time.monotonic() - started_s)


def _measured_twin(level_s: float, runs: Path, on_progress: Callable[[int, Progress], None]) -> Run:
    with twin(MODEL, gpu=GPU, port=0, time_factor=TIME_FACTOR) as running:
        run = measure(
            running.base_url,
            users=USERS,
            input=INPUT_TOKENS,
            output=OUTPUT_TOKENS,
            duration=level_s * TIME_FACTOR,
            slo=PROMISES,
            seed=SEED,
            runs=runs,
            on_progress=on_progress,
            on_engine_cpu_s=running.cpu_s,
        )
    assert isinstance(run, Run), "a table only where one is asked for"
    return run


def _measured_engine(level_s: float, runs: Path, on_progress: Callable[[int, Progress], None]) -> Run:
    engine = llamacpp.start(tiny.gguf_path(), slots=ENGINE_SLOTS, context_tokens=ENGINE_SLOTS * 512)
    with engine:
        run = measure(
            engine.base_url,
            users=ENGINE_USERS,
            output=tiny.LONGEST_ANSWER_TOKENS,
            duration=level_s,
            slo=ENGINE_PROMISES,
            title=f"{engine.name} (the small model that ships, on this CPU)",
            runs=runs,
            on_items=tiny.bank(),
            on_progress=on_progress,
            on_engine_cpu_s=engine.cpu_s,
            on_settings={"engine": f"{engine.name}, {engine.version}"}
            | {k: str(v) for k, v in engine.settings.items()},
        )
    assert isinstance(run, Run), "a table only where one is asked for"
    return run
