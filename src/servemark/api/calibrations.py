"""`calibrate`: own measurements -> coefficients that the next prediction uses."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Unpack

from msgspec.structs import replace

from servemark.api.deployments import DeploymentOptions, build_deployment, coefficients_of
from servemark.api.kernels import kernel_calibration
from servemark.api.listing import DEFAULT_RUNS
from servemark.api.quantities import parse_amount
from servemark.api.trials import TRIAL, TRIAL_REQUESTS, cpu_trial
from servemark.calibration.devices import unfamiliar
from servemark.calibration.improvement import FEWEST_LOADS, improvement, loads_of
from servemark.calibration.load_points import FEWEST_REQUESTS, LoadPoint, load_points
from servemark.calibration.trials import with_roles
from servemark.domain.calibration import Calibration
from servemark.domain.coefficients import Coefficients, Fitted
from servemark.domain.deployment import Deployment
from servemark.domain.run import Run
from servemark.errors import InputError, UnknownName
from servemark.load.progress import Progress
from servemark.stats.summary import summarise
from servemark.store.calibrations import keep_calibration
from servemark.store.folders import load_run
from servemark.store.provenance import provenance_now

Measured = tuple[Run, Deployment]


def calibrate(
    *references: str | int | Path | Run,
    gpu_bench: bool = False,
    device: str | None = None,
    requests: int | None = None,
    model: str | None = None,
    output: Path | None = None,
    runs: Path = DEFAULT_RUNS,
    on_progress: Callable[[int, Progress], None] = lambda level, progress: None,
    on_step: Callable[[str], None] = lambda _: None,
    on_command: str = "",
    **options: Unpack[DeploymentOptions],
) -> Calibration:
    """Refit the coefficients from measured runs or kernels, so that the next prediction is better.

    Args:
        references: measured runs of 3 to 5 loads, by number, id, folder or `last` (the default).
        gpu_bench: time the kernels of this machine's GPU instead (needs torch).
        device: cpu measures the small engine that ships on this machine's CPU, and fits to that.
        requests: of each of its ten levels (default: 150).
        model: what the runs measured, where they do not say: model key, config.json, or hub id.
        output: calibration file (default: the next number in the folder of the runs).
        runs: folder that keeps the runs.
        on_progress: told how far the level in progress has come.
        on_step: told each step in a sentence.
        on_command: command line to record.

    Returns:
        The calibration: coefficients, load points measured and predicted before and after, errors.

    Raises:
        InputError: a run of unknown deployment, or with too few usable load points.
        StoreError: no such run, or a file that cannot be written.
    """
    folder = Path(runs)
    if requests is not None and device is None:
        raise InputError("requests", expected="--device cpu beside it", found=requests)
    if gpu_bench:
        _check_alone("gpu_bench", references, model, {"device": device})
        return _kept(folder, kernel_calibration(options, on_step), output)
    if device is not None:
        _check_alone("device", references, model, options)
        if device != "cpu":
            raise UnknownName("device", kind="cpu", name=device, known=("cpu",))
        run = cpu_trial(
            folder,
            requests=parse_amount(requests, "requests", minimum=FEWEST_REQUESTS) or TRIAL_REQUESTS,
            on_progress=on_progress,
            on_step=on_step,
            command=on_command,
        )
        if not run.provenance.finished:
            on_step(f"interrupted; what was measured is kept as {run.id}")
            raise KeyboardInterrupt
        on_step("3/3 fitting")
        measured = [_loaded(folder, run, None, {})]
        points, left_out = _points(measured)
        points = with_roles(points, TRIAL)
    else:
        measured = [_loaded(folder, each, model, options) for each in references or ("last",)]
        points, left_out = _points(measured)
    calibration = _calibration(measured, points, _prior(points, options), left_out)
    return _kept(folder, calibration, output)


def _kept(runs: Path, calibration: Calibration, output: Path | None) -> Calibration:
    return keep_calibration(runs, calibration, None if output is None else Path(output))[0]


def _check_alone(
    way: str, references: Sequence[object], model: str | None, options: Mapping[str, object]
) -> None:
    """Refuse runs or a deployment beside a way that measures its own."""
    if references or model is not None or any(value is not None for value in options.values()):
        raise InputError(way, expected="no runs, device or deployment beside it", found="both")


def _loaded(
    runs: Path, reference: str | int | Path | Run, model: str | None, options: DeploymentOptions
) -> tuple[Run, Deployment]:
    """A measured run and what it measured.

    Raises:
        InputError: it was predicted, or nobody says what was deployed.
    """
    run = reference if isinstance(reference, Run) else load_run(runs, reference, summarise=summarise)
    if run.origin != "measured":
        raise InputError(
            "run", expected="a measured run", found=f"{run.id or run.title}, which is {run.origin}"
        )
    said = model is not None or any(
        value is not None for key, value in options.items() if key != "calibration"
    )
    deployment = build_deployment(model, options) if said else run.deployment
    if deployment is None:
        raise InputError(
            "run",
            expected="one that knows its deployment (else --model and --gpu, or --deployment FILE)",
            found=run.id or run.title,
        )
    if deployment.engine.speculative is not None:
        raise InputError(
            "engine.speculative", expected="a run without it: its steps are not fitted", found="given"
        )
    return run, deployment


def _points(measured: Sequence[Measured]) -> tuple[tuple[LoadPoint, ...], tuple[str, ...]]:
    """All usable load points of one GPU, dtype and engine, and what was left out.

    Raises:
        InputError: several GPUs, dtypes or engines; too few loads.
    """
    points: list[LoadPoint] = []
    left_out: list[str] = []
    for run, deployment in measured:
        found, unusable = load_points(run, deployment)
        points += found
        left_out += (f"{run.id or run.title}, {each}" for each in unusable)
    kinds = dict.fromkeys(_kind(deployment) for _, deployment in measured)
    if len(kinds) > 1:
        raise InputError("runs", expected="runs of one GPU, dtype and engine", found=", ".join(kinds))
    if (loads := loads_of(points)) < FEWEST_LOADS:
        why = f" ({'; '.join(left_out)})" if left_out else ""
        raise InputError("runs", expected=f"{FEWEST_LOADS} or more usable loads", found=f"{loads}{why}")
    return tuple(points), tuple(left_out)


def _kind(deployment: Deployment) -> str:
    engine = deployment.engine
    version = f"@{engine.version}" if engine.version else ""
    return f"{deployment.node.gpu.key} {deployment.dtype} {engine.name}{version}"


def _prior(points: Sequence[LoadPoint], options: DeploymentOptions) -> Coefficients:
    """What is known before: the factor of one model's kernels only where one model was measured."""
    known = coefficients_of(points[0].deployment, options)
    if points[0].deployment.node.gpu.vendor == "other" and options.get("calibration") is None:
        known = unfamiliar(known)
    if len({point.deployment.model.key for point in points}) > 1:
        return replace(known, time_ratio=Fitted(value=1.0, relative_error=known.time_ratio.relative_error))
    return known


