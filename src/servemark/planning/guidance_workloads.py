"""Beyond text: images, speech, graphics and genomes, each with its formula, a check and what is left out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from servemark.catalogue.gpu_types import find_gpu
from servemark.catalogue.utilization import find_utilization
from servemark.catalogue.workload_points import WorkloadPoint, workload_points
from servemark.domain.gpu import Gpu
from servemark.domain.guidance import GuideSection, Heading, Share, Value
from servemark.domain.training import Estimate
from servemark.physics.diffusion import FLUX, ImageDtype, image_bytes, image_seconds, step_flop
from servemark.physics.speech import speech_bytes, speed, window_flop
from servemark.planning.guidance_shares import all_month, share_words
from servemark.units import GB, HOUR_S, TFLOP

DTYPES: Final[tuple[ImageDtype, ...]] = ("bf16", "fp8")
BATCH_WINDOWS: Final = 8
GENOME_BASES: Final = 3.1e9
INDEX_BYTES: Final = 5.4 * GB
"""BWA's index of GRCh38: Burrows-Wheeler transform 3.1 GB, suffix array 1.5 GB, packed reference 0.8 GB."""
GENOME_BYTES: Final = 16 * GB
"""The least that published GPU runs used (V100 16 GB, NIG benchmark of Parabricks, 2024)."""


def image_section(shares: Sequence[Share]) -> GuideSection:
    """Seconds, images a minute and dollars per thousand, in 16 bits and in FP8 where there are units."""
    flop = step_flop(FLUX, 1024, 1024)
    rows: list[tuple[Value, ...]] = []
    for share in shares:
        utilization = find_utilization(share.gpu)
        seconds: dict[ImageDtype, Estimate] = {
            dtype: image_seconds(FLUX, share.gpu, utilization, dtype=dtype) for dtype in DTYPES
        }
        fits = image_fits(share.gpu)
        best = min((seconds[dtype].value for dtype in seconds if fits[dtype] != "no"), default=None)
        rows.append(
            (
                share_words(share),
                seconds["bf16"] if fits["bf16"] != "no" else None,
                fits["bf16"],
                seconds["fp8"] if fits["fp8"] != "no" else None,
                fits["fp8"],
                share.gpus * 60 / best if best else None,
                share.usd_per_gpu_hour / HOUR_S * best * 1000 if best else None,
            )
        )
    held = _held(workload_points("images"), _image_estimate)
    return GuideSection(
        key="images",
        title=f"images ({FLUX.name}, 1024 x 1024, {FLUX.steps} steps)",
        finding=_cheapest(shares, rows, 6, "1,000 images cost least"),
        headings=(
            Heading(key="gpus", label="GPUs", style="text"),
            Heading(key="s_per_image_bf16", label="bf16", unit="s/image"),
            Heading(key="fits_bf16", label="", style="text", appended=True),
            Heading(key="s_per_image_fp8", label="fp8", unit="s/image"),
            Heading(key="fits_fp8", label="", style="text", appended=True),
            Heading(key="images_per_minute", label="images", unit="/min, all"),
            Heading(key="usd_per_1000_images", label="1,000", unit="$", style="usd"),
        ),
        rows=tuple(rows),
        formula=(
            f"steps x ({flop.matrices / TFLOP:.1f} TFLOP in matrices + {flop.attention / TFLOP:.1f} in attention) / "
            f"(rate x utilization); memory {image_bytes(FLUX, 'bf16') / GB:.0f} GB in bf16, "
            f"{image_bytes(FLUX, 'bf16', encoders=False) / GB:.0f} without encoders, "
            f"{image_bytes(FLUX, 'fp8') / GB:.0f} in fp8"
        ),
        sources=(
            f"{held} published step times lie inside the interval",
            "FLUX.1-dev configuration, 2024-08",
        ),
        not_modelled="encoders and decoder (0.1-0.2 s on an H100), caching between steps, several GPUs per image",
    )


