"""`/metrics` under vLLM's names. Durations are simulated seconds."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from servemark.domain.deployment import EngineConfig
from servemark.twins.counts import Histogram
from servemark.twins.fleet import Fleet
from servemark.twins.pacing import PacedReplica
from servemark.units import PS_PER_S

_LABELS = ("model_name", "engine")
_GAUGES: Sequence[tuple[str, str, Callable[[PacedReplica], float]]] = (
    ("vllm:num_requests_running", "Requests in the running batch.", lambda r: r.running),
    ("vllm:num_requests_waiting", "Requests waiting for a seat.", lambda r: r.waiting),
    ("vllm:kv_cache_usage_perc", "Share of the KV-cache blocks in use (0..1).",
     lambda r: r.replica.kv_used_ratio),
)  # fmt: skip
_COUNTERS: Sequence[tuple[str, str, Callable[[PacedReplica], float]]] = (
    ("vllm:num_preemptions", "Preemptions.", lambda r: r.replica.preemptions),
    ("vllm:prefix_cache_queries", "Prompt tokens looked up in the prefix cache.",
     lambda r: r.replica.prefix_queries),
    ("vllm:prefix_cache_hits", "Prompt tokens found in the prefix cache.",
     lambda r: r.replica.prefix_hits),
    ("vllm:prompt_tokens", "Prompt tokens of the requests that got a first token.",
     lambda r: r.counts.prompt_tokens),
    ("vllm:generation_tokens", "Tokens generated.", lambda r: r.counts.generation_tokens),
)  # fmt: skip
_HISTOGRAMS: Sequence[tuple[str, str, Callable[[PacedReplica], Histogram]]] = (
    ("vllm:time_to_first_token_seconds", "From receipt to the first token.", lambda r: r.counts.ttft),
    ("vllm:inter_token_latency_seconds", "Gaps between tokens.", lambda r: r.counts.itl),
    ("vllm:e2e_request_latency_seconds", "From receipt to the last token.", lambda r: r.counts.e2e),
    ("vllm:request_queue_time_seconds", "Time spent waiting for a seat.", lambda r: r.counts.queue),
)  # fmt: skip


class FleetCollector(Collector):
    """Reads the replicas when scraped: nothing is kept twice."""

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet

    def collect(self) -> Iterable[Metric]:
        """Every metric of every replica."""
        model = self._fleet.settings.model_name
        rows = [((model, str(i)), replica) for i, replica in enumerate(self._fleet.replicas)]
        for name, text, read in _GAUGES:
            gauge = GaugeMetricFamily(name, text, labels=_LABELS)
            for labels, replica in rows:
                gauge.add_metric(labels, read(replica))
            yield gauge
        for name, text, read in _COUNTERS:
            counter = CounterMetricFamily(name, text, labels=_LABELS)
            for labels, replica in rows:
                counter.add_metric(labels, read(replica))
            yield counter
        for name, text, histogram in _HISTOGRAMS:
            family = HistogramMetricFamily(name, text, labels=_LABELS)
            for labels, replica in rows:
                counted = histogram(replica)
                family.add_metric(labels, counted.buckets(), counted.sum_ps / PS_PER_S)
            yield family
        yield _finished(rows)
        yield _rejected(rows)
        yield _cache_config(self._fleet)


def exposition(fleet: Fleet) -> Callable[[], bytes]:
    """What `/metrics` answers, in Prometheus' text format."""
    registry = CollectorRegistry()
    registry.register(FleetCollector(fleet))
    return lambda: generate_latest(registry)


_Rows = list[tuple[tuple[str, str], PacedReplica]]


def _finished(rows: _Rows) -> Metric:
    labels = (*_LABELS, "finished_reason")
    family = CounterMetricFamily("vllm:request_success", "Requests by how they ended.", labels=labels)
    for names, replica in rows:
        for reason, count in replica.counts.finished.items():
            family.add_metric((*names, reason), count)
    return family


def _rejected(rows: _Rows) -> Metric:
    labels = (*_LABELS, "reason")
    family = CounterMetricFamily(
        "vllm:admission_rejections", "Requests refused because too many waited.", labels=labels
    )
    for names, replica in rows:
        family.add_metric((*names, "max_num_queued_reqs"), replica.counts.rejections)
    return family


def _cache_config(fleet: Fleet) -> Metric:
    config = cache_config(fleet.settings.deployment.engine, fleet.settings.kv_blocks)
    family = GaugeMetricFamily(
        "vllm:cache_config_info", "Settings of the KV cache.", labels=(*config, "engine")
    )
    for i in range(len(fleet.replicas)):
        family.add_metric((*config.values(), str(i)), 1.0)
    return family


def cache_config(engine: EngineConfig, kv_blocks: int) -> dict[str, str]:
    """The labels of `vllm:cache_config_info`."""
    return {
        "block_size": str(engine.block_size),
        "enable_prefix_caching": str(engine.enable_prefix_caching),
        "gpu_memory_utilization": str(engine.gpu_memory_utilization),
        "num_gpu_blocks": str(kv_blocks),
    }
