"""Example runs, built by hand with plausible numbers: what the reports are tested and looked at with.

Latencies of the L40S follow from its data sheet: reading 16.06 GB of weights at 864 GB/s takes 18.6 ms,
so a token of one user takes 23.3 ms at 80 % of the bandwidth; a prompt of 1,000 tokens is 16 TFLOP.
"""

from __future__ import annotations

from msgspec.structs import replace

from servemark.capacity.answer import capacity_of
from servemark.domain.coefficients import Coefficients, Fitted
from servemark.domain.deployment import Deployment, EngineConfig
from servemark.domain.exchange import CheckResult, Item, Judgement, Message
from servemark.domain.finding import Evidence, Excerpt, Finding
from servemark.domain.gpu import Gpu, Link, Node, Source
from servemark.domain.memory import MemoryBudget
from servemark.domain.model import Attention, Dense, LayerGroup, ModelArch
from servemark.domain.quality import (
    CheckRate,
    Control,
    FamilyVerdict,
    LevelQuality,
    QualityVerdict,
)
from servemark.domain.run import (
    CpuShare,
    Distribution,
    Endpoint,
    Lag,
    Level,
    Provenance,
    RequestRecord,
    Run,
    Window,
)
from servemark.domain.workload import FixedLength, Load, Rate, Slo, Users, Workload
from servemark.stats.verdicts import judge
from servemark.units import GB, MIB

SHEET = Source(text="NVIDIA L40S data sheet", date="2026-11", checked=True)
ALONE = Source(text="NVIDIA L40S data sheet", date="2026-11")

L40S = Gpu(
    key="l40s", name="L40S", aliases=("NVIDIA L40S",), family="l40s", architecture="Ada",
    compute_capability="8.9", form_factor="PCIe", memory_nominal_bytes=48 * GB,
    memory_reported_bytes=46068 * MIB, memory_usable_bytes=45486 * MIB, memory_kind="GDDR6",
    bandwidth_bytes_per_s=864 * GB, dense_flop_per_s={"bf16": 362e12, "fp8": 733e12}, tdp_w=350.0,
    pcie=Link(kind="pcie", generation="4", bandwidth_bytes_per_s=32 * GB), l2_bytes=96 * MIB,
    multiprocessors=142, graphics_pipeline=True, launch="2023-08",
    sources={"*": SHEET, "launch": ALONE, "l2_bytes": ALONE},
)  # fmt: skip
H100 = replace(
    L40S, key="h100-sxm", name="H100 SXM", aliases=(), family="h100", architecture="Hopper",
    compute_capability="9.0", form_factor="SXM", memory_nominal_bytes=80 * GB,
    memory_reported_bytes=81559 * MIB, memory_usable_bytes=81079 * MIB, memory_kind="HBM3",
    bandwidth_bytes_per_s=3350 * GB, dense_flop_per_s={"bf16": 989e12, "fp8": 1979e12}, tdp_w=700.0,
    link=Link(kind="nvlink", generation="4", bandwidth_bytes_per_s=450 * GB), graphics_pipeline=False,
    launch="2023-03", sources={"*": replace(SHEET, text="NVIDIA H100 data sheet")},
)  # fmt: skip
LLAMA = ModelArch(
    key="llama-3.1-8b", name="Llama 3.1 8B", hub_id="meta-llama/Llama-3.1-8B-Instruct", hidden=4096,
    vocab=128256,
    groups=(LayerGroup(count=32, attention=Attention(heads=32, kv_heads=8, head_dim=128),
                       feedforward=Dense(intermediate=14336), norm_params=8192),),
    other_params=4096, max_context_tokens=131072, source="config.json of the checkpoint", date="2024-07",
)  # fmt: skip
BUDGET = MemoryBudget(
    fits=True, usable_bytes=45486 * MIB, total_reported_bytes=46068 * MIB, weights_bytes=15317 * MIB,
    activation_bytes=1250 * MIB, graph_bytes=620 * MIB, runtime_bytes=480 * MIB,
    kv_pool_bytes=24370 * MIB, kv_bytes_per_token=131072.0, kv_blocks=12185, kv_tokens=194960,
    reserved_bytes=40937 * MIB, reported_bytes=42037 * MIB, needed_bytes=17667 * MIB,
    sum="0.90 x 45,486 = 40,937 MiB = weights 15,317 + activations 1,250 + KV cache 24,370",
)  # fmt: skip
H100_BUDGET = replace(
    BUDGET, usable_bytes=81079 * MIB, total_reported_bytes=81559 * MIB, kv_pool_bytes=56404 * MIB,
    kv_blocks=28202, kv_tokens=451232, reserved_bytes=72971 * MIB, reported_bytes=74071 * MIB,
)  # fmt: skip
COEFFICIENTS = Coefficients(
    gpu="l40s", dtype="bf16", engine="vllm", engine_version="0.15.1",
    compute_efficiency=Fitted(value=0.62, relative_error=0.08),
    memory_efficiency=Fitted(value=0.80, relative_error=0.03),
    kv_efficiency=Fitted(value=0.71, relative_error=0.10),
    attention_efficiency=Fitted(value=0.45, relative_error=0.15),
    link_efficiency=Fitted(value=0.7, relative_error=0.2),
    collective_latency_s=Fitted(value=12e-6, relative_error=0.3),
    layer_overhead_s=Fitted(value=9e-6, relative_error=0.25),
    token_overhead_s=Fitted(value=0.4e-6, relative_error=0.4),
    sequence_overhead_s=Fitted(value=11e-6, relative_error=0.2),
    step_overhead_s=Fitted(value=0.9e-3, relative_error=0.15),
    request_overhead_s=Fitted(value=7e-3, relative_error=0.3),
    rows=48, source="measured performance table", date="2026-11",
)  # fmt: skip
DEPLOYMENT = Deployment(
    model=LLAMA, node=Node(gpu=L40S), dtype="bf16", kv_dtype="bf16",
    engine=EngineConfig(version="0.15.1"),
)  # fmt: skip
PROVENANCE = Provenance(
    servemark="0.1.0", started="2026-11-20T14:05:00+00:00", seed=7, python="3.11.2",
    platform="Linux x86_64", cores=8, load_average=0.41,
    command="servemark predict llama-3.1-8b --gpu l40s --users 1,2,4,8,16,32",
)  # fmt: skip
WORKLOAD = Workload(input=FixedLength(tokens=1000), output=FixedLength(tokens=300))
TTFT = Slo(metric="ttft_s", statistic="p95", limit=2.0)
TPOT = Slo(metric="tpot_s", statistic="p95", limit=0.05)
FAILURES = Slo(metric="failures_ratio", statistic="value", limit=0.01)

