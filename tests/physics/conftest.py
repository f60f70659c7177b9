"""Deployments and coefficients to compute with: real GPUs and models, round coefficients."""

import pytest

from servemark.catalogue.architectures import find_model
from servemark.catalogue.gpu_types import find_gpu
from servemark.domain.coefficients import Coefficients, Fitted
from servemark.domain.deployment import Deployment, EngineConfig, Parallelism
from servemark.domain.gpu import Node

ROUND = {
    "compute_efficiency": 0.65,
    "memory_efficiency": 0.8,
    "kv_efficiency": 0.7,
    "attention_efficiency": 0.4,
    "link_efficiency": 0.5,
    "collective_latency_s": 8e-6,
    "layer_overhead_s": 5e-6,
    "token_overhead_s": 1e-7,
    "sequence_overhead_s": 5e-6,
    "step_overhead_s": 5e-4,
    "expert_efficiency": 0.7,
    "expert_overhead_s": 1e-5,
    "decode_attention_efficiency": 0.3,
    "prompt_overhead_s": 1e-4,
    "power_drop": 0.1,
    "time_ratio": 1.0,
    "request_overhead_s": 5e-3,
}


@pytest.fixture(scope="session")
def deploy():
    """Builds a deployment from keys of the catalogue; engine settings by name."""

    def build(model, gpu, *, dtype="bf16", kv_dtype="bf16", tp=1, pp=1, ep=1, replicas=1, **engine):
        return Deployment(
            model=find_model(model) if isinstance(model, str) else model,
            node=Node(gpu=find_gpu(gpu) if isinstance(gpu, str) else gpu, gpus=8),
            dtype=dtype,
            kv_dtype=kv_dtype,
            parallelism=Parallelism(tensor=tp, pipeline=pp, expert=ep),
            replicas=replicas,
            engine=EngineConfig(**engine),
        )

    return build


@pytest.fixture(scope="session")
def coefficients():
    """Builds coefficients: round figures, or those named."""

    def build(**values):
        fitted = {k: Fitted(value=v, relative_error=0.1) for k, v in (ROUND | values).items()}
        return Coefficients(gpu="l40s", dtype="bf16", engine="vllm", **fitted)

    return build


@pytest.fixture(scope="session")
def ideal(coefficients):
    """A machine that reaches its data sheet and costs nothing besides."""
    free = {name: float(name.endswith(("efficiency", "time_ratio"))) for name in ROUND}
    return coefficients(**free)