def image_fits(gpu: Gpu) -> dict[ImageDtype, str]:
    """Per precision: `yes`, `without encoders` (they stay in host memory between uses), or `no`."""
    words: dict[ImageDtype, str] = {}
    for dtype in DTYPES:
        if image_bytes(FLUX, dtype) <= gpu.memory_usable_bytes:
            words[dtype] = "yes"
        elif image_bytes(FLUX, dtype, encoders=False) <= gpu.memory_usable_bytes:
            words[dtype] = "without encoders"
        else:
            words[dtype] = "no"
    return words


def _image_estimate(point: WorkloadPoint) -> Estimate:
    gpu = find_gpu(point.gpu)
    side = 512 if "512 x 512" in point.settings else 1024
    dtype: ImageDtype = "fp8" if "fp8" in point.settings else "bf16"
    utilization = find_utilization(gpu)
    return image_seconds(FLUX, gpu, utilization, dtype=dtype, width=side, height=side, steps=1)


def speech_section(shares: Sequence[Share]) -> GuideSection:
    """Times real time of one stream and of a batch, and dollars per thousand hours of audio."""
    rows: list[tuple[Value, ...]] = []
    for share in shares:
        if speech_bytes(windows=BATCH_WINDOWS) > share.gpu.memory_usable_bytes:
            continue
        utilization = find_utilization(share.gpu)
        alone = speed(share.gpu, utilization)
        batch = speed(share.gpu, utilization, windows=BATCH_WINDOWS)
        rows.append(
            (
                share_words(share),
                alone,
                1 / alone.value,
                batch,
                share.gpus * batch.value,
                share.usd_per_gpu_hour / batch.value * 1000,
            )
        )
    held = _held(workload_points("speech"), _speech_estimate)
    return GuideSection(
        key="speech",
        title="speech (Whisper large, 16 bits, 5 beams)",
        finding=_cheapest(shares, rows, 5, "1,000 hours of audio cost least"),
        headings=(
            Heading(key="gpus", label="GPUs", style="text"),
            Heading(key="times_real_time", label="one stream", unit="x real time"),
            Heading(key="real_time_factor", label="factor", unit="s per s"),
            Heading(key="times_real_time_batch", label=f"batch of {BATCH_WINDOWS}", unit="x real time"),
            Heading(key="audio_hours_per_hour", label="audio", unit="h/h, all"),
            Heading(key="usd_per_1000_hours", label="1,000 h", unit="$", style="usd"),
        ),
        rows=tuple(rows),
        formula=(
            f"per window of 30 s: {window_flop() / TFLOP:.2f} TFLOP of encoder / (rate x utilization) + 110 tokens x "
            "max(bytes of decoder and cross-attention / bandwidth, launches)"
        ),
        sources=(f"{held} published runs lie inside the interval", "Whisper, arXiv 2212.04356"),
        not_modelled="silence that is skipped, windows repeated at a higher temperature, audio decoding on the CPU",
    )


def _speech_estimate(point: WorkloadPoint) -> Estimate:
    gpu = find_gpu(point.gpu)
    return speed(gpu, find_utilization(gpu))