# load; then milliseconds: TTFT p50 p95 p99, TPOT p50 p95 p99; then output tok/s
CLOSED_FORM = (
    (1, (78, 78, 78), (23.6, 23.6, 23.6), 42.1),
    (2, (86, 141, 160), (24.1, 24.9, 25.1), 81.6),
    (4, (104, 190, 240), (25.2, 27.2, 27.9), 154.0),
    (8, (143, 322, 410), (27.6, 31.3, 32.6), 279.0),
    (16, (236, 610, 790), (33.0, 40.1, 42.2), 462.0),
    (32, (492, 1340, 1720), (45.9, 57.8, 61.1), 652.0),
)
SIMULATED = (
    (1, (79, 80, 81), (23.6, 23.7, 23.7), 42.0),
    (2, (88, 152, 158), (24.3, 25.1, 25.3), 80.9),
    (4, (109, 214, 251), (25.6, 27.7, 28.4), 151.2),
    (8, (151, 348, 442), (28.3, 32.4, 33.9), 271.5),
    (16, (258, 655, 880), (34.6, 41.9, 43.8), 440.1),
    (32, (540, 1480, 1960), (48.8, 60.2, 63.0), 612.4),
)
MEASURED = (
    (1, (84, 92, 99), (24.0, 24.4, 24.6), 41.2),
    (2, (95, 168, 181), (24.8, 25.9, 26.3), 79.0),
    (4, (118, 236, 290), (26.3, 28.8, 29.7), 146.9),
    (8, (163, 391, 520), (29.5, 34.0, 36.2), 259.8),
    (16, (287, 742, 1010), (36.4, 44.1, 47.0), 417.3),
    (32, (611, 1710, 2350), (52.3, 65.0, 69.4), 570.2),
)
FAST = tuple(
    (4 * users, tuple(v / 3.1 for v in ttft), tuple(v / 3.4 for v in tpot), 12.6 * rate)
    for users, ttft, tpot, rate in CLOSED_FORM
)


