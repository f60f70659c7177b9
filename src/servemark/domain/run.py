"""A run: what a prediction, a simulation and a measurement all return.

Times are seconds since the start of the run on one monotonic clock (for a twin or a simulation, in
simulated seconds); `Provenance.started` is the one wall-clock anchor.
"""

from __future__ import annotations

from typing import Literal

from servemark.domain.capacity import Capacity, Verdict
from servemark.domain.coefficients import Coefficients
from servemark.domain.deployment import Deployment
from servemark.domain.elasticity import Elasticity
from servemark.domain.engine_sample import EngineFacts, EngineSample
from servemark.domain.exchange import Item, Judgement
from servemark.domain.finding import Finding
from servemark.domain.memory import MemoryBudget
from servemark.domain.quality import LevelQuality, QualityVerdict
from servemark.domain.record import Record
from servemark.domain.workload import Load, Slo, Workload

RUN_SCHEMA = "servemark.run/1"

Outcome = Literal["complete", "truncated", "refused", "timed_out", "broken", "transport"]
OUTCOMES: tuple[Outcome, ...] = (
    "complete", "truncated", "refused", "timed_out", "broken", "transport",
)  # fmt: skip
"""How a request ends, exactly one of:

complete: all that was asked for, properly finished; truncated: finished early by a length limit;
refused: an HTTP error status before any answer; timed_out: our own time limit passed; broken: an
error inside a 200 stream, an empty 200, or a stream without finish reason; transport: connection
refused, reset or closed.
"""


class RequestRecord(Record, frozen=True, kw_only=True):
    """One request, as it went. Absent stamps are None: nothing is made up."""

    index: int
    warmup: bool = False
    user: int | None = None
    """Which user of a closed loop sent it."""
    replica: int | None = None
    scheduled_s: float
    """When it should have been sent (closed loop: when its user was ready)."""
    sent_s: float | None = None
    first_byte_s: float | None = None
    """First byte of the response body."""
    first_token_s: float | None = None
    """First chunk with text."""
    last_token_s: float | None = None
    end_s: float
    """Response fully read, or the moment it failed."""
    input_tokens: int | None = None
    """As the server counts; for a simulation as planned."""
    output_tokens: int = 0
    """As the server counts (usage); the number of text chunks where it does not say."""
    text_chunks: int = 0
    cached_tokens: int | None = None
    """Prompt tokens served from the prefix cache."""
    outcome: Outcome
    status: int | None = None
    """HTTP status."""
    reason: str = ""
    """Why it did not complete, in words."""
    finish_reason: str | None = None
    retried: bool = False
    """Sent again on a fresh connection because a kept-alive one had died before any byte."""
    preemptions: int = 0
    chunk_s: tuple[float, ...] = ()
    """Arrival of every text chunk (measured runs)."""
    stalls_s: tuple[float, ...] = ()
    """Gaps that no step covers (simulated runs: from preemption to the next token)."""
    item: str | None = None
    """Item of the suite that was asked."""
    text: str = ""
    """Its answer; kept for items only."""
    reasoning: str = ""
    """What the engine sent apart from the answer as the model's thoughts."""
    nonce: str = ""
    """The code in the prompt that no other request has."""
    block: int = 0
    """Block of the experiment: each block visits every load once, in an order of its own."""
    judgement: Judgement | None = None


class StepRecord(Record, frozen=True, kw_only=True):
    """A stretch of equal engine steps: `count` steps whose durations run linearly from first to last."""

    replica: int = 0
    start_s: float
    count: int = 1
    first_s: float
    last_s: float
    decodes: int
    """Sequences that decode one token in each step and had a token before: one ITL gap each."""
    prefill_tokens: int = 0
    waiting: int = 0
    kv_used_ratio: float | None = None


class GpuSample(Record, frozen=True, kw_only=True):
    """One sample of one board."""

    at_s: float
    gpu: int
    power_w: float | None = None
    temperature_c: float | None = None
    utilization_ratio: float | None = None
    memory_used_bytes: float | None = None
    clock_hz: float | None = None


class Distribution(Record, frozen=True, kw_only=True):
    """One metric over a level."""

    n: int
    mean: float | None = None
    p50: float | None = None
    p95: float | None = None
    p99: float | None = None
    ci: dict[str, tuple[float, float] | None] = {}
    """By statistic, 95 % interval of sampling error; None where none exists at this n."""
    band: dict[str, tuple[float, float]] = {}
    """By statistic, 80 % band of prediction error; empty where nothing was predicted."""
    together_ratio: float | None = None
    """Of measured gaps: the share that reads 0, because one read brought several chunks."""


class Lag(Record, frozen=True, kw_only=True):
    """The instrument's own error, in seconds of the run's clock."""

    send_p99_s: float
    """Sent minus scheduled."""
    loop_p99_s: float
    """How late the client's event loop woke up: bounds the error of every stamp."""
    loop_mean_s: float | None = None
    """How late a stamp is on average on account of the event loop."""
    server_p99_s: float | None = None
    """What a twin says of its own lateness (times its time factor)."""
    peak_in_flight: int = 0
    asked_in_flight: int | None = None
    reduced_accuracy: bool = True

    @property
    def total_s(self) -> float:
        """The most by which a latency of this level may be too long."""
        return self.loop_p99_s + (self.server_p99_s or 0.0)


