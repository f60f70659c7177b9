"""What each engine calls its metrics: one row per engine and figure."""

from __future__ import annotations

from typing import Final, Literal

from servemark.domain.record import Record

Reads = Literal["sum", "max", "counts", "histogram", "label"]
"""sum: over replicas, of the largest of the lines that repeat each other; max: of all lines; counts: a sum for each
value of the label `by` (or under `word`); histogram: its sum and its count; label: what the label `by` says."""


class MetricName(Record, frozen=True, kw_only=True):
    """One figure of an engine."""

    field: str
    """Of `EngineSample` or `EngineFacts`."""
    names: tuple[str, ...]
    """The first that is there is read: the newest first. Without `_total`, which some clients add."""
    reads: Reads = "sum"
    where: dict[str, str] = {}
    """Only lines with these labels."""
    plus: str = ""
    """A name whose figure is added; without it the figure is unknown."""
    by: str = ""
    word: str = ""


class EngineNames(Record, frozen=True, kw_only=True):
    """One server's exposition."""

    key: str
    engine: str
    """Key of the engine's sheet."""
    prefix: str
    metrics: tuple[MetricName, ...]
    facts: tuple[MetricName, ...] = ()
    repeats: tuple[str, ...] = ()
    """Labels of lines that tell of the same requests: ranks of one replica, models of one ensemble."""
    owners: tuple[str, ...] = ()
    """Words of its `Server` header or of `owned_by` in its list of models."""
    switch: str = ""
    """What shows its metrics, where they are off by default."""
    shared_pool: bool | None = True
    """Sequences take blocks from one pool as they grow."""
    source: str
    date: str


def _row(
    field: str,
    *names: str,
    reads: Reads = "sum",
    plus: str = "",
    by: str = "",
    word: str = "",
    **where: str,
) -> MetricName:
    return MetricName(field=field, names=names, reads=reads, plus=plus, by=by, word=word, where=where)


_PROCESS_START = _row("process_start_s", "process_start_time_seconds", reads="max")

_VLLM = EngineNames(
    key="vllm", engine="vllm", prefix="vllm:", owners=("vllm",),
    source="scraped from vLLM 0.32.0; the older names: its metrics page for 0.6 to 0.10 (gpu_ names, and"
           " time_per_output_token_seconds for the gaps between tokens)",
    date="2026-11-20",
    metrics=(
        _row("running", "vllm:num_requests_running"),
        _row("waiting", "vllm:num_requests_waiting"),
        _row("kv_used_ratio", "vllm:kv_cache_usage_perc", "vllm:gpu_cache_usage_perc", reads="max"),
        _row("preemptions", "vllm:num_preemptions"),
        _row("prompt_tokens", "vllm:prompt_tokens"),
        _row("output_tokens", "vllm:generation_tokens"),
        _row("prefix_query_tokens", "vllm:prefix_cache_queries", "vllm:gpu_prefix_cache_queries"),
        _row("prefix_hit_tokens", "vllm:prefix_cache_hits", "vllm:gpu_prefix_cache_hits"),
        _row("finished", "vllm:request_success", reads="counts", by="finished_reason"),
        _row("rejected", "vllm:admission_rejections"),
        _row("corrupted", "vllm:corrupted_requests"),
        _row("queue_s", "vllm:request_queue_time_seconds", reads="histogram"),
        _row("ttft_s", "vllm:time_to_first_token_seconds", reads="histogram"),
        _row("itl_s", "vllm:inter_token_latency_seconds", "vllm:time_per_output_token_seconds",
             reads="histogram"),
        _row("e2e_s", "vllm:e2e_request_latency_seconds", reads="histogram"),
        _PROCESS_START,
    ),
    facts=(
        _row("block_size", "vllm:cache_config_info", reads="label", by="block_size"),
        _row("kv_blocks", "vllm:cache_config_info", reads="label", by="num_gpu_blocks"),
        _row("kv_pool_tokens", "vllm:cache_config_info", reads="label", by="kv_cache_size_tokens"),
        _row("gpu_memory_utilization", "vllm:cache_config_info", reads="label", by="gpu_memory_utilization"),
        _row("enable_prefix_caching", "vllm:cache_config_info", reads="label", by="enable_prefix_caching"),
    ),
)  # fmt: skip

