"""Engines: aliases, versions, defaults by the GPU's memory."""

import datetime

import pytest

from servemark.catalogue.engine_defaults import engine_names, find_engine, find_engine_sheet
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
    for rule in sheet.by_memory:
        assert set(rule.settings) <= set(EngineConfig.__struct_fields__)


def test_an_unknown_engine_gets_the_nearest_names():
    with pytest.raises(UnknownName) as caught:
        find_engine("vlllm@1", path="engine")
    assert caught.value.nearest[0] == "vllm"