def distribution(points_ms, n: int, *, width: float = 0.06) -> Distribution:
    """Percentiles in ms; an interval where one exists at n (6, 72, 368 samples)."""
    p50, p95, p99 = (v / 1000 for v in points_ms)
    needed = {"p50": 6, "p95": 72, "p99": 368}
    ci = {
        p: ((1 - width) * v, (1 + 1.5 * width) * v) if n >= needed[p] else None
        for p, v in zip(needed, (p50, p95, p99), strict=True)
    }
    return Distribution(n=n, mean=p50 * 1.06, p50=p50, p95=p95, p99=p99, ci=ci)


def level(row, slos, *, n: int = 0, outcomes=None, load: Load | None = None, **more) -> Level:
    """One judged level from a row of the tables above; n = 0 is a closed form."""
    users, ttft, tpot, rate = row
    outcomes = outcomes or {"complete": n}
    e2e = tuple(a + 299 * b for a, b in zip(ttft, tpot, strict=True))
    done = outcomes["complete"]
    sent = sum(outcomes.values())
    gaps = tuple(f * v for f, v in zip((0.98, 1.05, 1.4), tpot, strict=True))
    plain = Level(
        load=load or Users(users=users), requests_sent=sent, outcomes=outcomes,
        metrics={
            "ttft_s": distribution(ttft, done), "itl_s": distribution(gaps, 299 * done),
            "tpot_s": distribution(tpot, done, width=0.02), "e2e_s": distribution(e2e, done, width=0.03),
        },
        output_tokens_per_s=rate, requests_per_s=rate / 300,
        failures_ratio=(sent - done) / sent if sent else 0.0, **more,
    )  # fmt: skip
    return judge(plain, slos)


def run(levels, slos, **more) -> Run:
    """A run of judged levels with its capacity."""
    defaults = {
        "title": DEPLOYMENT.title, "workload": WORKLOAD, "provenance": PROVENANCE,
        "capacity": capacity_of(levels) if slos else None,
    }  # fmt: skip
    if "endpoint" in more:
        # as a measurement calls itself where nobody gave a title
        defaults["title"] = f"{more['endpoint'].model} at {more['endpoint'].url}"
    return Run(slos=slos, levels=tuple(levels), **(defaults | more))


def closed_form(slos=(TTFT, TPOT), rows=CLOSED_FORM) -> Run:
    return run(
        [level(row, slos) for row in rows], slos, id="0001-predicted-llama-3.1-8b", origin="predicted",
        method="closed form", deployment=DEPLOYMENT, memory=BUDGET, coefficients=COEFFICIENTS,
    )  # fmt: skip


def with_bands(plain: Level, slos) -> Level:
    """The level with the 80 % band of a prediction: from value / 1.1 to value x 1.2."""

    def around(value: float) -> tuple[float, float]:
        return value / 1.1, value * 1.2

    metrics = {
        key: replace(
            found, band={p: around(getattr(found, p)) for p in ("mean", "p50", "p95", "p99")}
        )
        for key, found in plain.metrics.items()
    }  # fmt: skip
    bands = {key: around(getattr(plain, key)) for key in ("output_tokens_per_s", "requests_per_s")}
    return judge(replace(plain, metrics=metrics, bands=bands), slos)


def banded(slos=(TTFT, TPOT)) -> Run:
    """The closed form with its error: TPOT p95 at 16 users, 40.1 ms, may be 36.5 to 48.1 ms."""
    plain = closed_form(slos)
    levels = tuple(with_bands(each, slos) for each in plain.levels)
    return replace(
        plain, levels=levels, capacity=plain.capacity and replace(plain.capacity, band=(16.0, 29.0)),
        extrapolations=("a batch of 32 lies beyond the fitted 1 to 24",),
    )  # fmt: skip


