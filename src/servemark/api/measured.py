"""`measure`: load-test an OpenAI-compatible endpoint."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable, Coroutine, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from servemark.api.deployments import build_deployment
from servemark.api.experiments import build_experiment, needed_items, promises
from servemark.api.listing import DEFAULT_RUNS
from servemark.api.loads import Numbers
from servemark.api.quantities import parse_amount, parse_duration, parse_extent, parse_slos
from servemark.api.workloads import workload_and_loads
from servemark.client.credentials import API_KEY_VARIABLE
from servemark.domain.exchange import Item, Suite
from servemark.domain.run import Run
from servemark.domain.workload import Slo
from servemark.errors import InputError
from servemark.load.progress import Progress
from servemark.measurement.session import DEFAULT_TIMEOUT_S, measure_endpoint
from servemark.quality.power import PowerTable


def measure(
    url: str | None = None,
    /,
    *,
    users: Numbers | None = None,
    rate: Numbers | None = None,
    arrivals: str = "poisson",
    input: int | str | None = None,
    output: int | str | None = None,
    traffic: str | None = None,
    trace: Path | None = None,
    time_scale: float = 1.0,
    suite: str | Path | Suite | None = None,
    blocks: int | None = None,
    margin: float | str | None = None,
    controls: bool = True,
    power: bool = False,
    requests: int | None = None,
    duration: float | str | None = None,
    warmup: int | None = None,
    preflight: bool = True,
    model: str | None = None,
    slo: str | Sequence[Slo] | None = None,
    timeout: float | str = DEFAULT_TIMEOUT_S,
    header: list[str] | None = None,
    body: str | Mapping[str, Any] | None = None,
    api_key_file: Path | None = None,
    metrics: str | None = None,
    deployment: Path | None = None,
    title: str | None = None,
    seed: int = 0,
    runs: Path | None = DEFAULT_RUNS,
    on_items: Sequence[Item] = (),
    on_progress: Callable[[int, Progress], None] = lambda level, progress: None,
    on_engine_cpu_s: Callable[[], float | None] | None = None,
    on_command: str = "",
    on_settings: Mapping[str, str] | None = None,
) -> Run | PowerTable:
    """Load-test an OpenAI-compatible endpoint: latency, throughput, failures, answers, capacity.

    Args:
        url: API root, e.g. http://127.0.0.1:8000/v1.
        users: closed loop: numbers of users, e.g. 1,2,4,8,16,32 (the default).
        rate: open loop: request rates, e.g. 1,2,3/s.
        arrivals: arrivals of an open loop, poisson or constant.
        input: input tokens (default 512).
        output: output tokens (default 128).
        traffic: arrivals and lengths of a traffic profile, e.g. chat.
        trace: replay a recorded trace; with --users or --rate only its lengths.
        time_scale: 2 plays the trace twice as fast.
        suite: questions to ask at every load, and answers to judge: exam, needles, memory, tasks, tiny,
            tiny-short, or a JSONL file.
        blocks: parts of the suite; each visits every load once, in an order of its own (default: 6, fewer where
            a part had fewer items than users).
        margin: loss of useful answers against the lowest load that has to be ruled out (default: what --slo
            quality_loss promises, else 3%).
        controls: with a suite: measure the lowest load again at the end, and the highest twice.
        power: only tell how many items such questions need; no URL needed.
        requests: requests of a level (default: the larger of 100 and 10 per user; of a trace: all).
        duration: length of a level instead, e.g. 30s.
        warmup: requests before each level, or each visit to it (default: one per user; 0 sends none).
        preflight: ask /v1/models and one small completion first.
        model: as the endpoint names it (default: the first that /v1/models lists).
        slo: promises, e.g. ttft_p95=2s,failures=1%.
        timeout: time after which a request counts as timed out.
        header: extra header as "Name: value"; may be repeated.
        body: extra fields of every request body, as JSON.
        api_key_file: file with the API key (default: $SERVEMARK_API_KEY).
        metrics: URL of the engine's Prometheus metrics, where it is not at /metrics of the endpoint.
        deployment: TOML file that says what is behind the endpoint (model, gpu, engine ...), to record it.
        title: headline of the report.
        seed: the same seed gives the same requests.
        runs: folder that keeps the run; it is written as the run goes.
        on_items: questions to ask in turn instead of synthetic prompts.
        on_progress: called about ten times a second with the level's index and state.
        on_engine_cpu_s: processor seconds used so far by a local engine.
        on_command: command line to record.
        on_settings: engine settings to record.

    Returns:
        The run; after Ctrl-C what was measured so far, with `provenance.finished` False. With `power` the
        table of items.

    Raises:
        InputError: impossible quantities, before anything is sent.
        EndpointError: the endpoint is down, has no such model, is no LLM endpoint or does not stream.
    """
    seed = parse_amount(seed, "seed", minimum=0) or 0
    amount, duration_s = parse_extent(requests, duration)
    timeout_s = parse_duration(timeout, "timeout")
    warmup = parse_amount(warmup, "warmup", minimum=0)
    workload, loads, recorded = workload_and_loads(
        users=users, rate=rate, arrivals=arrivals, input=input, output=output, traffic=traffic, trace=trace,
        time_scale=time_scale,
    )  # fmt: skip
    if power:
        return needed_items(suite, loads, seed=seed, blocks=blocks, margin=margin)
    if url is None:
        raise InputError("url", expected="a value", found="nothing")
    if not isinstance(url, str):
        raise InputError("url", expected="a URL, such as http://127.0.0.1:8000/v1", found=repr(url))
    given = parse_slos(slo)
    experiment = build_experiment(
        suite, loads, seed=seed, blocks=blocks, margin=margin, controls=controls, slos=given,
        excluded={
            "input": input, "output": output, "traffic": traffic, "trace": trace, "requests": requests,
            "duration": duration,
        },
    )  # fmt: skip
    slos, added = promises(given, experiment)
    return until_finished(
        measure_endpoint(
            url,
            model=model,
            loads=loads,
            workload=workload,
            slos=slos,
            seed=seed,
            requests=amount,
            duration_s=duration_s,
            warmup=warmup,
            preflight=preflight,
            trace=recorded,
            items=on_items,
            experiment=experiment,
            metrics_url=metrics,
            notes=added,
            api_key=_api_key(api_key_file),
            headers=_headers(header or []),
            extra_body=_body(body),
            timeout_s=timeout_s or DEFAULT_TIMEOUT_S,
            engine_cpu_s=on_engine_cpu_s,
            settings=on_settings,
            deployment=None if deployment is None else build_deployment(None, {"deployment": deployment}),
            command=on_command,
            runs_root=None if runs is None else Path(runs),
            title=title,
            on_progress=on_progress,
        )
    )


def until_finished(measuring: Coroutine[Any, Any, Run]) -> Run:
    """Wait for a measurement; in a thread of its own where a loop runs already, as in a notebook.

    An interrupt cancels the measurement, which then returns what it has.
    """
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(measuring)
    loop = asyncio.new_event_loop()
    task = loop.create_task(measuring)
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="servemark-measure") as pool:
        running = pool.submit(_complete, loop, task)
        try:
            return running.result()
        except KeyboardInterrupt:
            loop.call_soon_threadsafe(task.cancel)
            return running.result()


def _complete(loop: asyncio.AbstractEventLoop, task: asyncio.Task[Run]) -> Run:
    try:
        return loop.run_until_complete(task)
    finally:
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()


def _api_key(file: Path | None) -> str | None:
    if file is None:
        return os.environ.get(API_KEY_VARIABLE) or None
    try:
        key = Path(file).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        raise InputError("api_key_file", expected="a readable file with the key", found=str(file)) from None
    if not key or "\n" in key:
        raise InputError(
            "api_key_file", expected="one line with the key", found=f"{len(key.splitlines())} lines"
        )
    return key


def _headers(lines: Sequence[str]) -> dict[str, str]:
    headers: dict[str, str] = {}
    for i, line in enumerate(lines):
        name, colon, value = line.partition(":")
        if not colon or not name.strip() or not value.strip():
            raise InputError(f"header[{i}]", expected='"Name: value"', found="no name or no value")
        headers[name.strip()] = value.strip()
    return headers


def _body(text: str | Mapping[str, Any] | None) -> dict[str, Any]:
    if text is None:
        return {}
    if isinstance(text, Mapping):
        return dict(text)
    try:
        fields = json.loads(text)
    except ValueError as error:
        raise InputError("body", expected="a JSON object", found=f"{text[:40]!r} ({error})") from None
    if not isinstance(fields, dict):
        raise InputError("body", expected="a JSON object", found=type(fields).__name__)
    return fields
