"""The kernels of the local GPU, timed with torch: copies, matrix products over m, attention.

The one file that touches torch, which is optional. On a GPU every time is the median of CUDA events after a warm-up,
with operands that take turns so that no cache holds them; on a CPU, which is there to try the code, of a wall clock.
"""

from __future__ import annotations

import itertools
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from importlib.util import find_spec
from typing import Any, Literal, NamedTuple

from servemark.domain.calibration import KernelTime
from servemark.domain.record import Record
from servemark.errors import InputError, MissingExtra
from servemark.telemetry.boards import Boards
from servemark.units import GIB, MB, MIB

EXTRA = "gpu"
WARM_UP = 3
FEW = 5
FLUSH_BYTES = GIB
"""Operands of one shape together: beyond every L2 cache."""
_DTYPES = {"bf16": "bfloat16", "fp16": "float16", "fp8": "float8_e4m3fn", "int8": "int8", "fp32": "float32"}
_BYTES = {"bf16": 2, "fp16": 2, "fp8": 1, "int8": 1, "fp32": 4}


class BenchShapes(Record, frozen=True, kw_only=True):
    """What is timed."""

    copy_bytes: int
    products: tuple[tuple[int, int], ...]
    """(n, k) of the weights."""
    rows: tuple[int, ...]
    """m: tokens of a step."""
    heads: tuple[int, int, int]
    """Query heads, KV heads, head size."""
    prompts: tuple[int, ...]
    """Tokens of a prefill."""
    contexts: tuple[tuple[int, int], ...]
    """Sequences and cached tokens of each, of a decode."""
    repetitions: int
    sustained_side: int
    """A product of this side takes milliseconds: a few end before clocks fall."""
    load_s: float
    """Long enough for a board to reach its power limit."""


FULL = BenchShapes(
    copy_bytes=GIB,
    products=((6144, 4096), (28672, 4096), (4096, 14336)),
    rows=(1, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192),
    heads=(32, 8, 128),
    prompts=(512, 1024, 2048, 4096, 8192),
    contexts=((1, 8192), (8, 4096), (32, 1024), (32, 4096), (128, 1024), (128, 2048)),
    repetitions=20,
    sustained_side=8192,
    load_s=3.0,
)
"""Shapes of an 8B model: joined QKV, joined gate and up, down."""
SMALL = BenchShapes(
    copy_bytes=16 * MIB,
    products=((256, 256), (512, 256)),
    rows=(1, 16, 64, 256),
    heads=(4, 2, 32),
    prompts=(64, 256),
    contexts=((1, 256), (4, 256)),
    repetitions=3,
    sustained_side=256,
    load_s=0.1,
)
"""To try the code on a CPU."""


class Bench(NamedTuple):
    """What came of it."""

    device: str
    """Name that the driver gives the board."""
    kernels: tuple[KernelTime, ...]
    versions: dict[str, str]
    notes: tuple[str, ...]


def gpu_bench(
    shapes: BenchShapes = FULL,
    *,
    device: str = "cuda",
    dtypes: Sequence[str] = ("bf16", "fp16", "fp8", "int8"),
    on_step: Callable[[str], None] = lambda _: None,
) -> Bench:
    """Time the kernels of the first GPU.

    A dtype that this GPU or this torch cannot multiply is left out, with the reason in `notes`.

    Args:
        shapes: what is timed.
        device: `cuda`, or `cpu` to try it.
        dtypes: of the matrix products.
        on_step: told each step in a sentence.

    Raises:
        MissingExtra: torch is not installed.
        InputError: torch finds no GPU.
    """
    torch = load_torch()
    if device == "cuda" and not torch.cuda.is_available():
        found = f"none (torch {torch.__version__})"
        raise InputError("gpu_bench", expected="an NVIDIA GPU that torch can use", found=found)
    timer = Timer(torch, device, shapes.repetitions)
    name = torch.cuda.get_device_name(0) if device == "cuda" else device
    notes: list[str] = []
    on_step(f"{name}: copies")
    kernels = [_copy(timer, shapes.copy_bytes)]
    for dtype in dtypes:
        on_step(
            f"{name}: {dtype} products of {len(shapes.products)} shapes, {shapes.rows[0]} to {shapes.rows[-1]} rows"
        )
        try:
            kernels += list(_products(timer, shapes, dtype))
        except (RuntimeError, NotImplementedError, AttributeError) as error:
            notes.append(f"{dtype} products left out: {_first_line(error)}")
    on_step(f"{name}: {shapes.load_s:g} s of products")
    sustained, note = _under_load(timer, shapes)
    kernels += sustained
    notes.append(note)
    on_step(f"{name}: attention")
    kernels += _attention(timer, shapes)
    versions = {"torch": str(torch.__version__)}
    if device == "cuda":
        versions["cuda"] = str(torch.version.cuda)
    return Bench(name, tuple(kernels), versions, tuple(notes))