_SGLANG = EngineNames(
    key="sglang", engine="sglang", prefix="sglang:", owners=("sglang",),
    repeats=("tp_rank", "pp_rank", "moe_ep_rank"), switch="--enable-metrics",
    source="SGLang's metrics collector (source, 2026) and its page on production metrics: not scraped; the totals"
           " stand under an empty priority label, ranks of one replica repeat each other; before 0.5.11 the pool"
           " stood in the labels of cache_config_info",
    date="2026-11-20",
    metrics=(
        _row("running", "sglang:num_running_reqs"),
        _row("waiting", "sglang:num_queue_reqs"),
        # the fullest of its pools; the cached tokens that can be evicted are not counted
        _row("kv_used_ratio", "sglang:token_usage", reads="max"),
        _row("kv_used_tokens", "sglang:kv_used_tokens", "sglang:num_used_tokens"),
        # not num_retracted_reqs, which is a gauge of the last batch
        _row("preemptions", "sglang:num_retracted_requests"),
        _row("prompt_tokens", "sglang:prompt_tokens"),
        _row("output_tokens", "sglang:generation_tokens"),
        _row("prefix_query_tokens", "sglang:prompt_tokens"),
        _row("prefix_hit_tokens", "sglang:cached_tokens"),
        _row("finished", "sglang:num_requests", reads="counts", word="any"),
        _row("finished", "sglang:num_aborted_requests", reads="counts", word="abort"),
        _row("queue_s", "sglang:queue_time_seconds", reads="histogram"),
        _row("ttft_s", "sglang:time_to_first_token_seconds", reads="histogram"),
        _row("itl_s", "sglang:inter_token_latency_seconds", reads="histogram"),
        _row("e2e_s", "sglang:e2e_request_latency_seconds", reads="histogram"),
        _PROCESS_START,
    ),
    facts=(
        _row("kv_pool_tokens", "sglang:max_total_num_tokens"),
        _row("block_size", "sglang:page_size", reads="max"),
        _row("block_size", "sglang:cache_config_info", reads="label", by="page_size"),
        _row("kv_blocks", "sglang:num_pages"),
        _row("kv_blocks", "sglang:cache_config_info", reads="label", by="num_pages"),
        _row("max_model_len", "sglang:context_len", reads="max"),
    ),
)  # fmt: skip

_TRTLLM = EngineNames(
    key="trtllm-serve", engine="tensorrt-llm", prefix="trtllm_", owners=("tensorrt_llm",),
    switch="return_perf_metrics",
    source="TensorRT-LLM's metrics collector (source, 2026): not scraped; per-request figures need"
           " return_perf_metrics, the gauges enable_iter_perf_stats; its time per output token is a mean per"
           " request, no gap between tokens, and its hits of the prefix cache are counted in blocks",
    date="2026-11-20",
    metrics=(
        _row("running", "trtllm_num_requests_running"),
        _row("waiting", "trtllm_num_requests_waiting"),
        _row("kv_used_ratio", "trtllm_kv_cache_utilization", reads="max"),
        _row("prompt_tokens", "trtllm_prompt_tokens"),
        _row("output_tokens", "trtllm_generation_tokens"),
        _row("prefix_query_tokens", "trtllm_prompt_tokens"),
        _row("prefix_hit_tokens", "trtllm_prompt_cached_tokens"),
        _row("finished", "trtllm_request_success", reads="counts", by="finished_reason"),
        _row("finished", "trtllm_request_error", reads="counts", word="error"),
        _row("queue_s", "trtllm_request_queue_time_seconds", reads="histogram"),
        _row("ttft_s", "trtllm_time_to_first_token_seconds", reads="histogram"),
        _row("e2e_s", "trtllm_e2e_request_latency_seconds", reads="histogram"),
        _PROCESS_START,
    ),
    facts=(
        _row("slots", "trtllm_max_batch_size_static"),
        _row("block_size", "trtllm_kv_cache_tokens_per_block", reads="max"),
        _row("kv_blocks", "trtllm_kv_cache_max_blocks"),
    ),
)  # fmt: skip