def simulated(slos=(TTFT, TPOT, FAILURES)) -> Run:
    levels = [
        level(row, slos, n=400, warmup_sent=8, window=Window(start_s=4.0, end_s=9.0 * row[0] + 40.0))
        for row in SIMULATED
    ]
    return run(
        levels, slos, id="0002-predicted-llama-3.1-8b", origin="predicted", method="simulation",
        deployment=DEPLOYMENT, memory=BUDGET, coefficients=COEFFICIENTS,
    )  # fmt: skip


def _instrument(users: int, engine: float | None = None, twin: float | None = None) -> dict:
    return {
        "lag": Lag(send_p99_s=0.0008, loop_p99_s=0.0011, server_p99_s=twin, peak_in_flight=users,
                   reduced_accuracy=False),
        "cpu": CpuShare(client_cores=0.02 + 0.004 * users, engine_cores=engine, machine_cores=8),
        "window": Window(start_s=3.0, end_s=63.0),
        "warmup_sent": 4,
    }  # fmt: skip


ENDPOINT = Endpoint(
    url="http://127.0.0.1:8000/v1", model="llama-3.1-8b", server="servemark twin 0.1.0", time_factor=4.0
)


def measured(slos=(TTFT, TPOT, FAILURES)) -> Run:
    """The twin, measured over HTTP: every level with enough requests."""
    levels = [
        level(row, slos, n=120 + 40 * i, **_instrument(row[0], twin=0.0016))
        for i, row in enumerate(MEASURED)
    ]
    return run(
        levels, slos, id="0003-measured-llama-3.1-8b", origin="measured", method="load test",
        endpoint=ENDPOINT, provenance=replace(
            PROVENANCE, started="2026-11-20T14:09:00+00:00",
            command="servemark measure http://127.0.0.1:8000/v1 --users 1,2,4,8,16,32 --api-key sk-123",
        ),
    )  # fmt: skip


def measured_with_failures(slos=(TTFT, TPOT, FAILURES)) -> Run:
    """Short levels: the first three undecided, the last two with refused and timed out requests."""
    counts = (
        {"complete": 20}, {"complete": 40}, {"complete": 60}, {"complete": 160},
        {"complete": 230, "refused": 8, "truncated": 2},
        {"complete": 255, "truncated": 2, "refused": 38, "timed_out": 19, "broken": 1, "transport": 5},
    )  # fmt: skip
    levels = [
        level(row, slos, outcomes=outcomes, **_instrument(row[0]))
        for row, outcomes in zip(MEASURED, counts, strict=True)
    ]
    return run(
        levels, slos, id="0004-measured-llama-3.1-8b", origin="measured", method="load test",
        endpoint=replace(ENDPOINT, url="https://user:pw@llm.example.org/v1", time_factor=1.0, server="vLLM 0.15.1"),
        provenance=replace(PROVENANCE, finished=False, started="2026-11-20T15:30:00+00:00"),
        notes=("Interrupted at 32 users after 320 requests.",),
    )  # fmt: skip


def without_promises() -> Run:
    return closed_form(slos=())


def single_level() -> Run:
    """One open-loop level, too short for its p95."""
    slos = (TTFT,)
    one = level(MEASURED[2], slos, n=30, load=Rate(per_s=0.5), **_instrument(4))
    return run(
        [one], slos, id="0005-measured-llama-3.1-8b", origin="measured", method="load test",
        endpoint=replace(ENDPOINT, time_factor=1.0),
    )  # fmt: skip


def holding_nowhere() -> Run:
    return closed_form(slos=(Slo(metric="ttft_s", statistic="p95", limit=0.05), TPOT))


def never_broken() -> Run:
    return closed_form(rows=CLOSED_FORM[:4])


def faster_gpu(slos=(TTFT, TPOT)) -> Run:
    """The same model on one H100 SXM."""
    deployment = replace(DEPLOYMENT, node=Node(gpu=H100))
    return run(
        [level(row, slos) for row in FAST], slos, id="0006-predicted-llama-3.1-8b", origin="predicted",
        method="closed form", deployment=deployment, title=deployment.title, memory=H100_BUDGET,
        coefficients=replace(COEFFICIENTS, gpu="h100-sxm", rows=31),
    )  # fmt: skip


