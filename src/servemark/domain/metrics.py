"""Every metric, one row each: tables, axes, SLOs and comparisons read this table."""

from __future__ import annotations

from typing import Final, Literal

from servemark.domain.record import Record


class Metric(Record, frozen=True, kw_only=True):
    """One metric. `slo` is its name in `--slo` (with `_p95` and the like behind it)."""

    key: str
    label: str
    unit: Literal["s", "tokens_per_s", "per_s", "ratio"]
    better: Literal["lower", "higher"]
    scope: Literal["request", "gap", "level"]
    """What one sample is: a request, a gap between tokens, or the level as a whole."""
    formula: str
    source: str
    slo: str


METRICS: Final[dict[str, Metric]] = {
    m.key: m
    for m in (
        Metric(
            key="ttft_s", label="TTFT", unit="s", better="lower", scope="request", slo="ttft",
            formula="first chunk with text - sent",
            source="vLLM and SGLang benchmark clients, 2026",
        ),
        Metric(
            key="ttft_scheduled_s", label="TTFT from schedule", unit="s", better="lower",
            scope="request", slo="ttft_scheduled",
            formula="first chunk with text - scheduled: queueing in the client included",
            source="coordinated omission: G. Tene, wrk2",
        ),
        Metric(
            key="itl_s", label="ITL", unit="s", better="lower", scope="gap", slo="itl",
            formula="gap between consecutive text chunks, pooled over requests",
            source="vLLM and SGLang benchmark clients, 2026",
        ),
        Metric(
            key="tpot_s", label="TPOT", unit="s", better="lower", scope="request", slo="tpot",
            formula="(last token - first token) / (output tokens - 1), one value per request",
            source="MLPerf Inference rules; vLLM benchmark client",
        ),
        Metric(
            key="e2e_s", label="E2E latency", unit="s", better="lower", scope="request", slo="e2e",
            formula="last token - sent", source="vLLM benchmark client since 2025",
        ),
        Metric(
            key="e2e_scheduled_s", label="E2E from schedule", unit="s", better="lower",
            scope="request", slo="e2e_scheduled",
            formula="last token - scheduled", source="coordinated omission: G. Tene, wrk2",
        ),
        Metric(
            key="stall_max_s", label="worst gap", unit="s", better="lower", scope="request",
            slo="stall_max", formula="largest gap between chunks inside a request",
            source="own: a pooled ITL percentile averages stalls away",
        ),
        Metric(
            key="output_tokens_per_s", label="output throughput", unit="tokens_per_s",
            better="higher", scope="level", slo="output_tokens",
            formula="output tokens by their share inside the steady window / its length",
            source="steady-state window as in SGLang's benchmark",
        ),
        Metric(
            key="requests_per_s", label="request throughput", unit="per_s", better="higher",
            scope="level", slo="requests",
            formula="complete requests by their share inside the steady window / its length", source="as above",
        ),
        Metric(
            key="failures_ratio", label="failures", unit="ratio", better="lower", scope="level",
            slo="failures", formula="requests that did not complete / requests sent",
            source="own: HTTP 200 is not success",
        ),
        Metric(
            key="accuracy_ratio", label="useful of complete answers", unit="ratio", better="higher",
            scope="level", slo="accuracy", formula="complete answers without a defect above minor / complete answers",
            source="own: quality apart from transport",
        ),
        Metric(
            key="useful_ratio", label="useful answers", unit="ratio", better="higher", scope="level",
            slo="useful", formula="complete answers without a defect above minor / requests sent",
            source="own: what users get",
        ),
        Metric(
            key="quality_loss_ratio", label="quality loss", unit="ratio", better="lower", scope="level",
            slo="quality_loss", formula="(items useful alone and not here - the reverse) / items complete in both",
            source="paired difference of proportions, as in non-inferiority trials",
        ),
    )
}  # fmt: skip
QUALITY_METRICS: Final = ("accuracy_ratio", "useful_ratio", "quality_loss_ratio")
"""What only the answers to a suite tell."""
STATISTICS: Final = ("mean", "p50", "p95", "p99")
QUANTILES: Final[dict[str, float]] = {"p50": 0.5, "p95": 0.95, "p99": 0.99}
"""The statistics that are quantiles."""