_TRITON = EngineNames(
    key="triton", engine="tensorrt-llm", prefix="nv_trt_llm_", owners=("triton",), repeats=("model", "version"),
    source="tensorrtllm_backend README and the model server protocol of the Gateway API inference extension:"
           " not scraped; every model of an ensemble counts the same requests, so the largest is read",
    date="2026-11-20",
    metrics=(
        _row("running", "nv_trt_llm_request_metrics", request_type="scheduled"),
        _row("waiting", "nv_trt_llm_request_metrics", request_type="waiting"),
        _row("kv_used_ratio", "nv_trt_llm_kv_cache_block_metrics", reads="max", kv_cache_block_type="fraction"),
        _row("kv_used_blocks", "nv_trt_llm_kv_cache_block_metrics", kv_cache_block_type="used"),
        _row("finished", "nv_inference_request_success", reads="counts", word="any"),
        _row("finished", "nv_inference_request_failure", reads="counts", word="error"),
    ),
    facts=(
        _row("slots", "nv_trt_llm_request_metrics", request_type="max"),
        _row("block_size", "nv_trt_llm_kv_cache_block_metrics", reads="max", kv_cache_block_type="tokens_per"),
        _row("kv_blocks", "nv_trt_llm_kv_cache_block_metrics", kv_cache_block_type="max"),
    ),
)  # fmt: skip

_TGI = EngineNames(
    key="tgi", engine="tgi", prefix="tgi_", owners=("tgi", "text-generation-inference"),
    source="Text Generation Inference documentation, page on metrics (in maintenance mode): not scraped; it counts"
           " no preemptions and tells no share of the KV cache",
    date="2026-11-20",
    metrics=(
        _row("running", "tgi_batch_current_size"),
        _row("waiting", "tgi_queue_size"),
        _row("prompt_tokens", "tgi_request_input_length_sum"),
        _row("output_tokens", "tgi_request_generated_tokens_sum"),
        _row("finished", "tgi_request_success", reads="counts", word="any"),
        _row("finished", "tgi_request_failure", reads="counts", word="error"),
        _row("rejected", "tgi_request_failure", err="overloaded"),
        _row("queue_s", "tgi_request_queue_duration", reads="histogram"),
        _row("e2e_s", "tgi_request_duration", reads="histogram"),
    ),
)  # fmt: skip

_LLAMACPP = EngineNames(
    key="llama.cpp", engine="llama.cpp", prefix="llamacpp:", owners=("llamacpp", "llama.cpp"), shared_pool=None,
    switch="--metrics",
    source="scraped from xllamacpp 2026.10.11549; what the slots hold comes from /slots, as the older KV gauges"
           " are gone; it counts no finished requests",
    date="2026-11-20",
    metrics=(
        _row("running", "llamacpp:requests_processing"),
        _row("waiting", "llamacpp:requests_deferred"),
        _row("kv_used_ratio", "llamacpp:kv_cache_usage_ratio"),
        _row("kv_used_tokens", "llamacpp:kv_cache_tokens"),
        # its own count leaves out what came from the cache
        _row("prompt_tokens", "llamacpp:prompt_tokens", plus="llamacpp:prompt_tokens_cached"),
        _row("output_tokens", "llamacpp:tokens_predicted"),
        _row("prefix_query_tokens", "llamacpp:prompt_tokens", plus="llamacpp:prompt_tokens_cached"),
        _row("prefix_hit_tokens", "llamacpp:prompt_tokens_cached"),
    ),
)  # fmt: skip

ENGINES: Final = (_VLLM, _SGLANG, _TRTLLM, _TRITON, _TGI, _LLAMACPP)
