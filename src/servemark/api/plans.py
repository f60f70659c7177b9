"""`plan`: what to buy for a demand, the alternatives, and why every other deployment lost."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from servemark.api.calibration_files import coefficient_source, open_calibration, plan_notes, with_device
from servemark.api.loads import Numbers
from servemark.api.plan_options import (
    DEFAULT_SLOS,
    Names,
    applicable,
    fleet_kinds,
    mean_load_per_s,
    parse_budget,
    parse_engines,
    parse_gpus,
    parse_headroom,
    parse_names,
    parse_precisions,
    parse_spare,
    parse_topology,
    parse_weights_from,
    peak_demand,
    require_one_kind,
)
from servemark.api.quantities import (
    DEFAULT_INPUT_TOKENS,
    DEFAULT_OUTPUT_TOKENS,
    parse_amount,
    parse_slos,
    parse_tokens,
)
from servemark.api.training_questions import TrainingOptions, training_question
from servemark.catalogue.architectures import find_model
from servemark.catalogue.offers import offers
from servemark.catalogue.places import find_place
from servemark.domain.lengths import mean_tokens, quantile_tokens
from servemark.domain.model import ModelArch
from servemark.domain.plans import Plan, Requirements
from servemark.domain.training import TrainingPlan
from servemark.domain.workload import Slo, Workload
from servemark.errors import InputError
from servemark.planning.loads import busiest_part, longest_tokens, steady_workload
from servemark.planning.search import search_plan
from servemark.planning.shapes import Search
from servemark.planning.training import training_plan
from servemark.traffic.traces import Trace, left_out
from servemark.units import parse

TRACE_REQUESTS: Final = 2500
"""Of a longer recording the busiest stretch of so many requests is planned for."""


def plan(
    model: str | None = None,
    /,
    *,
    users: Numbers | None = None,
    rate: Numbers | None = None,
    think: float | str | None = None,
    input: int | str | None = None,
    output: int | str | None = None,
    traffic: str | None = None,
    trace: Path | None = None,
    slo: str | Sequence[Slo] | None = None,
    budget: str | float | None = None,
    gpus: Names | None = None,
    providers: Names | None = None,
    regions: Names | None = None,
    purchase: Names | None = None,
    dtype: Names | None = None,
    kv_dtype: Names | None = None,
    engine: Names | None = None,
    topology: str | None = None,
    calibration: str | Path | None = None,
    max_gpus: int | None = None,
    headroom: str | float | None = None,
    spare: int = 0,
    fleet: str | None = None,
    mixed: bool = False,
    users_in: str | None = None,
    weights_from: str | None = None,
    closed_form: bool = False,
    seed: int = 0,
    train: str | None = None,
    tokens: int | str | None = None,
    max_hours: str | float | None = None,
    count: str | int | Sequence[int] | None = None,
    sequence: int | str | None = None,
    rank: int | None = None,
    optimizer: str | None = None,
    mfu: str | float | None = None,
    checkpointing: str | None = None,
    loss: str | None = None,
    batch_tokens: int | str | None = None,
    network: str | float | None = None,
    took: str | float | None = None,
) -> Plan | TrainingPlan:
    """Find what to buy: the cheapest deployment that keeps every promise, and why the others lost.

    Args:
        model: model key, path of a config.json, or hub id.
        users: the peak as users who each wait for their answer, e.g. 100.
        rate: or the peak as requests per second, e.g. 3/s.
        think: seconds between a user's answer and next request, e.g. 20s.
        input: input tokens (default 512).
        output: output tokens (default 128).
        traffic: lengths and arrivals of a traffic profile, at --rate where that is given.
        trace: lengths and arrivals of a recorded trace, at --rate where that is given.
        slo: promises, e.g. ttft_p95=2s,tpot_p95=40ms (default: ttft_p95=2s,tpot_p95=50ms).
        budget: e.g. 5000usd/month or 7usd/hour (training: dollars for the run, e.g. 500usd).
        gpus: only these, e.g. l40s,h100 (a family name gives all its members).
        providers: only offers of these, e.g. aws,runpod.
        regions: only offers in these.
        purchase: ways to pay, e.g. on-demand,spot (default: on-demand).
        dtype: formats of the weights (default: the checkpoint's own, and fp8).
        kv_dtype: formats of the KV cache (default: 16 bits, and fp8 beside fp8 weights).
        engine: NAME or NAME@VERSION, several with commas (default: vllm).
        topology: what joins the GPUs of a replica, where their type allows it: nvswitch, nvlink-bridge,
            pcie-switch, pcie-numa or host (default: the GPU's own link, else one PCIe switch).
        calibration: file that `calibrate` wrote, or last: own measurements of one GPU, dtype and engine.
        max_gpus: most GPUs.
        headroom: how far above the peak it has to hold, e.g. 20%.
        spare: replicas more than needed; 1 = it still holds with one down.
        fleet: pools to try beside one: one, split, disaggregated or all (default: all where prompts spread).
        mixed: try two kinds of GPU behind one router as well.
        users_in: city or region of the users: the round trip to the offer is stated.
        weights_from: where a starting replica reads its weights: hub, object-storage (the default),
            network-volume, local-nvme or ram.
        closed_form: leave out the simulation of survivors: faster, tails less sure.
        seed: the same seed gives the same plan.
        train: plan a training run instead: full, lora or qlora.
        tokens: training: tokens of all epochs, e.g. 50M.
        max_hours: training: longest run.
        count: training: numbers of GPUs to look at, e.g. 1,2,4,8.
        sequence: training: tokens of a sequence.
        rank: training: rank of the LoRA adapters.
        optimizer: training: the optimizer.
        mfu: training: share of the peak FLOP/s that is reached, e.g. 40% or 35%-45%.
        checkpointing: training: only none, selective or full.
        loss: training: fp32 (the default), bf16, chunked or fused cross entropy.
        batch_tokens: training: tokens of one optimizer step.
        network: training: between servers, per GPU and direction, e.g. 50GB/s.
        took: training: how long a published run took, e.g. 20d, to say which MFU that implies.

    Returns:
        The plan; `choice` is None where nothing holds, and `miss` then says what came nearest.

    Raises:
        InputError: unknown names, impossible quantities, or nothing to plan for.
    """
    require_one_kind(locals())
    if train is not None:
        options = TrainingOptions(
            tokens=tokens, gpus=gpus, providers=providers, count=count, max_hours=max_hours, budget=budget,
            sequence=sequence, rank=rank, optimizer=optimizer, mfu=mfu, checkpointing=checkpointing, loss=loss,
            batch_tokens=batch_tokens, network=network, took=took, regions=regions, purchase=purchase,
            max_gpus=max_gpus,
        )  # fmt: skip
        return training_plan(training_question(model, train, options))
    arch = _served_model(model)
    if traffic is None and trace is None:
        input = parse_tokens(input, DEFAULT_INPUT_TOKENS, "input")
        output = parse_tokens(output, DEFAULT_OUTPUT_TOKENS, "output")
    workload, load, recorded = peak_demand(
        users=users, rate=rate, think_s=parse(think, "s", path="think") if think is not None else 0.0,
        input=input, output=output, traffic=traffic, trace=trace,
    )  # fmt: skip
    slos = parse_slos(slo)
    own = open_calibration(calibration)
    wanted = with_device(own, parse_gpus(gpus))
    keys = tuple(gpu.key for gpu in wanted)
    purchases = parse_names(purchase) or ("on-demand",)
    found = offers(parse_names(providers) or None, keys, parse_names(regions) or None, purchases)
    asked = Requirements(
        model=arch,
        workload=workload,
        load=load,
        replay_per_s=mean_load_per_s(load, recorded),
        slos=applicable(slos or DEFAULT_SLOS, workload),
        slos_assumed=not slos,
        budget_usd_per_month=parse_budget(budget),
        max_gpus=parse_amount(max_gpus, "max_gpus", minimum=1),
        headroom_ratio=parse_headroom(headroom),
        spare_replicas=parse_spare(spare),
        consumer=gpus is not None,
        providers=parse_names(providers),
        regions=parse_names(regions),
        purchases=purchases,  # pyright: ignore[reportArgumentType]
        gpus=keys,
        users_in=None if users_in is None else find_place(users_in, path="users_in"),
        weights_from=parse_weights_from(weights_from),
        seed=parse_amount(seed, "seed", minimum=0) or 0,
    )
    search = Search(
        model=arch,
        gpus=wanted,
        engines=parse_engines(engine),
        dtypes=parse_precisions(dtype, "dtype"),
        kv_dtypes=parse_precisions(kv_dtype, "kv_dtype"),
        sequence_tokens=_longest(arch, workload, recorded),
        topology=parse_topology(topology),
        coefficients=coefficient_source(own),
    )
    return search_plan(
        asked, search, found, trace=recorded and busiest_part(recorded, TRACE_REQUESTS),
        simulated=not closed_form,
        fleets=fleet_kinds(fleet, mixed, steady_workload(workload, recorded)),
        notes=(*plan_notes(own), *_trace_notes(recorded)),
    )  # fmt: skip


def _trace_notes(recorded: Trace | None) -> tuple[str, ...]:
    """What of the recording is not played."""
    if recorded is None:
        return ()
    whole = len(recorded.requests)
    if whole <= TRACE_REQUESTS:
        return left_out(recorded)
    return (
        *left_out(recorded),
        f"of the {whole:,} recorded requests the busiest {TRACE_REQUESTS:,} in a row are played",
    )


def _served_model(model: str | None) -> ModelArch:
    """The model, if it generates: an encoder has no tokens to promise."""
    if model is None:
        raise InputError("model", expected="a model, e.g. llama-3.1-8b", found="none")
    arch = find_model(model, path="model")
    if arch.kind == "encoder":
        raise InputError(
            "model", expected="a model that generates (an encoder: use predict)", found=arch.key
        )
    return arch


def _longest(arch: ModelArch, workload: Workload, recorded: Trace | None) -> int:
    """Tokens of the longest sequence that has to fit, as far as the model's context goes.

    Raises:
        InputError: the mean sequence is longer than that.
    """
    limit = arch.max_context_tokens
    mean = math.ceil(mean_tokens(workload.input) + mean_tokens(workload.output))
    if recorded is None and mean > limit:
        raise InputError("input", expected=f"input + output at most the model's {limit} tokens", found=mean)
    tail = longest_tokens(workload, recorded)
    if tail is None:
        tail = math.ceil(quantile_tokens(workload.input, 0.999) + quantile_tokens(workload.output, 0.999))
    return min(tail, limit)
