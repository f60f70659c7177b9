"""A run where nothing is wrong, made by hand, and the means to make one thing wrong with it."""

from msgspec.structs import replace

from servemark.domain.engine_sample import EngineFacts, EngineSample
from servemark.domain.exchange import CheckResult, Judgement
from servemark.domain.quality import CheckRate, LevelQuality
from servemark.domain.run import (
    CpuShare,
    Endpoint,
    GpuSample,
    Lag,
    Provenance,
    RequestRecord,
    Run,
)
from servemark.domain.workload import Users, Workload
from servemark.stats.summary import summarise

USERS = (1, 8, 32)
ITEMS = 40
PASSED = (
    "wrong_language", "wrong_answer", "self_contradiction", "system_prompt_leak", "framework_text", "context_echo",
    "repetition", "gibberish", "truncated_cap", "truncated_window", "truncated_stream", "empty_answer",
    "lost_context", "cross_talk", "bad_format",
)  # fmt: skip
START_S = 1_700_000_000.0


def request(i, *, at_s=0.0, ttft_s=0.1, e2e_s=1.0, **fields):
    """A complete answer to item i: 60 prompt tokens, 21 of output."""
    sent_s = at_s + 0.1 * i
    first_s, last_s = sent_s + ttft_s, sent_s + e2e_s
    gaps = 20
    chunks = tuple(first_s + (last_s - first_s) * k / gaps for k in range(gaps + 1))
    made = RequestRecord(
        index=i, scheduled_s=sent_s, sent_s=sent_s, first_byte_s=first_s, first_token_s=first_s, last_token_s=last_s,
        end_s=last_s, input_tokens=60, output_tokens=21, text_chunks=21, outcome="complete", status=200,
        finish_reason="stop", chunk_s=chunks, item=f"item-{i}", text=f"The answer to question {i} is B.",
        judgement=Judgement(passed=PASSED),
    )  # fmt: skip
    return replace(made, **fields)


def samples(users, **gauges):
    """Ten scrapes of an engine that runs every user at once."""
    steady = {
        "running": users,
        "waiting": 0,
        "kv_used_ratio": 0.005 * users,
        "preemptions": 0,
        "rejected": 0,
    }
    return tuple(
        EngineSample(
            at_s=0.4 * k,
            **(steady | gauges),
            corrupted=0,
            queue_s=(0.001 * k, k + 1),
            process_start_s=START_S,
        )
        for k in range(10)
    )


def boards(**fields):
    busy = {"power_w": 300.0, "temperature_c": 60.0, "utilization_ratio": 0.95, "clock_hz": 2.5e9}
    return tuple(GpuSample(at_s=0.5 * k, gpu=0, **(busy | fields)) for k in range(8))


def level(users, records, engine=None, quality=None, samples_=None):
    summary = summarise(
        Users(users=users),
        records,
        lag=Lag(send_p99_s=0.001, loop_p99_s=0.002),
        cpu=CpuShare(client_cores=0.1, engine_cores=1.0, machine_cores=8),
        samples=boards() if samples_ is None else samples_,
    )
    return replace(
        summary, engine=samples(users) if engine is None else engine, quality=quality or level_quality()
    )


def level_quality(broke=0, healed=0, p_value=1.0, floor=0.0, changed=0.0, **fields):
    """Useful answers of one load against the same items alone."""
    useful = ITEMS - broke
    rate = CheckRate(
        check="useful", n=ITEMS, failed=broke, ratio=broke / ITEMS, pairs=ITEMS, broke=broke, healed=healed,
        difference=(broke - healed) / ITEMS, p_value=p_value, floor_ratio=floor,
    )  # fmt: skip
    made = LevelQuality(
        asked=ITEMS, complete=ITEMS, useful=useful, accuracy_ratio=useful / ITEMS, useful_ratio=useful / ITEMS,
        accuracy_interval=(useful / ITEMS - 0.1, min(1.0, useful / ITEMS + 0.1)),
        changed_ratio=changed, loss_ratio=(broke - healed) / ITEMS, rates=(rate,),
    )  # fmt: skip
    return replace(made, **fields)


def run(*levels, facts=None, **fields):
    endpoint = Endpoint(
        url="http://127.0.0.1:8000/v1", model="m", engine=facts or EngineFacts(engine="vllm")
    )
    made = Run(
        origin="measured", method="load test", title="made by hand", endpoint=endpoint, workload=Workload(),
        levels=levels, provenance=Provenance(servemark="0", started="2026-11-20T00:00:00Z", seed=0),
    )  # fmt: skip
    return replace(made, **fields)


def clean_run(users=USERS, **fields):
    """Every load answered completely and alike, a little slower the more there are."""
    made = []
    for n in users:
        made.append(
            level(n, [request(i, ttft_s=0.1 + 0.001 * n, e2e_s=1.0 + 0.005 * n) for i in range(ITEMS)])
        )
    return run(*made, **fields)


def alter(whole, users, change, positions=range(ITEMS)):
    """The run with some requests of one level changed, summarised again."""
    levels = []
    for each in whole.levels:
        if each.load == Users(users=users):
            records = [change(r) if i in positions else r for i, r in enumerate(each.requests)]
            again = level(users, records, each.engine, each.quality, each.samples)
            each = replace(again, lag=each.lag, cpu=each.cpu, preemptions=again.preemptions)
        levels.append(each)
    return replace(whole, levels=tuple(levels))


def on_level(whole, users, **fields):
    """The run with fields of one level replaced."""
    levels = [replace(e, **fields) if e.load == Users(users=users) else e for e in whole.levels]
    return replace(whole, levels=tuple(levels))


def failing(record, outcome, reason, status=None, *, took_s=None, **fields):
    """The request as one that did not complete."""
    end_s = record.end_s if took_s is None else record.sent_s + took_s
    none = {
        "first_token_s": None,
        "last_token_s": None,
        "first_byte_s": None,
        "chunk_s": (),
        "text_chunks": 0,
    }
    return replace(
        record,
        **{
            **none, "output_tokens": 0, "outcome": outcome, "reason": reason, "status": status, "end_s": end_s,
            "finish_reason": None, "judgement": None, "text": "", **fields,
        },
    )  # fmt: skip


def defect(record, check, *, severity="major", excerpt="", detail="", **fields):
    """The answer with one defect."""
    left = tuple(each for each in PASSED if each != check)
    found = CheckResult(check=check, severity=severity, excerpt=excerpt, detail=detail)
    return replace(record, judgement=Judgement(findings=(found,), passed=left), **fields)


def keys(findings):
    return [each.key for each in findings]