def graphics_section(gpus: Sequence[Gpu], shares: Sequence[Share]) -> GuideSection:
    """Which GPUs can draw or encode at all; dollars where there is an offer."""
    prices = {share.gpu.key: share.usd_per_gpu_hour for share in shares}
    able = [gpu for gpu in gpus if gpu.graphics_pipeline]
    barred = [gpu for gpu in gpus if not gpu.graphics_pipeline]
    rows: tuple[tuple[Value, ...], ...] = tuple(
        (gpu.key, gpu.memory_nominal_bytes / GB, gpu.bandwidth_bytes_per_s / 1e9, prices.get(gpu.key))
        for gpu in sorted(able, key=lambda gpu: prices.get(gpu.key, 1e9))
    )
    words = ", ".join(gpu.key for gpu in barred)
    return GuideSection(
        key="graphics",
        title="graphics and video",
        finding=f"{len(able)} of {len(gpus)} types have a graphics pipeline. Excluded, for they cannot draw: {words}.",
        headings=(
            Heading(key="gpu", label="GPU", style="text"),
            Heading(key="memory_gb", label="memory", unit="GB"),
            Heading(key="bandwidth_gb_per_s", label="bandwidth", unit="GB/s"),
            Heading(key="usd_per_gpu_hour", label="each", unit="$/h", style="usd"),
        ),
        rows=rows,
        formula="Gpu.graphics_pipeline of the catalogue",
        sources=tuple(sorted({gpu.source_of("graphics_pipeline").text for gpu in barred})),
        not_modelled="frames per second, encoders per board: measure the scene",
    )


def genome_section(shares: Sequence[Share]) -> GuideSection:
    """Requirements, and what published runs come to; no estimate for other GPUs."""
    rows: list[tuple[Value, ...]] = []
    points = workload_points("genome")
    for share in shares:
        gpu = share.gpu
        enough = gpu.memory_usable_bytes >= GENOME_BYTES - GB
        verdict = "yes" if enough else "no: less than published runs used"
        mine = [point for point in points if point.gpu == gpu.key and point.gpus == share.gpus]
        taken = mine[0].value / HOUR_S if mine else None
        rows.append(
            (share_words(share), verdict, INDEX_BYTES / gpu.memory_usable_bytes, taken,
             taken * share.gpus * share.usd_per_gpu_hour if taken else None)
        )  # fmt: skip
    one, *_, most = points
    rate = 50 * GENOME_BASES / one.value / 1e6
    kept = one.value / most.value / most.gpus
    return GuideSection(
        key="genome",
        title="genome alignment (reads to BAM, human, 50x)",
        finding=(
            f"Published: {one.value / HOUR_S:.1f} h on one {one.gpu} ({rate:.0f}M bases/s), "
            f"{most.value / 60:.0f} min on {most.gpus} ({kept:.0%} of the ideal)."
        ),
        headings=(
            Heading(key="gpus", label="GPUs", style="text"),
            Heading(key="memory_enough", label="memory", style="text"),
            Heading(key="index_ratio", label="index", unit="of memory", style="percent"),
            Heading(key="published_hours", label="published", unit="hours"),
            Heading(key="usd", label="run", unit="$", style="usd"),
        ),
        rows=tuple(rows),
        formula=(
            f"index of the reference {INDEX_BYTES / GB:.1f} GB on every GPU; {50 * GENOME_BASES / 1e9:.0f}G bases with "
            f"qualities are {2 * 50 * GENOME_BASES / GB:.0f} GB to read, unpack and write"
        ),
        sources=(f"{one.source}, {one.date}", "NIG benchmark of Parabricks, 2024: V100 16 GB"),
        not_modelled=(
            "time on other GPUs: seeding is random access and extension integer work, neither follows FLOP/s; "
            "local disk and CPU cores for unpacking and sorting often bound it"
        ),
    )


def _held(points: Sequence[WorkloadPoint], estimate: Callable[[WorkloadPoint], Estimate]) -> str:
    """`10 of 11`: how many published figures lie inside the interval."""
    found = [(point.value, estimate(point)) for point in points]
    return f"{sum(each.low <= value <= each.high for value, each in found)} of {len(found)}"


def _cheapest(shares: Sequence[Share], rows: Sequence[tuple[Value, ...]], column: int, words: str) -> str:
    priced = [(row[column], row[0]) for row in all_month(shares, rows)]
    dollars = [(usd, where) for usd, where in priced if isinstance(usd, float)]
    if not dollars:
        return "It fits nothing that runs all month."
    usd, where = min(dollars, key=lambda each: each[0])
    return f"{words} on {where}: ${usd:,.2f}."
