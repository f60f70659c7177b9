"""Images from a diffusion transformer: FLOPs of a step, seconds of an image, memory.

FLUX.1 (12B): 19 blocks in which text and image have their own matrices and 38 that share one set, width
3,072, feed-forward four times as wide; one token per 16 x 16 pixels and up to 512 of text. Every token
passes 12 h^2 parameters per block and attends to all others (no mask). Architecture: the model's published
configuration (black-forest-labs/FLUX.1-dev, 2024-08).

Not modelled: text encoders and image decoder (0.1 to 0.2 s on an H100), guidance that doubles the passes,
caching between steps, batches.
"""

from __future__ import annotations

from typing import Final, Literal, NamedTuple

from servemark.domain.gpu import Gpu
from servemark.domain.training import Estimate, Utilization
from servemark.physics.work import sixteen_bit_flop_per_s
from servemark.units import GB

ImageDtype = Literal["bf16", "fp8"]
WORKING_BYTES: Final = 3.0 * GB
"""Activations of one image, and the decoder's at 1024 x 1024: an estimate."""
FP8_COMPILED: Final = 1.2
"""Compiled FP8 kernels against the best published share in 16 bits (flux-fp8-api README, RTX 4090)."""


class DiffusionTransformer(NamedTuple):
    """What the estimate depends on."""

    name: str
    params: float
    hidden: int
    blocks: int
    text_tokens: int
    pixels_per_token: int
    """Side of the square of pixels that one token stands for."""
    encoder_params: float
    """Text encoders and image decoder."""
    steps: int


FLUX: Final = DiffusionTransformer(
    name="FLUX.1-dev",
    params=11.9e9,
    hidden=3072,
    blocks=19 + 38,
    text_tokens=512,
    pixels_per_token=16,
    encoder_params=4.76e9 + 0.12e9 + 0.08e9,
    steps=28,
)


class StepFlop(NamedTuple):
    """FLOPs of one denoising step."""

    matrices: float
    attention: float

    @property
    def total(self) -> float:
        return self.matrices + self.attention


def step_flop(model: DiffusionTransformer, width: int, height: int) -> StepFlop:
    """2 x 12 h^2 per token and block in matrices, 4 n^2 h per block in attention over n tokens."""
    tokens = width * height / model.pixels_per_token**2 + model.text_tokens
    matrices = model.blocks * 24 * model.hidden**2 * tokens
    return StepFlop(matrices, model.blocks * 4 * tokens**2 * model.hidden)


def image_seconds(
    model: DiffusionTransformer,
    gpu: Gpu,
    utilization: Utilization,
    *,
    dtype: ImageDtype = "bf16",
    width: int = 1024,
    height: int = 1024,
    steps: int | None = None,
) -> Estimate:
    """Seconds of one image: steps x FLOPs / (rate x utilization). Matrices run in `dtype`, attention in 16 bits.

    FP8 varies more than 16 bits: code that is not compiled hardly gains from it, so the interval ends at the
    usual time of 16 bits; compiled kernels reach up to a fifth more of the rate. On a GPU without FP8 units,
    FP8 weights save memory only.
    """
    flop = step_flop(model, width, height)
    count = model.steps if steps is None else steps
    plain = sixteen_bit_flop_per_s(gpu)
    share = utilization.share
    usual = count * flop.total / plain / share.value
    rate = gpu.dense_flop_per_s.get("fp8") if dtype == "fp8" else None
    if rate is None:
        low, high = count * flop.total / plain / share.high, count * flop.total / plain / share.low
        return Estimate(low=low, value=usual, high=high)
    bound = count * (flop.matrices / rate + flop.attention / plain)
    low = bound / min(1.0, share.high * FP8_COMPILED)
    return Estimate(low=low, value=bound / share.value, high=max(usual, bound / share.low))


def image_bytes(model: DiffusionTransformer, dtype: ImageDtype, *, encoders: bool = True) -> float:
    """Memory with everything on the GPU, or with text encoders and decoder kept elsewhere meanwhile."""
    each = 2.0 if dtype == "bf16" else 1.0
    return model.params * each + model.encoder_params * each * encoders + WORKING_BYTES