class CpuShare(Record, frozen=True, kw_only=True):
    """Cores kept busy during a level (1.0 = one core)."""

    client_cores: float
    engine_cores: float | None = None
    machine_cores: int


class Window(Record, frozen=True, kw_only=True):
    """The steady part of a level: between ramp-up and tail, where throughput is counted."""

    start_s: float
    end_s: float
    steady: bool = True
    note: str = ""


class Level(Record, frozen=True, kw_only=True):
    """One load: the raw rows, and what they come to."""

    load: Load
    requests_sent: int
    """Without warm-up; the sum of `outcomes`."""
    warmup_sent: int = 0
    outcomes: dict[str, int]
    """Count of each of `OUTCOMES`."""
    metrics: dict[str, Distribution]
    """Latency metrics by key of `METRICS`: `ttft_s itl_s tpot_s e2e_s` and others of complete requests."""
    output_tokens_per_s: float | None
    requests_per_s: float | None
    failures_ratio: float | None = None
    """Requests that did not complete, of those sent."""
    bands: dict[str, tuple[float, float]] = {}
    """80 % bands of prediction error of `output_tokens_per_s` and `requests_per_s`; empty where measured."""
    preemptions: int = 0
    cut: int = 0
    """Requests still in flight when the level ended, counted nowhere: they would have been the slowest."""
    elasticity: Elasticity | None = None
    """Of an autoscaled fleet: its replicas over time, what it lost and what it cost."""
    window: Window | None = None
    lag: Lag | None = None
    cpu: CpuShare | None = None
    quality: LevelQuality | None = None
    """Of the answers to a suite."""
    verdict: Verdict | None = None
    notes: tuple[str, ...] = ()
    requests: tuple[RequestRecord, ...] = ()
    steps: tuple[StepRecord, ...] = ()
    samples: tuple[GpuSample, ...] = ()
    engine: tuple[EngineSample, ...] = ()
    """What the engine said of itself meanwhile."""

    @property
    def accuracy_ratio(self) -> float | None:
        """Useful answers of the complete ones."""
        return self.quality.accuracy_ratio if self.quality else None

    @property
    def useful_ratio(self) -> float | None:
        """Useful answers of all requests sent."""
        return self.quality.useful_ratio if self.quality else None

    @property
    def quality_loss_ratio(self) -> float | None:
        """Paired loss of useful answers against the same items alone."""
        return self.quality.loss_ratio if self.quality else None


class Endpoint(Record, frozen=True, kw_only=True):
    """What was measured over HTTP. Never holds a key."""

    url: str
    model: str
    server: str = ""
    """What the server says of itself (header, /health), or the local engine and version."""
    time_factor: float = 1.0
    """How much faster than real time a twin's clock runs."""
    settings: dict[str, str] = {}
    engine: EngineFacts | None = None
    """What the engine says of its shape."""


class Provenance(Record, frozen=True, kw_only=True):
    """How the run came to be, so that another can repeat it."""

    servemark: str
    started: str
    """Wall-clock start, ISO 8601 with zone."""
    seed: int
    python: str = ""
    platform: str = ""
    cores: int = 0
    load_average: float | None = None
    command: str = ""
    finished: bool = True
    """False when interrupted: the run holds what was measured so far."""


class Run(Record, frozen=True, kw_only=True):
    """A run. `origin` says whether it was predicted or measured; nothing else does."""

    schema: str = RUN_SCHEMA
    id: str = ""
    """Folder name once stored: `0007-measured-llama-3.1-8b`."""
    origin: Literal["predicted", "measured"]
    method: Literal["closed form", "simulation", "load test"]
    title: str
    deployment: Deployment | None = None
    endpoint: Endpoint | None = None
    workload: Workload
    slos: tuple[Slo, ...] = ()
    memory: MemoryBudget | None = None
    coefficients: Coefficients | None = None
    levels: tuple[Level, ...] = ()
    controls: tuple[Level, ...] = ()
    """Loads measured a second time (A/A): the lowest in the last block, the highest once more. They enter no
    chart, table or capacity of their own."""
    items: tuple[Item, ...] = ()
    """The questions that were asked, where they came from a suite."""
    quality: QualityVerdict | None = None
    findings: tuple[Finding, ...] = ()
    """The diagnosis."""
    capacity: Capacity | None = None
    provenance: Provenance
    extrapolations: tuple[str, ...] = ()
    """Of a prediction: what lies outside the range that its coefficients were fitted to, and why its bands
    are wider for it."""
    notes: tuple[str, ...] = ()

    @property
    def gpus(self) -> int | None:
        """GPUs of the deployment, where known."""
        return self.deployment.gpus if self.deployment else None
