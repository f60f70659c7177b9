"""Speech: FLOPs of a window by hand, published runs, batches."""

import pytest

from servemark.catalogue.gpu_types import find_gpu, gpu_catalogue
from servemark.catalogue.utilization import find_utilization
from servemark.catalogue.workload_points import workload_points
from servemark.physics.speech import (
    DECODER_PARAMS,
    ENCODER_PARAMS,
    TOKENS_PER_WINDOW,
    speech_bytes,
    speed,
    window_flop,
    window_seconds,
)


def of(gpu):
    found = find_gpu(gpu)
    return found, find_utilization(found)


def test_a_window_by_hand():
    assert ENCODER_PARAMS == 12 * 1280**2 * 32
    matrices, attention = 2 * ENCODER_PARAMS * 1500, 4 * 1500**2 * 1280 * 32
    crossed = 4 * 1280**2 * 32 * 1500
    assert window_flop() == matrices + attention + crossed == pytest.approx(2.57e12, rel=1e-3)
    # encoder 0.63B, decoder 0.80B and its cross-attention's keys and values 0.10B: Whisper large has 1.55B
    assert pytest.approx(1.55e9, rel=0.02) == ENCODER_PARAMS + DECODER_PARAMS + 2 * 1280**2 * 32


def test_one_stream_waits_for_launches():
    gpu, utilization = of("h100-sxm")
    encode = window_flop() / 989.5e12 / utilization.share.value
    assert window_seconds(gpu, utilization).value == pytest.approx(
        encode + TOKENS_PER_WINDOW * 0.015, rel=1e-3
    )


@pytest.mark.parametrize("point", workload_points("speech"), ids=lambda p: p.gpu)
def test_published_runs_lie_inside(point):
    found = speed(*of(point.gpu))
    assert found.low <= point.value <= found.high


@pytest.mark.parametrize("key", gpu_catalogue())
def test_batches_carry_more_audio(key):
    alone, batch = speed(*of(key)), speed(*of(key), windows=8)
    assert batch.value >= alone.value
    assert alone.low < alone.value < alone.high
    assert speed(*of(key), beams=1).value >= alone.value


def test_memory_grows_with_what_is_decoded_together():
    each = 2 * 1500 * 1280 * 2 * 32
    assert speech_bytes(windows=8) - speech_bytes(windows=1) == pytest.approx(7 * 5 * each)
