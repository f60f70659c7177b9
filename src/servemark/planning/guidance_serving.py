"""Serving with some money: the largest model that fits in each precision, and how many users it serves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from servemark.catalogue.architectures import find_model
from servemark.catalogue.coefficients import find_coefficients
from servemark.catalogue.engine_defaults import find_engine
from servemark.domain.deployment import Deployment
from servemark.domain.gpu import Node
from servemark.domain.guidance import GuideQuestion, GuideSection, Heading, Share, Value
from servemark.domain.model import ModelArch
from servemark.domain.workload import FixedLength, Slo, Users, Workload
from servemark.physics.memory import memory_budget
from servemark.planning.formats import SIXTEEN_BITS, Format, kv_default, own_dtype, unsupported
from servemark.planning.guidance_shares import all_month, share_words
from servemark.planning.shapes import Shape, parallelisms
from servemark.planning.sieve import columns, most_load

LADDER: Final = (
    "llama-3.2-3b", "llama-3.1-8b", "phi-4", "mistral-small-24b", "qwen3-32b", "llama-3.3-70b",
    "mixtral-8x22b", "qwen3-235b-a22b", "llama-3.1-405b", "deepseek-r1",
)  # fmt: skip
"""One model of each usual size, smallest first."""
INPUT_TOKENS: Final = 1000
OUTPUT_TOKENS: Final = 300
TTFT_P95_S: Final = 2.0
TPOT_P95_S: Final = 0.05
SLOS: Final = (
    Slo(metric="ttft_s", statistic="p95", limit=TTFT_P95_S),
    Slo(metric="tpot_s", statistic="p95", limit=TPOT_P95_S),
)
MOST_USERS: Final = 512.0
PRECISIONS: Final = ("own", "fp8", "int4")
LABELS: Final = {"own": "16 bits", "fp8": "8 bits", "int4": "4 bits"}


def ladder(question: GuideQuestion) -> tuple[ModelArch, ...]:
    """The models of the guide, largest first."""
    if question.model is not None:
        return (question.model,)
    return tuple(find_model(key) for key in reversed(LADDER))


class Way(NamedTuple):
    """One way to serve a model on a share: replicas of one shape."""

    shape: Shape
    replicas: int


def serving_section(question: GuideQuestion, shares: Sequence[Share]) -> GuideSection:
    """Of each share and precision the largest model that serves a user within the promises, and how many."""
    models = ladder(question)
    ways = [
        [[_ways(share, model, precision) for model in models] for precision in PRECISIONS]
        for share in shares
    ]
    users = _users([way.shape for row in ways for cells in row for tried in cells for way in tried])
    rows: list[tuple[Value, ...]] = []
    for share, row in zip(shares, ways, strict=True):
        cells: list[Value] = []
        for tried_by_model in row:
            cells += _largest(models, [_most(tried, users) for tried in tried_by_model])
        rows.append((share_words(share), *cells))
    headings = [Heading(key="gpus", label="GPUs", style="text")]
    for precision in PRECISIONS:
        label = LABELS[precision]
        key = label.replace(" ", "_")
        headings.append(Heading(key=f"model_{key}", label=f"largest in {label}", style="text"))
        headings.append(Heading(key=f"users_{key}", label="users", style="count", appended=True))
    return GuideSection(
        key="serving",
        title="serving",
        finding=_finding(shares, rows),
        headings=tuple(headings),
        rows=tuple(rows),
        formula=(
            f"closed form, vLLM: users at once with {INPUT_TOKENS} tokens in and {OUTPUT_TOKENS} out, TTFT p95 within "
            f"{TTFT_P95_S:g} s and TPOT p95 within {TPOT_P95_S * 1000:g} ms, at most {MOST_USERS:.0f} per replica; "
            "the best of all ways to split the GPUs"
        ),
        sources=("coefficients fitted to published measurements, see docs/accuracy.md",),
        not_modelled="queues of bursts (servemark plan simulates them), quality lost to 8 and 4 bits",
    )


def _most(ways: Sequence[Way], users: Mapping[int, float]) -> int:
    """Users of the best way; 0 where there is none."""
    return max((int(way.replicas * users[id(way.shape)]) for way in ways), default=0)


def _largest(models: Sequence[ModelArch], users: Sequence[int]) -> tuple[Value, Value]:
    """The first model, largest first, that serves anybody."""
    found = next(((model.key, n) for model, n in zip(models, users, strict=True) if n >= 1), None)
    return found or (None, None)


def _ways(share: Share, model: ModelArch, precision: str) -> list[Way]:
    """Every split of the share's GPUs that can run and fits, with the engine's defaults."""
    gpu = share.gpu
    dtype = own_dtype(model, gpu) if precision == "own" else precision
    form = Format(dtype, kv_default(dtype))
    engine = find_engine("vllm", gpu=gpu)
    plain = precision != "own" or dtype in SIXTEEN_BITS
    if not plain or unsupported(form, gpu, engine.name) is not None:
        return []
    found = find_coefficients(gpu, dtype=dtype, engine=engine.name, version=engine.version, model=model.key)
    ways: list[Way] = []
    for split in parallelisms(model, gpu):
        if split.gpus > share.gpus or split.expert > 1:
            continue
        deployment = Deployment(
            model=model,
            node=Node(gpu=gpu, gpus=split.gpus, peer_to_peer=gpu.peer_to_peer),
            dtype=dtype,
            kv_dtype=form.kv_dtype,
            parallelism=split,
            engine=engine,
        )
        budget = memory_budget(deployment, sequence_tokens=INPUT_TOKENS + OUTPUT_TOKENS)
        if budget.fits:
            ways.append(Way(Shape(deployment, budget, found), share.gpus // split.gpus))
    return ways


def _users(shapes: Sequence[Shape]) -> dict[int, float]:
    """The most users within the promises, by the shape's identity."""
    workload = Workload(input=FixedLength(tokens=INPUT_TOKENS), output=FixedLength(tokens=OUTPUT_TOKENS))
    load = Users(users=1)
    by_model: dict[str, list[Shape]] = {}
    for shape in shapes:
        by_model.setdefault(shape.deployment.model.key, []).append(shape)
    users: dict[int, float] = {}
    for same in by_model.values():
        most = most_load(columns(same, load, workload), SLOS, load, MOST_USERS)
        users.update({id(shape): float(value) for shape, value in zip(same, most, strict=True)})
    return users


def _finding(shares: Sequence[Share], rows: Sequence[tuple[Value, ...]]) -> str:
    """The largest 16-bit model that runs all month and its users, and how far 4 bits reach."""
    mine = all_month(shares, rows)
    plain = [row for row in mine if row[1] is not None]
    if not plain:
        return "Nothing that runs all month serves a model in 16 bits within the promises."
    best = max(plain, key=lambda row: (_rank(row[1]), row[2] if isinstance(row[2], int) else 0))
    packed = [row for row in mine if row[5] is not None]
    furthest = max(
        packed, key=lambda row: (_rank(row[5]), row[6] if isinstance(row[6], int) else 0), default=None
    )
    reach = f", in 4 bits {furthest[5]} on {furthest[0]} for {furthest[6]}" if furthest is not None else ""
    return f"The largest model in 16 bits is {best[1]} on {best[0]} for {best[2]} users{reach}."


def _rank(key: Value) -> float:
    return find_model(str(key)).params