def load_torch() -> Any:
    """The torch module.

    Raises:
        MissingExtra: it is not installed.
    """
    if find_spec("torch") is None:
        raise MissingExtra("torch", EXTRA)
    import torch  # pyright: ignore[reportMissingImports]

    return torch


class Timer:
    """Times work on one device."""

    def __init__(self, torch: Any, device: str, repetitions: int) -> None:
        self.torch, self.device, self.repetitions = torch, device, repetitions

    def seconds(self, work: Callable[[], object]) -> tuple[float, float]:
        """Median over the repetitions, and interquartile range over median."""
        for _ in range(WARM_UP):
            work()
        times = (
            self._cuda_s(work)
            if self.device == "cuda"
            else [_wall_s(work) for _ in range(self.repetitions)]
        )
        middle = statistics.median(times)
        quarters = statistics.quantiles(times, n=4)
        return middle, (quarters[2] - quarters[0]) / middle

    def _cuda_s(self, work: Callable[[], object]) -> list[float]:
        """All repetitions are queued before the first is read, so that launching them costs nothing."""
        events = self.torch.cuda.Event
        pairs = [(events(enable_timing=True), events(enable_timing=True)) for _ in range(self.repetitions)]
        self.wait()
        for begin, end in pairs:
            begin.record()
            work()
            end.record()
        self.wait()
        return [begin.elapsed_time(end) * 1e-3 for begin, end in pairs]

    def wait(self) -> None:
        """Until everything queued is done."""
        if self.device == "cuda":
            self.torch.cuda.synchronize()

    def copies(self, size_bytes: float) -> int:
        """How many operands of a size take turns."""
        return max(1, int(FLUSH_BYTES // size_bytes)) if self.device == "cuda" else 1

    def tensor(self, dtype: str, *shape: int) -> Any:
        """Random numbers of a dtype, in rows."""
        torch = self.torch
        kind = getattr(torch, _DTYPES[dtype])
        if dtype == "int8":
            return torch.randint(-8, 8, shape, dtype=kind, device=self.device)
        values = torch.randn(
            *shape, dtype=torch.float32 if dtype == "fp32" else torch.bfloat16, device=self.device
        )
        return values.to(kind)


def _copy(timer: Timer, size_bytes: int) -> KernelTime:
    source = timer.torch.ones(size_bytes // 4, dtype=timer.torch.float32, device=timer.device)
    target = timer.torch.empty_like(source)
    time_s, spread = timer.seconds(lambda: target.copy_(source))
    return KernelTime(
        kind="copy",
        dtype="fp32",
        shape=(size_bytes // 4,),
        moved_bytes=2.0 * size_bytes,
        work_flop=0.0,
        time_s=time_s,
        spread_ratio=spread,
    )


def _products(timer: Timer, shapes: BenchShapes, dtype: str) -> Iterator[KernelTime]:
    """Tokens (m, k) times weights (n, k) transposed, for every shape and m."""
    for n, k in shapes.products:
        count = timer.copies(n * k * _BYTES[dtype])
        weights = [timer.tensor(dtype, n, k).t() for _ in range(count)]
        # the library multiplies no fewer than 17 rows of 8-bit integers
        yield from (_product(timer, dtype, m, weights) for m in shapes.rows if dtype != "int8" or m > 16)


def _product(timer: Timer, dtype: str, m: int, weights: Sequence[Any]) -> KernelTime:
    k, n = weights[0].shape
    tokens, turn = timer.tensor(dtype, m, k), itertools.cycle(weights)
    multiply = _multiplication(timer, dtype)
    time_s, spread = timer.seconds(lambda: multiply(tokens, next(turn)))
    size, out = _BYTES[dtype], 4 if dtype in ("int8", "fp32") else 2
    return KernelTime(
        kind="gemm",
        dtype=dtype,
        shape=(m, n, k),
        moved_bytes=float(n * k * size + m * k * size + m * n * out),
        work_flop=2.0 * m * n * k,
        time_s=time_s,
        spread_ratio=spread,
    )


def _multiplication(timer: Timer, dtype: str) -> Callable[[Any, Any], Any]:
    torch = timer.torch
    if dtype == "fp8":
        one = torch.ones((), dtype=torch.float32, device=timer.device)
        return lambda a, b: torch._scaled_mm(a, b, scale_a=one, scale_b=one, out_dtype=torch.bfloat16)
    return torch._int_mm if dtype == "int8" else torch.matmul


def _attention(timer: Timer, shapes: BenchShapes) -> Iterator[KernelTime]:
    """Causal prefills of one prompt, and decodes of one token for each of several sequences, in 16 bits."""
    yield from (_prefill(timer, shapes.heads, tokens) for tokens in shapes.prompts)
    yield from (_decode(timer, shapes.heads, *context) for context in shapes.contexts)


def _prefill(timer: Timer, heads: tuple[int, int, int], tokens: int) -> KernelTime:
    attend = timer.torch.nn.functional.scaled_dot_product_attention
    own, kv, size = heads
    q, k, v = (timer.tensor("bf16", 1, n, tokens, size) for n in (own, kv, kv))
    time_s, spread = timer.seconds(lambda: attend(q, k, v, is_causal=True, enable_gqa=True))
    return KernelTime(
        kind="prefill attention",
        dtype="bf16",
        shape=(1, *heads, tokens),
        moved_bytes=2.0 * (2 * own + 2 * kv) * tokens * size,
        work_flop=2.0 * own * size * tokens * (tokens + 1),
        time_s=time_s,
        spread_ratio=spread,
    )


def _decode(timer: Timer, heads: tuple[int, int, int], sequences: int, tokens: int) -> KernelTime:
    attend = timer.torch.nn.functional.scaled_dot_product_attention
    own, kv, size = heads
    cache_bytes = 4.0 * sequences * kv * tokens * size
    caches = [
        tuple(timer.tensor("bf16", sequences, kv, tokens, size) for _ in range(2))
        for _ in range(timer.copies(cache_bytes))
    ]
    q, turn = timer.tensor("bf16", sequences, own, 1, size), itertools.cycle(caches)
    time_s, spread = timer.seconds(lambda: attend(q, *next(turn), enable_gqa=True))
    return KernelTime(
        kind="decode attention",
        dtype="bf16",
        shape=(sequences, *heads, tokens),
        moved_bytes=cache_bytes,
        work_flop=4.0 * sequences * own * size * tokens,
        time_s=time_s,
        spread_ratio=spread,
    )


def _under_load(timer: Timer, shapes: BenchShapes) -> tuple[list[KernelTime], str]:
    """One product after a pause and after seconds of it: what clocks lose; and the board meanwhile, in words."""
    side = shapes.sustained_side
    a, b = timer.tensor("bf16", side, side), timer.tensor("bf16", side, side)
    few = Timer(timer.torch, timer.device, FEW)

    def multiply() -> object:
        return timer.torch.matmul(a, b)

    multiply()
    timer.wait()
    time.sleep(shapes.load_s)
    fresh = few.seconds(multiply)
    begun_s = time.monotonic()
    while time.monotonic() - begun_s < shapes.load_s:
        for _ in range(FEW):
            multiply()
        timer.wait()
    sustained = few.seconds(multiply)
    for _ in range(FEW):
        multiply()
    note = f"after {shapes.load_s:g} s of bf16 products: {_board_words()}"
    timer.wait()
    work, moved = 2.0 * side**3, 6.0 * side**2
    kinds: tuple[tuple[Literal["fresh gemm", "sustained gemm"], tuple[float, float]], ...] = (
        ("fresh gemm", fresh), ("sustained gemm", sustained),
    )  # fmt: skip
    return [
        KernelTime(
            kind=kind, dtype="bf16", shape=(side, side, side), moved_bytes=moved, work_flop=work, time_s=time_s,
            spread_ratio=spread,
        )
        for kind, (time_s, spread) in kinds
    ], note  # fmt: skip


def _board_words() -> str:
    """Clock, power and temperature of the first board now."""
    boards = Boards()
    try:
        if not boards:
            return f"clock and power unknown ({boards.reason})"
        sample = boards.sample(0.0)[0]
    finally:
        boards.close()
    found = (
        ("clock", sample.clock_hz, MB, "MHz"), ("power", sample.power_w, 1, "W"),
        ("temperature", sample.temperature_c, 1, "°C"),
    )  # fmt: skip
    words = [f"{name} {value / unit:.0f} {sign}" for name, value, unit, sign in found if value is not None]
    return ", ".join(words) or "the board reports neither clock nor power"


def _wall_s(work: Callable[[], object]) -> float:
    begun_s = time.perf_counter()
    work()
    return time.perf_counter() - begun_s


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