def tiny_model(slos=(TTFT, TPOT, FAILURES)) -> Run:
    """A very small model on this machine's processor: three orders of magnitude faster per token."""
    rows = (
        (1, (6.1, 7.0, 7.9), (0.42, 0.50, 0.61), 1900.0),
        (4, (9.5, 14.2, 19.0), (0.71, 1.02, 1.31), 4700.0),
        (8, (16.0, 31.0, 39.0), (1.33, 1.90, 2.44), 5200.0),
        (16, (38.0, 71.0, 92.0), (2.61, 3.40, 4.52), 5350.0),
        (32, (88.0, 160.0, 205.0), (5.20, 6.80, 8.31), 5400.0),
    )
    levels = [level(row, slos, n=500, **_instrument(row[0], 1.92)) for row in rows]
    endpoint = Endpoint(
        url="http://127.0.0.1:8091/v1", model="servemark-tiny", server="llama.cpp b11549",
        settings={"n_ctx": "16384", "n_parallel": "8", "api_key": "secret"},
    )  # fmt: skip
    return run(
        levels, slos, id="0007-measured-servemark-tiny", origin="measured", method="load test",
        endpoint=endpoint, title="servemark-tiny on this machine",
    )  # fmt: skip


def rows_of(records: Run, count: int) -> Run:
    """The same run with `count` request rows on its first level."""
    requests = tuple(
        RequestRecord(index=i, scheduled_s=0.1 * i, sent_s=0.1 * i, end_s=0.1 * i + 7.0, outcome="complete",
                      text="</script><!-- x")
        for i in range(count)
    )  # fmt: skip
    first, *rest = records.levels
    return replace(records, levels=(replace(first, requests=requests), *rest))


def level_quality(asked: int, complete: int, broke: int, *, harmed: bool = False) -> LevelQuality:
    """Of 240 items 6 are wrong alone; `broke` more here, none healed."""
    wrong = 6 + broke
    useful = complete - wrong
    loss, spread = broke / complete, 1.96 * broke**0.5 / complete
    leaks = CheckRate(
        check="system_prompt_leak", n=complete, failed=0, ratio=0.0, interval=(0.0, 0.016), pairs=complete
    )
    languages = CheckRate(
        check="wrong_language", n=complete, failed=wrong, ratio=wrong / complete,
        interval=(max(0.0, wrong / complete - 0.02), wrong / complete + 0.03), pairs=complete, broke=broke,
        difference=loss, difference_interval=(loss - spread - 0.004, loss + spread + 0.004),
        p_value=0.0004 if harmed else 1.0, floor_ratio=0.004,
    )  # fmt: skip
    return LevelQuality(
        asked=asked, complete=complete, useful=useful, accuracy_ratio=useful / complete,
        accuracy_interval=(useful / complete - 0.03, useful / complete + 0.02), useful_ratio=useful / asked,
        useful_interval=(useful / asked - 0.03, useful / asked + 0.02), changed_ratio=0.02, loss_ratio=loss,
        loss_interval=(loss - spread - 0.004, loss + spread + 0.004), rates=(leaks, languages),
    )  # fmt: skip


ITEM = Item(
    id="history-ms-07", key="B", expected_language="ms",
    messages=(Message(role="system", content="Jawab dalam bahasa Melayu."),
              Message(role="user", content="Bilakah Malaysia ditubuhkan?\nA) 1957\nB) 1963")),
)  # fmt: skip
WRONG_LANGUAGE = CheckResult(
    check="wrong_language", severity="major", excerpt="Malaysia was formed on 16 September 1963.",
    detail="100 % of 41 letters are English, Malay was asked for",
)  # fmt: skip


