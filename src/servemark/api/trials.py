"""The closed loop on this machine's CPU: the small engine that ships, measured at loads to fit on and to predict."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from msgspec.structs import replace

from servemark.api.measured import until_finished
from servemark.calibration.devices import cpu_device, cpu_rates
from servemark.calibration.trials import Trial
from servemark.catalogue.architectures import find_model
from servemark.catalogue.engine_defaults import find_engine
from servemark.domain.deployment import Deployment
from servemark.domain.gpu import Gpu, Node
from servemark.domain.run import Run
from servemark.domain.workload import FixedLength, Users, Workload
from servemark.engines import llamacpp, tiny
from servemark.load.progress import Progress
from servemark.measurement.session import measure_endpoint

TRIAL = Trial(
    calibration=tuple(Users(users=n) for n in (1, 4, 8)), validation=tuple(Users(users=n) for n in (2, 6))
)
WORKLOAD = Workload(input=FixedLength(tokens=128), output=FixedLength(tokens=64))
SLOTS = 8
SLOT_TOKENS = 512
"""Context of each slot: what a request comes to, more than twice."""
TRIAL_REQUESTS = 150
"""Of each level, whatever its users: a CPU core turns out about as many requests a second for one as for eight."""
MOST_THREADS = 4
"""More only wait for each other at a model of this size."""
MODEL_NAME = "Servemark tiny"
DTYPE = "fp16"
"""Of the weights in the file."""


def cpu_trial(
    runs: Path,
    *,
    requests: int,
    on_progress: Callable[[int, Progress], None],
    on_step: Callable[[str], None],
    command: str,
) -> Run:
    """Measure the CPU, then the engine on it; the run knows its deployment.

    Raises:
        MissingExtra: the engine is not installed.
        EngineError: it did not start.
    """
    threads = min(llamacpp.spare_cores(), MOST_THREADS)
    on_step(
        f"1/3 measuring this CPU with {threads} thread{'' if threads == 1 else 's'}, as the engine uses it"
    )
    device = cpu_device(cpu_rates(threads), measured_on=datetime.now(UTC).date())
    for note in device.notes:
        on_step(f"    {note}")
    order = TRIAL.order
    on_step(f"2/3 measuring llama.cpp at {', '.join(str(load.users) for load in order)} users")
    engine = llamacpp.start(
        tiny.gguf_path(), slots=SLOTS, context_tokens=SLOTS * SLOT_TOKENS, threads=threads
    )
    with engine:
        return until_finished(
            measure_endpoint(
                engine.base_url,
                loads=order,
                workload=WORKLOAD,
                seed=0,
                requests=requests,
                engine_cpu_s=engine.cpu_s,
                settings={"engine": f"{engine.name}, {engine.version}"}
                | {key: str(value) for key, value in engine.settings.items()},
                deployment=trial_deployment(device),
                runs_root=runs,
                command=command,
                on_progress=on_progress,
            )
        )


def trial_deployment(device: Gpu) -> Deployment:
    """The small model on llama.cpp's slots."""
    model = replace(find_model(str(tiny.folder() / "config.json")), key="tiny", name=MODEL_NAME)
    engine = replace(
        find_engine("llama.cpp"),
        max_num_seqs=SLOTS,
        context_tokens=SLOTS * SLOT_TOKENS,
        shared_context=False,
    )
    return Deployment(model=model, node=Node(gpu=device), dtype=DTYPE, kv_dtype="fp16", engine=engine)
