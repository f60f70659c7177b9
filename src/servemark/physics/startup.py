"""The time from asking for a replica to its first token.

Boot, image, weights, engine start and first prompt come one after the other. Weights are read once per server
at the rate of where they are, or by each rank's loader, whichever takes longer. The engine's start is a
straight line in the number of layers for tracing and compiling, and in layers x captured batch sizes for CUDA
graphs, as measured by Kabakibo, Trivedi and Wang (MLSys 2026); every rate carries its own source.
"""

from __future__ import annotations

from servemark.domain.deployment import Deployment
from servemark.domain.startup import ColdStart, Stage, StartupRate, StartupRates, WeightsFrom
from servemark.errors import InputError
from servemark.units import GB

_GRAPHS_MOST = 512
"""vLLM captures no larger batches by default."""


def cold_start(
    deployment: Deployment,
    rates: StartupRates,
    *,
    weights_bytes: float,
    weights_from: WeightsFrom = "object-storage",
    instance_running: bool = False,
    image_present: bool = False,
    compiled_before: bool = False,
    first_prompt_s: float = 0.0,
) -> ColdStart:
    """The parts of the cold start of one replica, each with its range.

    Args:
        deployment: model, engine, parallelism; its PCIe link bounds how fast weights reach a GPU.
        rates: see `catalogue.startup_rates`.
        weights_bytes: of one GPU (`MemoryBudget.weights_bytes`).
        weights_from: where the weights are.
        instance_running: no instance has to boot.
        image_present: the container image is on the disk.
        compiled_before: the compiler's cache is kept on a volume.
        first_prompt_s: time of the first prompt.

    Raises:
        InputError: weights from nowhere that is known, or not above 0.
    """
    if weights_from not in rates.weights_bytes_per_s:
        raise InputError(
            "weights_from", expected=" or ".join(rates.weights_bytes_per_s), found=repr(weights_from)
        )
    if not weights_bytes > 0:
        raise InputError("weights_bytes", expected="above 0", found=weights_bytes)
    stages: list[Stage] = []
    if not instance_running:
        boot = rates.boot_s
        stages.append(_stage("boot", boot.value, boot.between, "an instance boots", boot))
    if not image_present:
        stages.append(_image(rates))
    stages.append(_weights(deployment, rates, weights_bytes, weights_from))
    stages += _engine(deployment, rates, compiled_before)
    if first_prompt_s > 0:
        prompt = (first_prompt_s, first_prompt_s)
        stages.append(
            Stage(name="first prompt", time_s=first_prompt_s, between_s=prompt, how="prefill", source="")
        )
    return ColdStart(stages=tuple(stages))


def _image(rates: StartupRates) -> Stage:
    size, speed = rates.image_bytes, rates.image_bytes_per_s
    between = (size.between[0] / speed.between[1], size.between[1] / speed.between[0])
    how = f"{size.value / GB:.1f} GB at {speed.value / 1e6:.0f} MB/s, pull and unpack"
    return _stage("image pull", size.value / speed.value, between, how, speed)


def _weights(deployment: Deployment, rates: StartupRates, per_gpu: float, where: WeightsFrom) -> Stage:
    """From where they are, or through the loaders."""
    gpus = deployment.parallelism.gpus
    source, loader = rates.weights_bytes_per_s[where], rates.loader_bytes_per_s
    pcie = deployment.node.gpu.pcie.bandwidth_bytes_per_s

    def time_s(server: float, rank: float) -> float:
        return max(per_gpu * gpus / server, per_gpu / min(rank, pcie))

    between = (
        time_s(source.between[1], loader.between[1]),
        time_s(source.between[0], loader.between[0]),
    )
    value = time_s(source.value, loader.value)
    by_loader = per_gpu / min(loader.value, pcie) >= per_gpu * gpus / source.value
    limit = loader if by_loader else source
    size = f"{per_gpu * gpus / GB:.1f} GB"
    how = f"{size} from {where} at {source.value / GB:.2g} GB/s"
    if by_loader:
        how = (
            f"{size} from {where}, through {gpus} loader{'s' * (gpus > 1)} of {loader.value / GB:.2g} GB/s"
        )
    return _stage("weights", value, between, how, limit)


def _engine(deployment: Deployment, rates: StartupRates, compiled_before: bool) -> list[Stage]:
    """Process, compiler, profiling run, CUDA graphs."""
    engine, layers = deployment.engine, deployment.model.layers
    start = rates.engines.get(engine.name) or rates.engines["vllm"]
    slower = rates.processor

    def stage(name: str, parts: list[tuple[StartupRate, float]], how: str) -> Stage:
        value = sum(rate.value * times for rate, times in parts) * slower.value
        low, high = (
            sum(rate.between[end] * times for rate, times in parts) * slower.between[end] for end in (0, 1)
        )
        return _stage(
            name, value, (low, high), f"{how}, x {slower.value:g} for the processor", parts[-1][0]
        )

    stages = [stage("engine process", [(start.process_s, 1)], "imports and workers")]
    if start.compiles and not engine.enforce_eager:
        parts = [(rates.trace_s, 1.0), (rates.trace_layer_s, float(layers))]
        if compiled_before:
            parts += [(rates.cached_compile_s, 1.0), (rates.cached_compile_layer_s, float(layers))]
        else:
            parts.append((rates.compile_layer_s, float(layers)))
        found = "found in its cache" if compiled_before else "compiled"
        stages.append(stage("compile", parts, f"{layers} layers traced and {found}"))
    if engine.name != "llama.cpp":
        stages.append(stage("profiling run", [(rates.profile_s, 1)], "one full step"))
    sizes = _graphs(deployment) if start.captures else 0
    if sizes:
        how = f"{sizes} batch sizes of {layers} layers"
        stages.append(stage("CUDA graphs", [(rates.graph_layer_s, float(sizes * layers))], how))
    return stages


def _graphs(deployment: Deployment) -> int:
    """Batch sizes that the engine captures; where it does not say: 1, 2, 4 and the multiples of 8."""
    engine = deployment.engine
    if engine.enforce_eager:
        return 0
    return len(engine.captured_sizes) or 3 + min(engine.max_num_seqs, _GRAPHS_MOST) // 8


def _stage(name: str, value: float, between: tuple[float, float], how: str, rate: StartupRate) -> Stage:
    return Stage(name=name, time_s=value, between_s=between, how=how, source=f"{rate.source} ({rate.date})")