def experiment(slos=(TTFT, FAILURES)) -> Run:
    """A suite at six loads: answers in the wrong language and refused requests at 32 users."""
    broken = {4: (0, 240), 5: (21, 214)}
    levels = []
    for i, row in enumerate(MEASURED):
        broke, complete = broken.get(i, (0, 240))
        outcomes = {"complete": complete, "refused": 240 - complete}
        found = level_quality(240, complete, broke, harmed=broke > 0)
        levels.append(level(row, slos, outcomes=outcomes, quality=found, **_instrument(row[0])))
    record = RequestRecord(
        index=7, scheduled_s=1.0, sent_s=1.0, first_token_s=1.4, end_s=3.2, outcome="complete", status=200,
        input_tokens=31, output_tokens=12, finish_reason="stop", item=ITEM.id, block=2,
        text="Malaysia was formed on 16 September 1963.\nAnswer: B",
        judgement=Judgement(findings=(WRONG_LANGUAGE,), passed=("wrong_answer",)),
    )  # fmt: skip
    levels[-1] = replace(levels[-1], requests=(record,))
    families = (
        FamilyVerdict(
            family="failures", word="harmed", sentence="Failures rise from 0 % alone to 10.8 % at 32 users.",
            test="Cochran-Armitage, permuted within 6 blocks", p_value=0.0002, effect=10.8,
            effect_unit="points", effect_interval=(7.2, 15.4), worst_load=Users(users=32),
            would_change="No refused request at 32 users.",
        ),
        FamilyVerdict(
            family="latency", word="slower", sentence="TTFT p95 rises to 1.71 s, within the 2 s promised.",
            test="Page", p_value=1e-9, effect=1.79, effect_unit="factor per doubling",
            effect_interval=(1.71, 1.88), worst_load=Users(users=32), would_change="A promise below 1.7 s.",
        ),
        FamilyVerdict(
            family="quality", word="harmed", sentence="At 32 users 21 of 214 items break and none heal.",
            test="exact McNemar, Holm", p_value=0.0004, effect=2100 / 214, effect_unit="points",
            effect_interval=(5.6, 14.5), worst_load=Users(users=32), margin=0.03,
            would_change="A repetition at 32 users in which fewer than 7 items break.",
        ),
    )  # fmt: skip
    controls = (
        Control(kind="drift", load=Users(users=1), pairs=40, changed_text=0, broke=0, healed=0, difference=0.0,
                difference_interval=(-0.03, 0.03), p_value=1.0, failures=(0.0, 0.0), e2e_p50_s=(7.3, 7.2)),
        Control(kind="noise", load=Users(users=32), pairs=201, changed_text=4, broke=1, healed=1, difference=0.0,
                difference_interval=(-0.014, 0.014), p_value=1.0, failures=(0.108, 0.1), e2e_p50_s=(16.2, 16.4)),
    )  # fmt: skip
    finding = Finding(
        key="front_truncation", claim="The front of the prompt is cut at 32 users: 21 of 214 answers ignore it.",
        confidence="likely", weight=0.1,
        evidence=(
            Evidence(text="The server counts 24 prompt tokens, 31 for the same prompt alone.", source="requests",
                     level=5, requests=(0,)),
            Evidence(text="Every one of them is in the wrong language.", source="statistics", level=5),
        ),
        refuted_by="The same prompts at 32 users with twice the context: still in the wrong language.",
        next_step="Give each slot 4,096 tokens of context and measure again at 32 users.",
        consequence="One in ten Malay readers gets an English answer in the busiest hour.",
        excerpts=(Excerpt(item=ITEM.id, load=Users(users=32), under_load=record.text,
                          alone="Malaysia ditubuhkan pada 16 September 1963.\nJawapan: B"),),
    )  # fmt: skip
    return run(
        levels, slos, id="0008-measured-llama-3.1-8b", origin="measured", method="load test",
        endpoint=replace(ENDPOINT, time_factor=1.0), items=(ITEM,), findings=(finding,),
        quality=QualityVerdict(suite="exam", items=240, blocks=6, families=families, controls=controls),
    )  # fmt: skip


EXAMPLES = {
    "closed-form": lambda: (closed_form(),),
    "simulated": lambda: (simulated(),),
    "both": lambda: (closed_form(), measured()),
    "failures": lambda: (measured_with_failures(),),
    "no-promises": lambda: (without_promises(),),
    "single-level": lambda: (single_level(),),
    "nowhere": lambda: (holding_nowhere(),),
    "never-broken": lambda: (never_broken(),),
    "demo": lambda: (simulated(), measured(), tiny_model()),
    "banded": lambda: (banded(), measured()),
    "experiment": lambda: (experiment(),),
    "two-gpus": lambda: (closed_form(), faster_gpu(), measured_with_failures()),
}
"""What the tests go through: name -> runs of one report."""