def _calibration(
    measured: Sequence[Measured],
    points: Sequence[LoadPoint],
    prior: Coefficients,
    left_out: Sequence[str],
) -> Calibration:
    """The fit, and everything that tells where it comes from."""
    made = provenance_now(0)
    found = improvement(points, prior)
    names = tuple(dict.fromkeys(run.id or run.title for run, _ in measured))
    engines = dict.fromkeys(
        run.endpoint.server for run, _ in measured if run.endpoint and run.endpoint.server
    )
    loads = loads_of([point for point in points if point.role == "calibration"])
    fitted = replace(
        found.coefficients,
        source=f"{loads} loads of {', '.join(names)}",
        date=made.started[:10],
    )
    return Calibration(
        method="load test",
        started=made.started,
        device=points[0].deployment.node.gpu,
        coefficients=(fitted,),
        prior=(prior,),
        models=tuple(dict.fromkeys(point.deployment.model.key for point in points)),
        deployment=points[-1].deployment,
        runs=names,
        points=found.points,
        errors=found.errors,
        noise_ratio=found.noise_ratio,
        outcome=found.outcome,
        versions={"servemark": made.servemark} | ({"engine": "; ".join(engines)} if engines else {}),
        notes=tuple(f"left out: {each}" for each in left_out),
    )
