"""What a twin is started with."""

from __future__ import annotations

import math
from typing import Literal

from servemark.domain.coefficients import Coefficients
from servemark.domain.deployment import Deployment
from servemark.domain.exchange import Suite
from servemark.domain.record import Record
from servemark.domain.workload import Length
from servemark.errors import InputError
from servemark.simulation.policies import policy_of
from servemark.twins.faults import FaultPlan

OverloadStatus = Literal[429, 503]


class TwinSettings(Record, frozen=True, kw_only=True):
    """One twin, complete: it looks up nothing by itself."""

    deployment: Deployment
    coefficients: Coefficients
    kv_blocks: int
    """KV-cache blocks of one replica."""
    time_factor: float = 1.0
    """How much faster than the wall clock the simulated clock runs."""
    seed: int = 0
    output: Length | None = None
    """Lengths of answers that end by themselves; None = every answer runs to its `max_tokens`."""
    max_waiting: int | None = None
    """Requests that may wait for a seat in one replica; None = no limit."""
    overload_status: OverloadStatus = 503
    """What a request gets beyond that limit: 503 as vLLM answers, 429 as gateways do."""
    suite: Suite | None = None
    """A prompt that is one of its items gets that item's right answer."""
    faults: FaultPlan | None = None
    """What goes wrong on purpose."""
    fault_log: str | None = None
    """File that takes down which request got which fault, as JSON lines."""

    @property
    def title(self) -> str:
        """What it stands for; no twin with faults can be taken for one without."""
        title = self.deployment.title
        return f"{title}, {self.faults.title}" if self.faults else title

    @property
    def model_name(self) -> str:
        """Name under which the model is served."""
        return self.deployment.model.key


def check_settings(settings: TwinSettings) -> None:
    """Refuse impossible settings.

    Raises:
        InputError: naming the field.
    """
    factor = settings.time_factor
    if not (math.isfinite(factor) and factor > 0):
        raise InputError("time_factor", expected="a number above 0", found=factor)
    if settings.max_waiting is not None and settings.max_waiting < 0:
        raise InputError("max_waiting", expected="0 or more", found=settings.max_waiting)
    policy_of(settings.deployment.engine, settings.kv_blocks)
