"""From nothing to the first token: the parts of a cold start, and the rates they come from."""

from __future__ import annotations

import math
from typing import Literal

from servemark.domain.record import Record

WeightsFrom = Literal["hub", "object-storage", "network-volume", "local-nvme", "ram"]
"""Where a replica reads its weights: a public model hub, object storage in the region, a network disk, a disk
in the server, or the server's memory (they were there before)."""


class StartupRate(Record, frozen=True, kw_only=True):
    """A published speed or time, with the range that sources give."""

    value: float
    between: tuple[float, float]
    """Least and most, in the order of the numbers, not of good and bad."""
    source: str
    date: str


class EngineStart(Record, frozen=True, kw_only=True):
    """What an engine does between its start and its first request."""

    compiles: bool
    """Traces and compiles the model (vLLM's torch.compile)."""
    captures: bool
    """Captures CUDA graphs."""
    process_s: StartupRate
    """Imports, server, worker processes: until weights are read."""


class StartupRates(Record, frozen=True, kw_only=True):
    """Everything a cold start is reckoned from."""

    boot_s: StartupRate
    """From asking for an instance to running containers on it."""
    image_bytes: StartupRate
    """Container image with engine, CUDA and PyTorch, as it is stored: compressed."""
    image_bytes_per_s: StartupRate
    """Pull and unpack together, of compressed bytes."""
    weights_bytes_per_s: dict[str, StartupRate]
    """By `WeightsFrom`, of a whole server."""
    loader_bytes_per_s: StartupRate
    """What one rank's loader moves from host memory into its GPU."""
    trace_s: StartupRate
    """Tracing, without its share per layer."""
    trace_layer_s: StartupRate
    compile_layer_s: StartupRate
    """Compiling, where nothing is cached."""
    cached_compile_s: StartupRate
    """Loading what was compiled before, without its share per layer."""
    cached_compile_layer_s: StartupRate
    profile_s: StartupRate
    """The profiling run that sizes the KV cache."""
    graph_layer_s: StartupRate
    """Capturing one batch size, per layer."""
    processor: StartupRate
    """How much longer all of the engine's start takes on a cloud server than on the machine of its rates."""
    engines: dict[str, EngineStart]


class Stage(Record, frozen=True, kw_only=True):
    """One part of a cold start."""

    name: str
    time_s: float
    between_s: tuple[float, float]
    how: str
    """The arithmetic in words."""
    source: str
    """Where its rate comes from, with date."""


class ColdStart(Record, frozen=True, kw_only=True):
    """The time from asking for a replica to its first token, part by part, one after the other."""

    stages: tuple[Stage, ...]

    @property
    def time_s(self) -> float:
        """All parts."""
        return sum(stage.time_s for stage in self.stages)

    @property
    def between_s(self) -> tuple[float, float]:
        """Range of the sum: the parts are independent, so their deviations add in quadrature."""
        low = math.hypot(*(stage.time_s - stage.between_s[0] for stage in self.stages))
        high = math.hypot(*(stage.between_s[1] - stage.time_s for stage in self.stages))
        return self.time_s - low, self.time_s + high
