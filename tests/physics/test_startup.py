"""Cold starts: the arithmetic, and published ones."""

import pytest
from msgspec.structs import replace

from servemark.api.deployments import build_deployment
from servemark.catalogue.startup_rates import startup_rates
from servemark.domain.startup import StartupRate
from servemark.errors import InputError
from servemark.physics.memory import require_fit
from servemark.physics.startup import cold_start

WARM = {"instance_running": True, "image_present": True, "compiled_before": True, "weights_from": "ram"}


def start(model="llama-3.1-8b", gpu="l40s", rates=None, **options):
    deploying = {k: options.pop(k) for k in ("tp", "engine", "set_") if k in options}
    deployment = build_deployment(model, {"gpu": gpu, **deploying})
    weights_bytes = options.pop("weights_bytes", None) or require_fit(deployment).weights_bytes
    return cold_start(deployment, rates or startup_rates(), weights_bytes=weights_bytes, **options)


def parts(cold):
    return {stage.name: stage.time_s for stage in cold.stages}


def test_the_parts_of_a_start_from_nothing():
    found = parts(start())
    assert list(found) == [
        "boot", "image pull", "weights", "engine process", "compile", "profiling run", "CUDA graphs",
    ]  # fmt: skip
    assert found["image pull"] == pytest.approx(9e9 / 37e6)
    # 32 layers traced (1.4 + 32 * 0.214) and compiled (32 * 0.9), 1.3 times as long as on bare metal
    assert found["compile"] == pytest.approx(1.3 * (1.4 + 32 * 0.214 + 32 * 0.9))


def test_weights_come_at_the_rate_of_where_they_are_or_of_the_loader():
    sixteen = {"weights_bytes": 16e9, "instance_running": True, "image_present": True}
    assert parts(start(weights_from="hub", **sixteen))["weights"] == pytest.approx(16 / 0.26)
    assert parts(start(weights_from="network-volume", **sixteen))["weights"] == pytest.approx(16 / 0.9)
    # from memory the loader of one rank is slower: 1.8 GB/s
    assert parts(start(weights_from="ram", **sixteen))["weights"] == pytest.approx(16 / 1.8)
    # four ranks share the server's disk, and each has its own loader
    shared = {**sixteen, "weights_bytes": 4e9, "tp": 4}
    assert parts(start(weights_from="network-volume", **shared))["weights"] == pytest.approx(16 / 0.9)
    assert parts(start(weights_from="ram", **shared))["weights"] == pytest.approx(4 / 1.8)


def test_what_is_there_already_takes_no_time():
    cold = start()
    assert start(instance_running=True).time_s == pytest.approx(cold.time_s - parts(cold)["boot"])
    assert "image pull" not in parts(start(image_present=True))
    assert parts(start(compiled_before=True))["compile"] < parts(cold)["compile"] / 2
    eager = parts(start(set_="enforce_eager=true"))
    assert not {"compile", "CUDA graphs"} & set(eager)
    assert start(first_prompt_s=0.5).stages[-1].time_s == 0.5


def test_an_engine_without_a_compiler_starts_at_once():
    assert start(model="llama-3.1-8b", engine="llama.cpp", **WARM).time_s < 15


def test_the_range_holds_the_value_and_every_part_says_where_it_comes_from():
    for found in (start(), start(**WARM), start(model="llama-3.3-70b", gpu="h100", tp=4)):
        low, high = found.between_s
        assert 0 < low < found.time_s < high
        for stage in found.stages:
            assert stage.between_s[0] <= stage.time_s <= stage.between_s[1]
            assert stage.source
            assert stage.how


MLSYS_2026 = {
    # model: seconds from start to ready on an A100 machine, weights in the page cache, compiled before, vLLM
    # 0.10.1.1 (Kabakibo, Trivedi and Wang, MLSys 2026: github.com/upb-cn/vllm-startup-profiler, means of runs)
    "llama-2-13b": (58.7, 26.03e9),
    "llama-2-7b": (45.0, 13.48e9),
    "llama-3.2-3b": (40.4, 6.43e9),
    "qwen-14b": (60.9, 28.33e9),
    "qwen-7b": (46.7, 15.44e9),
}


@pytest.mark.parametrize("model", MLSYS_2026)
def test_published_starts_with_everything_cached(model):
    measured_s, weights_bytes = MLSYS_2026[model]
    rates = startup_rates()
    # the same machine as the rates'
    rates = replace(rates, processor=StartupRate(value=1.0, between=(1.0, 1.0), source="", date=""))
    found = start(model, "a100-pcie-40gb", rates, weights_bytes=weights_bytes, **WARM)
    assert found.time_s == pytest.approx(measured_s, rel=0.12)


def test_a_published_start_in_the_cloud():
    # Llama 3.1 8B on a g6e: 82 s with volume, image and compiler cache there, 8 graphs (Tensorfuse, 2025-09-01)
    found = start(**{**WARM, "weights_from": "network-volume"})
    low, high = found.between_s
    assert low < 82 < high
    assert found.time_s == pytest.approx(82, rel=0.25)


def test_a_published_start_from_nothing():
    # an 8B container on Kubernetes in about 10 minutes (BentoML, 2025-04-11); another on EKS from no node to
    # a model that answers in 425 to 439 s (GPU Inference Decision Lab, 2026-05-07)
    low, high = start().between_s
    assert low < 425 < 600 < high
    assert start().time_s == pytest.approx(432, rel=0.15)


def test_impossible_questions_are_refused():
    with pytest.raises(InputError, match="weights_from: expected hub or object-storage"):
        start(weights_from="tape")
    deployment = build_deployment("llama-3.1-8b", {"gpu": "l40s"})
    with pytest.raises(InputError, match="weights_bytes"):
        cold_start(deployment, startup_rates(), weights_bytes=0.0)
