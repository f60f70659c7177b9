"""One measured run: preflight, levels, the summary and verdict of each, stored as it goes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
from msgspec.structs import replace

from servemark.client.credentials import Credentials
from servemark.client.endpoint import base_url
from servemark.client.engine_metrics import EngineSource, check_metrics_url, find_engine
from servemark.client.preflight import Preflight, check_endpoint
from servemark.diagnosis.causes import diagnose
from servemark.domain.deployment import Deployment
from servemark.domain.exchange import Item
from servemark.domain.run import Endpoint, Run
from servemark.domain.workload import Load, Slo, Workload
from servemark.errors import InputError
from servemark.measurement.experiment import Experiment, opened, plan_visits, play_visits
from servemark.measurement.judgements import judged
from servemark.measurement.prompts import PromptSource, calibration_messages, word_count
from servemark.measurement.questions import suite_workload
from servemark.measurement.rig import OnProgress, Rig
from servemark.measurement.schedule import default_remarks, plan_levels
from servemark.measurement.sweep import play_levels
from servemark.store.folders import RunWriter, create_run
from servemark.store.provenance import provenance_now
from servemark.traffic.traces import Trace

DEFAULT_TIMEOUT_S = 600.0


async def measure_endpoint(
    url: str,
    *,
    model: str | None = None,
    loads: Sequence[Load],
    workload: Workload,
    slos: Sequence[Slo] = (),
    seed: int = 0,
    requests: int | None = None,
    duration_s: float | None = None,
    warmup: int | None = None,
    preflight: bool = True,
    trace: Trace | None = None,
    items: Sequence[Item] = (),
    experiment: Experiment | None = None,
    metrics_url: str | None = None,
    api_key: str | None = None,
    headers: Mapping[str, str] | None = None,
    extra_body: Mapping[str, Any] | None = None,
    timeout_s: float = DEFAULT_TIMEOUT_S,
    engine_cpu_s: Callable[[], float | None] | None = None,
    settings: Mapping[str, str] | None = None,
    deployment: Deployment | None = None,
    runs_root: Path | None = None,
    title: str | None = None,
    notes: Sequence[str] = (),
    command: str = "",
    on_progress: OnProgress = lambda level, progress: None,
) -> Run:
    """Load-test an OpenAI-compatible endpoint, one level after the other.

    All times are run seconds: those of the twin's clock where the endpoint announces one. After a
    cancellation (Ctrl-C) the levels measured so far are returned, `provenance.finished` false.

    Args:
        url: API root, usually ending in `/v1`.
        model: as the endpoint names it; default the first it lists.
        loads: levels, in this order.
        workload: lengths; the output length is the `max_tokens` of every request.
        slos: promises to judge each level by.
        seed: of arrivals, lengths and texts.
        requests: of each level after its warm-up. Without it and `duration_s`: the whole trace, or
            the larger of 100 and 10 per user.
        duration_s: nothing is sent from then on, counted from the start of the level.
        warmup: requests before each level; default one per user, or one.
        preflight: ask for the models, the health and one tiny completion first. Without it `model`
            must be given, and a twin's clock is not known.
        trace: recorded requests to replay or to take lengths from.
        items: questions to ask in turn, instead of synthetic prompts; their answers may end by
            themselves and are kept.
        experiment: ask a suite at every load instead; `workload`, `requests`, `duration_s`, `trace` and `items`
            are not looked at then, and `warmup` counts for each visit to a load.
        metrics_url: of the engine's Prometheus exposition, where it is not found by itself.
        api_key: sent as a bearer token, kept in memory only.
        headers: more headers; their values are kept out of every record too.
        extra_body: fields that every request body gets besides (None as value: is to leave out).
        timeout_s: after which a request counts as timed out.
        engine_cpu_s: processor seconds used so far by a local engine.
        settings: engine settings to record.
        deployment: what is behind the endpoint, to record.
        runs_root: folder to keep the run in, written as it goes.
        title: of the report.
        notes: remarks that the run begins with.
        command: command line to record.
        on_progress: called about ten times a second with the index of the level and its state.

    Raises:
        InputError: impossible quantities, before anything is sent.
        EndpointError: the endpoint cannot be measured, in words.
        StoreError: the run folder cannot be written.
    """
    credentials = Credentials(api_key, headers)
    found = Preflight(url=base_url(url), model=model or "")
    if not timeout_s > 0:
        raise InputError("timeout", expected="a time above 0", found=timeout_s)
    check_metrics_url(metrics_url)
    planned = visits = remarks = ()
    if experiment is None:
        remarks = default_remarks(requests, duration_s, trace)
        planned = plan_levels(
            loads, workload, seed=seed, requests=requests, duration_s=duration_s, warmup=warmup, trace=trace
        )
        messages = calibration_messages(items, planned[0][0], seed)
    else:
        visits = plan_visits(experiment, loads, seed=seed, warmup=warmup)
        messages = experiment.suite.items[0].messages
    if not preflight and not model:
        raise InputError("model", expected="a model name, as the preflight is left out", found="none")
    if preflight:
        found = await check_endpoint(
            url, model=model, credentials=credentials, extra_body=extra_body, messages=messages
        )
    source = EngineSource()
    if preflight or metrics_url:
        source = await find_engine(
            found.url,
            credentials=credentials, metrics_url=metrics_url, server=found.server, settings=settings,
        )  # fmt: skip
    run = Run(
        origin="measured",
        method="load test",
        title=title or _title(found),
        deployment=deployment,
        endpoint=_endpoint(found, source, settings, credentials.redact(_json(extra_body))),
        workload=workload if experiment is None else suite_workload(experiment.suite),
        slos=tuple(slos),
        provenance=replace(provenance_now(seed, credentials.redact(command)), finished=False),
        notes=(*notes, *found.notes, *source.notes, *remarks),
    )
    if experiment is not None:
        run = opened(run, experiment, loads)
    writer = create_run(runs_root, run) if runs_root is not None else None
    rig = Rig(found, source, writer, engine_cpu_s, on_progress)
    try:
        async with rig.open(credentials, timeout_s):
            if experiment is not None:
                run = await play_visits(rig, run, visits, experiment.suite, extra_body, writer)
            else:
                prompts = PromptSource(run, items=items, extra_body=extra_body)
                if found.prompt_tokens and not items:
                    prompts.scale.add(word_count(messages), found.prompt_tokens)
                run = await play_levels(rig, run, planned, prompts, writer)
        run = replace(run, notes=run.notes + rig.notes)
        if experiment is not None:
            run = judged(run, margin_ratio=experiment.margin_ratio, alpha=experiment.alpha)
        return _kept(replace(run, findings=diagnose(run)), writer)
    finally:
        if writer is not None:
            writer.close()


def _kept(run: Run, writer: RunWriter | None) -> Run:
    """The finished run, written for good."""
    if writer is None:
        return run
    run = replace(run, id=writer.finish(run).name)
    return replace(run, notes=(*run.notes, writer.problem)) if writer.problem else run


def _title(found: Preflight) -> str:
    if found.health.twin and found.health.deployment:
        return f"The twin of {found.health.deployment}"
    return f"{found.model} at {found.url}"


def _endpoint(
    found: Preflight, source: EngineSource, settings: Mapping[str, str] | None, extra_body: str
) -> Endpoint:
    recorded = dict(settings or {})
    if extra_body:
        recorded["extra_body"] = extra_body
    return Endpoint(
        url=found.url,
        model=found.model,
        server=found.server,
        time_factor=found.health.time_factor,
        settings=recorded,
        engine=source.facts if source.facts.source else None,
    )


def _json(extra_body: Mapping[str, Any] | None) -> str:
    return msgspec.json.encode(extra_body).decode() if extra_body else ""
