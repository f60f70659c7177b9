"""Recall and false alarms of every check, on faults at known rates and on good answers in two languages.

python benchmarks/detectors.py            tables on the terminal
python benchmarks/detectors.py --write    ... and into docs/detectors.md
python benchmarks/detectors.py --misses FILE   examples of what went wrong

Offline, `twins.damage` spoils exchanges directly; over HTTP a twin with a fault plan spoils its answers, and the
real client reads them. Both are judged by `quality.judging.judge_all`.
"""

import argparse
import asyncio
import random
import re
import sys
import tempfile
from collections import Counter, defaultdict
from pathlib import Path

from clean_traffic import clean_exchanges
from msgspec.structs import replace
from scipy.stats import binomtest

from servemark.api.deployments import build_deployment, coefficients_of
from servemark.api.suite_sources import named_suite
from servemark.client.chat import prepare_chat
from servemark.client.clock import Clock
from servemark.client.streaming import StreamingClient
from servemark.domain.exchange import CHECKS, Suite
from servemark.domain.workload import PlannedRequest
from servemark.physics.memory import require_fit
from servemark.quality.codes import code_of, with_codes
from servemark.quality.exchanges import exchange_of
from servemark.quality.judging import judge_all
from servemark.twins.damage import damaged
from servemark.twins.fault_log import read_fault_log
from servemark.twins.faults import FAULT_KINDS, REVEALED_BY, Fault, FaultPlan, struck
from servemark.twins.process import start_twin
from servemark.twins.tokens import chat_tokens

SUITES = ("exam", "needles", "memory", "tasks", "tiny")
CLEAN = 6000
TRAFFIC = 4000
"""Exchanges a fault is let loose on."""
RATE = 0.5
ENOUGH = 500
"""Exchanges struck by one fault."""
APART = 31
"""An answer is crossed with that of the exchange so many behind."""
GENERATED = 4
"""Seeds of the generated suites."""
PAGE = Path(__file__).parents[1] / "docs" / "detectors.md"
TRANSPORT = {"late_error": "refused", "stall": "timed_out"}
"""Outcome of a request that no check sees."""
USERS = 48
TIMEOUT_S = 240.0
"""Of the run's clock; a stall lasts longer."""
HTTP_REQUESTS = 9000
HTTP_RATE = 0.025
"""Of each kind."""
STALL_S = 4 * TIMEOUT_S
TIME_FACTOR = 20.0


def _row(cells):
    return "| " + " | ".join(map(str, cells)) + " |"


def interval(hits, n):
    """95 % interval of a share, exact (Clopper-Pearson)."""
    low, high = binomtest(hits, n).proportion_ci(method="exact")
    return f"{100 * low:.2f} to {100 * high:.2f} %"


def language_of(exchange):
    """`ms` or `en`."""
    return "ms" if exchange.expected_language == "ms" else "en"


class Misses:
    """Examples of what a check did not find, or found where nothing was."""

    def __init__(self):
        self.rows = defaultdict(list)

    def add(self, title, exchange, judgement):
        self.rows[title].append(
            f"  answer: {exchange.answer!r}\n  language {exchange.expected_language}, format {exchange.format}, "
            f"key {exchange.key!r}, options {exchange.options}, eval {exchange.eval_type}\n"
            f"  asked: {exchange.messages[-1].content[-300:] if exchange.messages else ''!r}\n"
            f"  found: {[(each.check, each.excerpt, each.detail) for each in judgement.findings]}\n"
        )

    def text(self, most=12):
        """So many examples of each kind."""
        return "\n".join(
            f"== {title}: {len(rows)}\n" + "\n".join(rows[:most])
            for title, rows in sorted(self.rows.items())
        )


def false_alarms(exchanges, misses):
    """By language: exchanges, those with any finding, and findings by check; the exchanges are good."""
    total, alarmed, checks, passed = Counter(), Counter(), Counter(), Counter()
    for exchange, judgement in zip(exchanges, judge_all(exchanges), strict=True):
        language = language_of(exchange)
        total[language] += 1
        alarmed[language] += bool(judgement.findings)
        checks.update((each.check, language) for each in judgement.findings)
        passed.update((check, language) for check in judgement.passed)
        for each in judgement.findings:
            misses.add(f"false alarm {each.check} {language}", exchange, judgement)
    return total, alarmed, checks, passed


