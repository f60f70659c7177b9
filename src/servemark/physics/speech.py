"""Speech recognition with Whisper large: seconds per window of 30 s.

The encoder turns 30 s into 1,500 frames through 32 layers of width 1,280 in one pass, compute-bound. The
decoder writes one token at a time: every step reads its weights and, for each hypothesis, the keys and
values of all frames, or waits for its kernels to be launched, whichever takes longer. Architecture: Whisper,
arXiv 2212.04356, table 1.

Not modelled: voice activity detection (which skips silence), repeated windows at higher temperature, audio
decoding on the CPU, word timestamps.
"""

from __future__ import annotations

from typing import Final

from servemark.domain.gpu import Gpu
from servemark.domain.training import Estimate, Utilization
from servemark.physics.work import sixteen_bit_flop_per_s

WINDOW_S: Final = 30.0
FRAMES: Final = 1500
LAYERS: Final = 32
HIDDEN: Final = 1280
VOCABULARY: Final = 51_866
TOKENS_PER_WINDOW: Final = 110
"""150 words per minute x 1.3 tokens per word = 98, and timestamps."""
BEAMS: Final = 5
ENCODER_PARAMS: Final = 12 * HIDDEN**2 * LAYERS
DECODER_PARAMS: Final = 14 * HIDDEN**2 * LAYERS + VOCABULARY * HIDDEN
"""Self-attention, query and output of cross-attention, feed-forward, and the head."""
MODEL_BYTES: Final = 2 * 1.55e9
WORKING_BYTES: Final = 1.5e9
"""Context, activations, cache: published runs use 4.5 GB with 3.1 GB of weights (faster-whisper README)."""
STEP_LAUNCH_S: Final = (0.003, 0.015, 0.033)
"""Least time of a decoder step: about 400 kernels of 8 us in the best case; what published runs come to
otherwise (18 to 32 ms, faster-whisper README and others, see the checks of `guide --for speech`)."""
BANDWIDTH_SHARE: Final = (0.9, 0.7, 0.5)


def window_flop() -> float:
    """FLOPs of encoding one window, with the keys and values of cross-attention."""
    matrices = 2 * ENCODER_PARAMS * FRAMES
    attention = 4 * FRAMES**2 * HIDDEN * LAYERS
    crossed = 2 * 2 * HIDDEN**2 * LAYERS * FRAMES
    return matrices + attention + crossed


def window_seconds(gpu: Gpu, utilization: Utilization, *, windows: int = 1, beams: int = BEAMS) -> Estimate:
    """Seconds that `windows` windows decoded together take."""
    encode = windows * window_flop() / sixteen_bit_flop_per_s(gpu)
    frames = 2 * FRAMES * HIDDEN * 2.0 * LAYERS
    read = 2.0 * DECODER_PARAMS + windows * beams * frames
    share = utilization.share
    found = [
        encode / reached + TOKENS_PER_WINDOW * max(read / (gpu.bandwidth_bytes_per_s * wide), launch)
        for reached, wide, launch in zip(
            (share.high, share.value, share.low), BANDWIDTH_SHARE, STEP_LAUNCH_S, strict=True
        )
    ]
    return Estimate(low=found[0], value=found[1], high=found[2])


def speed(gpu: Gpu, utilization: Utilization, *, windows: int = 1, beams: int = BEAMS) -> Estimate:
    """Seconds of audio per second: the inverse of the real-time factor."""
    taken = window_seconds(gpu, utilization, windows=windows, beams=beams)
    audio = windows * WINDOW_S
    return Estimate(low=audio / taken.high, value=audio / taken.value, high=audio / taken.low)


def speech_bytes(*, windows: int = 1, beams: int = BEAMS) -> float:
    """Memory of weights, cross-attention caches and working space."""
    return MODEL_BYTES + WORKING_BYTES + windows * beams * 2 * FRAMES * HIDDEN * 2.0 * LAYERS
