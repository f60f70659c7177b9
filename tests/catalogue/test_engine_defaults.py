"""Engines: aliases, versions, defaults by the GPU's memory."""

import datetime

import msgspec
import pytest

from servemark.catalogue.engine_defaults import engine_names, find_engine, find_engine_sheet, graph_sizes
from servemark.catalogue.gpu_types import find_gpu
from servemark.domain.deployment import EngineConfig, Parallelism
from servemark.errors import InputError, UnknownName


def test_every_spelling_of_the_data_is_found():
    assert engine_names() == ("llama.cpp", "sglang", "tensorrt-llm", "transformers", "vllm")
    for spelling in ("trtllm", "trt-llm", "tensorrt-llm", "TensorRT-LLM (PyTorch)", "tensorrt_llm"):
        assert find_engine(spelling).name == "tensorrt-llm"
    for spelling in ("llama.cpp", "llamacpp", "LLaMA.cpp"):
        assert find_engine(spelling).name == "llama.cpp"
    assert find_engine("vLLM").name == "vllm"
    assert find_engine("SGLang").name == "sglang"


def test_a_version_stands_behind_the_name():
    assert find_engine("vllm@0.15.1").version == "0.15.1"
    assert find_engine("trtllm@1.0").version == "1.0"
    assert find_engine("vllm").version is None
    with pytest.raises(InputError, match="engine: expected NAME or NAME@VERSION, found 'vllm@'"):
        find_engine("vllm@")


def test_vllm_takes_larger_batches_on_large_gpus_but_not_on_an_a100():
    def limits(gpu):
        engine = find_engine("vllm", gpu=find_gpu(gpu))
        return engine.max_num_seqs, engine.max_num_batched_tokens

    assert limits("l40s") == (256, 2048)
    assert limits("h100-sxm") == (1024, 8192)
    assert limits("a100-sxm-80gb") == (256, 2048)
    assert find_engine("vllm").max_num_batched_tokens == 2048


def test_sglang_chunks_grow_with_memory():
    sizes = {
        gpu: find_engine("sglang", gpu=find_gpu(gpu)).max_num_batched_tokens
        for gpu in ("rtx-4090", "l40s", "h100-sxm", "b200-sxm")
    }
    assert sizes == {"rtx-4090": 2048, "l40s": 4096, "h100-sxm": 8192, "b200-sxm": 16384}


def test_scheduling_differs_by_engine_and_version():
    def rule(name):
        engine = find_engine(name)
        return engine.prefill, engine.enable_chunked_prefill, engine.scheduler_reserve_full_isl

    assert rule("vllm") == ("mixed", True, True)
    assert rule("vllm@0.15.1") == ("mixed", True, False)
    assert rule("vllm@0.6.3.post1") == ("alone", False, False)
    assert rule("sglang") == ("alone", True, False)
    assert rule("trtllm") == ("mixed", False, False)
    assert find_engine("sglang").new_token_ratio == pytest.approx(0.7 * 0.14)


def test_cuda_graph_sizes():
    assert graph_sizes("1 2 4 8-24/8 32") == (1, 2, 4, 8, 16, 24, 32)
    newest = find_engine("vllm")
    assert newest.cuda_graph_sizes == (1, 2, 4, *range(8, 256, 8), *range(256, 513, 16))
    assert len(newest.cuda_graph_sizes) == 51  # as 0.19 lists for 256 sequences
    # as 0.28 lists for 128 sequences
    assert len(msgspec.structs.replace(newest, max_num_seqs=128).captured_sizes) == 35
    assert msgspec.structs.replace(newest, enforce_eager=True).captured_sizes == ()
    assert len(find_engine("vllm@0.10.1").cuda_graph_sizes) == 67  # as 0.10.1 lists
    assert find_engine("trtllm@0.9").cuda_graph_sizes == ()
    assert find_engine("trtllm").cuda_graph_sizes == (*range(1, 33), 64, 128)
    largest = {
        (gpu, gpus): max(find_engine("sglang@0.5.5", gpu=find_gpu(gpu), gpus=gpus).cuda_graph_sizes)
        for gpu in ("rtx-4090", "l40s", "h100-sxm", "b200-sxm")
        for gpus in (1, 4)
    }
    assert list(largest.values()) == [24, 80, 32, 160, 256, 512, 512, 512]


def test_sglang_leaves_a_reserve_outside_weights_and_pool():
    """H100: 512 MiB, 1.5 MiB x 8,192 tokens, 2 MiB x 256 sequences and 128 MiB of 81,559 MiB."""
    engine = find_engine("sglang", gpu=find_gpu("h100-sxm"))
    assert engine.gpu_memory_utilization == round(1 - (512 + 12288 + 512 + 128) / 81559, 3)
    assert engine.memory_rule == "static"
    assert find_engine("sglang").gpu_memory_utilization == 0.88


def test_memory_is_divided_by_each_engines_rule():
    assert find_engine("trtllm").memory_rule == "free"
    assert find_engine("vllm@0.19").memory_rule == "total"
    since = find_engine("vllm@0.21.0")
    assert (since.memory_rule, since.gpu_memory_utilization) == ("total-and-graphs", 0.92)
    # the sampler that does not sort: from 0.17 on, but not on the consumer card seen
    sizes = {
        (version, gpu): find_engine(f"vllm@{version}", gpu=find_gpu(gpu)).memory.logit_bytes
        for version in ("0.16", "0.17")
        for gpu in ("h100-sxm", "rtx-4090")
    }
    assert list(sizes.values()) == [37.0, 37.0, 14.6, 37.0]


def test_policies():
    policies = {name: find_engine(name).policy for name in engine_names()}
    assert policies == {
        "vllm": "recompute", "sglang": "recompute", "tensorrt-llm": "no-evict", "llama.cpp": "slots",
        "transformers": "slots",
    }  # fmt: skip


@pytest.mark.parametrize("name", engine_names())
def test_every_sheet_has_a_source_a_date_and_flags_of_known_settings(name):
    sheet = find_engine_sheet(name)
    assert sheet.source
    assert datetime.date.fromisoformat(sheet.date) >= datetime.date(2026, 1, 1)
    settings = {*EngineConfig.__struct_fields__, *Parallelism.__struct_fields__, "dtype", "kv_dtype"}
    assert set(sheet.flags) <= settings
    assert all(flag.startswith("--") for flag in sheet.flags.values())
    for rule in sheet.rules:
        assert set(rule.settings) <= set(EngineConfig.__struct_fields__)


def test_an_unknown_engine_gets_the_nearest_names():
    with pytest.raises(UnknownName) as caught:
        find_engine("vlllm@1", path="engine")
    assert caught.value.nearest[0] == "vllm"