def spoilt(fault, exchanges, seed):
    """Exchanges that the fault has struck, `ENOUGH` of them where there are so many, and those in between."""
    plan = FaultPlan(fault=(fault,))
    hit, left = [], []
    for i, exchange in enumerate(exchanges):
        bad = None
        # without a word of the prompt to ask for, nothing in the answer could show it
        if fault.reported or exchange.recalls:
            for _, each, draw in struck(plan, seed=seed, number=i, in_flight=1):
                bad = damaged(exchange, each, draw=draw, other=exchanges[(i + APART) % len(exchanges)])
        if bad is None:
            left.append(exchange)
        else:
            hit.append(bad)
        if len(hit) == ENOUGH:
            # the last ones got answers of these
            left += exchanges[i + 1 : i + 1 + APART]
            break
    return hit, left


def recall(fault, exchanges, misses, seed):
    """By language: struck exchanges and those found; and what else was said of them."""
    hit, left = spoilt(fault, exchanges, seed)
    # whose code it is can be told only beside the others
    judged = judge_all([*hit, *left] if fault.kind == "crossed_answers" else hit)
    n, found, beside = Counter(), Counter(), Counter()
    wanted = set(REVEALED_BY[fault.kind])
    for exchange, judgement in zip(hit, judged, strict=False):
        checks = {each.check for each in judgement.findings}
        language = language_of(exchange)
        right = bool(checks & wanted) if wanted else not checks
        n[language] += 1
        found[language] += right
        beside.update(checks - wanted)
        if not right:
            misses.add(f"miss {fault.kind} {language}", exchange, judgement)
    return n, found, beside


def all_suites(seed):
    """Every suite, the generated ones from several seeds; those of the first seed in front."""
    more = [(key, seed + i) for i in range(1, GENERATED) for key in ("needles", "memory", "tasks")]
    return [named_suite(key, seed=each) for key, each in [*((key, seed) for key in SUITES), *more]]


def variants():
    """Every fault that leaves a trace in the text, with its parameters."""
    for kind in FAULT_KINDS:
        if kind in TRANSPORT:
            continue
        if kind == "cut_stream":
            yield from (Fault(kind=kind, rate=RATE, ending=each) for each in ("error", "closed", "done"))
        else:
            yield Fault(kind=kind, rate=RATE)
        if kind == "dropped_front":
            yield Fault(kind=kind, rate=1.0, reported=False)


def offline(seed, misses):
    """The two tables, as Markdown."""
    suites = all_suites(seed)
    total, alarmed, checks, passed = false_alarms(clean_exchanges(suites, CLEAN, seed), misses)
    lines = ["| good answers | judged | with a finding | share, 95 % interval |", "|---|---|---|---|"]
    for language in ("en", "ms"):
        n, bad = total[language], alarmed[language]
        lines.append(f"| {language} | {n} | {bad} | {interval(bad, n)} |")
    n, bad = total.total(), alarmed.total()
    lines += [f"| both | {n} | {bad} | {interval(bad, n)} |", ""]
    lines += [
        "| check | fault | struck en | found | struck ms | found | recall | 95 % interval | applied to good en, ms |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    traffic = clean_exchanges(suites, TRAFFIC, seed + 1)
    for fault in variants():
        n, found, beside = recall(fault, traffic, misses, seed)
        name = fault.kind + (f", {fault.ending}" if fault.kind == "cut_stream" else "")
        name += "" if fault.reported else ", not reported"
        wanted = REVEALED_BY[fault.kind]
        check = " or ".join(wanted) or "(none may find it)"
        applied = ", ".join(str(passed[wanted[0], each]) for each in ("en", "ms")) if wanted else ""
        every, hits = n.total(), found.total()
        share, spread = (f"{100 * hits / every:.2f} %", interval(hits, every)) if every else ("-", "-")
        cells = (check, name, n["en"], found["en"], n["ms"], found["ms"], share, spread, applied)
        lines.append(_row(cells))
        print(lines[-1], dict(beside), file=sys.stderr)
    silent = [check for check in CHECKS if not any(key[0] == check for key in passed)]
    if silent:
        print("never applied to good answers:", silent, dict(checks), file=sys.stderr)
    return "\n".join(lines)


def http_plan():
    """Every fault at the same rate."""
    more = {"stall": {"delay_s": STALL_S}, "late_error": {"delay_s": 5.0}}
    faults = [
        Fault(kind=kind, rate=HTTP_RATE, **more.get(kind, {}))
        for kind in FAULT_KINDS
        if kind != "cut_stream"
    ]
    faults += [
        Fault(kind="cut_stream", rate=HTTP_RATE, ending=each) for each in ("error", "closed", "done")
    ]
    return FaultPlan(fault=tuple(faults))


def joined_suite(seed):
    """All suites as one; an item keeps its own cap."""
    items = [
        replace(item, id=f"{suite.key}/{item.id}", max_tokens=item.max_tokens or suite.max_tokens)
        for suite in all_suites(seed)[: len(SUITES)]
        for item in suite.items
        if item.answer
    ]
    random.Random(seed).shuffle(items)
    return Suite(key="all", title="All suites", items=tuple(items))


async def ask(base_url, model, items, seed):
    """Every request's item, prompt and record, with `USERS` in flight."""
    clock = Clock(TIME_FACTOR)
    numbers = iter(range(HTTP_REQUESTS))
    found = []

    async def user(client):
        for number in numbers:
            item = items[number % len(items)]
            nonce, canary = code_of(seed, "nonce", number), code_of(seed, "canary")
            messages = with_codes(item.messages, nonce=nonce, canary=canary)
            cap = item.max_tokens
            planned = PlannedRequest(
                index=number, input_tokens=1, output_tokens=cap, natural_stop=True, item=item.id
            )
            record = await client.send(
                prepare_chat(planned, messages, model=model, seed=seed), clock.now_s()
            )
            found.append((replace(item, messages=messages), canary, replace(record, nonce=nonce)))

    async with StreamingClient(base_url, clock, timeout_s=TIMEOUT_S) as client:
        await asyncio.gather(*(user(client) for _ in range(USERS)))
    return found


def over_http(seed, misses):
    """The table of the twin and the real client, as Markdown."""
    suite = joined_suite(seed)
    deployment = build_deployment("llama-3.1-8b", {"gpu": "l40s"})
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "faults.jsonl"
        with start_twin(
            deployment, coefficients_of(deployment, {}), kv_blocks=require_fit(deployment).kv_blocks,
            time_factor=TIME_FACTOR, seed=seed, suite=suite, faults=http_plan(), fault_log=log,
        ) as running:  # fmt: skip
            answered = asyncio.run(ask(running.base_url, running.model_name, suite.items, seed))
        truth = {row.nonce: row for row in read_fault_log(log)}
    exchanges = [
        exchange_of(
            item, record, id=str(record.index), max_tokens=item.max_tokens, canary=canary,
            alone_prompt_tokens=len(chat_tokens([(each.role, each.content) for each in item.messages])),
        )
        for item, canary, record in answered
    ]  # fmt: skip
    n, by_check, outcomes, alarms = Counter(), Counter(), defaultdict(Counter), Counter()
    for (_, _, record), exchange, judgement in zip(answered, exchanges, judge_all(exchanges), strict=True):
        row = truth.get(record.nonce)
        kind = row.kind if row else "none"
        checks = {each.check for each in judgement.findings}
        wanted = set(REVEALED_BY[row.kind]) if row else set()
        n[kind] += 1
        outcomes[kind][record.outcome] += 1
        by_check[kind] += bool(checks & wanted)
        alarms[kind] += bool(checks)
        if (checks and not wanted and kind not in TRANSPORT) or (wanted and not checks & wanted):
            misses.add(f"http {'miss' if wanted else 'false alarm'} {kind}", exchange, judgement)
    head = (
        "fault",
        "requests",
        "check",
        "found by it",
        "share",
        "95 % interval",
        "any finding",
        "outcomes",
    )
    lines = [_row(head), _row(["---"] * len(head))]
    for kind in ("none", *FAULT_KINDS):
        if not n[kind]:
            continue
        wanted = " or ".join(REVEALED_BY.get(kind, ()))
        hits = by_check[kind]
        share = (f"{100 * hits / n[kind]:.2f} %", interval(hits, n[kind])) if wanted else ("", "")
        words = ", ".join(f"{count} {name}" for name, count in outcomes[kind].most_common())
        lines.append(_row((kind, n[kind], wanted, hits if wanted else "", *share, alarms[kind], words)))
    return "\n".join(lines)


def write(name, table):
    """Put a table between its markers on the page."""
    page = PAGE.read_text(encoding="utf-8")
    mark = re.compile(rf"(<!-- {name} -->\n).*?(<!-- end -->)", re.S)
    assert mark.search(page), f"{PAGE} has no marker {name}"
    PAGE.write_text(mark.sub(lambda found: f"{found[1]}{table}\n{found[2]}", page), encoding="utf-8")


def main():
    """Both tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--write", action="store_true", help="into docs/detectors.md")
    parser.add_argument("--misses", type=Path, help="file for examples of what went wrong")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", choices=("offline", "http"))
    options = parser.parse_args()
    misses = Misses()
    for name, table in (("offline", offline), ("http", over_http)):
        if options.only in (None, name):
            text = table(options.seed, misses)
            print(f"\n{name}\n\n{text}")
            if options.write:
                write(name, text)
    if options.misses:
        options.misses.write_text(misses.text(), encoding="utf-8")


if __name__ == "__main__":
    main()
