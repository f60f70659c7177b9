"""How often the verdict on H0 cries wolf, and how often it sees: simulated experiments with a known truth.

    python benchmarks/null_experiments.py [--experiments 1000] [--jobs 2] [--part margin] [--write]

Every experiment is built request by request and judged by `quality.hypotheses.verdict_on` itself. `--write`
puts the tables into docs/statistics.md, between their markers; `--part` makes one of them only.
"""

import argparse
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from servemark.domain.exchange import CheckResult, Judgement
from servemark.domain.quality import FAMILIES
from servemark.domain.run import Level, RequestRecord
from servemark.domain.workload import Slo, Users
from servemark.quality.hypotheses import verdict_on
from servemark.stats.multiplicity import holm_mcnemar
from servemark.stats.pairs import mcnemar
from servemark.stats.percentiles import ratio_interval
from servemark.stats.trends import cochran_armitage

LOADS = (1, 2, 4, 8, 16, 32)
GOOD = Judgement(passed=("wrong_answer", "wrong_language"))
WRONG = Judgement(
    findings=(CheckResult(check="wrong_answer", severity="major"),), passed=("wrong_language",)
)
ASTRAY = Judgement(
    findings=(CheckResult(check="wrong_language", severity="major"),), passed=("wrong_answer",)
)
PAGE = Path(__file__).parents[1] / "docs" / "statistics.md"


@dataclass(frozen=True)
class Truth:
    """What is so. Requests in flight together share a chance of going wrong, drawn from a beta distribution."""

    items: int = 240
    blocks: int = 6
    correlation: float = 0.0
    drift: float = 0.0
    """By how much failures, defects and latency move from the first cell to the last, as a share of their mean."""
    failures: float = 0.05
    spoilt: float = 0.04
    """Defects by chance, on top of one item in five that is always answered wrongly."""
    more_failures: float = 0.0
    """At the highest load; below it in proportion to the doublings."""
    broken: float = 0.0
    """Share of items that break at the highest load only, together where requests go wrong together."""
    growth: float = 1.0
    """Latency factor per doubling."""
    promised_s: float | None = None
    loads: tuple[int, ...] = LOADS


SPREAD, BATCH_SPREAD = 0.4, 0.15
MEDIAN_S = 3.0


def p95_s(truth):
    """What one request in twenty exceeds over the whole run, batch effects included."""
    sigma = np.hypot(SPREAD, BATCH_SPREAD if truth.correlation else 0.0)
    draws = np.random.default_rng(0).normal(0, sigma, 200_000)
    moved = 1 + truth.drift * (np.random.default_rng(1).random(200_000) - 0.5)
    return float(np.quantile(MEDIAN_S * np.exp(draws) * moved, 0.95))


def batched(rng, ratio, users, count, correlation):
    """Which of `count` requests go wrong, `users` of them in flight together: beta-binomial batches."""
    batches = -(-count // users)
    if correlation and ratio > 0:
        spread = (1 - correlation) / correlation
        chance = rng.beta(ratio * spread, (1 - ratio) * spread, size=batches)
    else:
        chance = np.full(batches, ratio)
    return rng.random(count) < np.repeat(chance, users)[:count]


def cell(rng, truth, users, block, units, moment, hard, base_s):
    """The requests of one load in one block; `moment` runs from 0 to 1 over the experiment."""
    drift = 1 + truth.drift * (moment - 0.5)
    reach = np.log2(users / truth.loads[0]) / np.log2(truth.loads[-1] / truth.loads[0])
    count, order = len(units), rng.permutation(units)
    failed = batched(
        rng, truth.failures * drift + truth.more_failures * reach, users, count, truth.correlation
    )
    slipped = batched(rng, truth.spoilt * drift, users, count, truth.correlation)
    astray = batched(rng, truth.spoilt / 2 * drift, users, count, truth.correlation)
    broken = truth.broken if users == truth.loads[-1] else 0.0
    broke = batched(rng, broken, users, count, truth.correlation)
    together = np.repeat(rng.normal(0, BATCH_SPREAD, -(-count // users)), users)[:count]
    seconds = base_s[order] * drift * truth.growth ** (reach * np.log2(truth.loads[-1] / truth.loads[0]))
    if truth.correlation:
        seconds = seconds * np.exp(together)
    wrong = slipped | broke | hard[order]
    return [
        RequestRecord(
            index=i, item=f"q{unit}", block=block, scheduled_s=0.0, sent_s=0.0, last_token_s=took, end_s=took,
            outcome="broken" if lost else "complete",
            judgement=None if lost else WRONG if bad else ASTRAY if off else GOOD,
        )
        for i, unit, took, lost, bad, off in zip(
            range(count), order.tolist(), seconds.tolist(), failed.tolist(), wrong.tolist(), astray.tolist(),
            strict=True,
        )
    ]  # fmt: skip


def level(users, rows):
    return Level(
        load=Users(users=users), requests_sent=len(rows), outcomes={}, metrics={},
        output_tokens_per_s=None, requests_per_s=None, requests=tuple(rows),
    )  # fmt: skip


def experiment(truth, seed):
    """Levels and controls, measured as docs/statistics.md says."""
    rng = np.random.default_rng([seed, 77])
    hard = rng.random(truth.items) < 0.2
    base_s = MEDIAN_S * np.exp(rng.normal(0, SPREAD, truth.items))
    shares = np.array_split(rng.permutation(truth.items), truth.blocks)
    rows = {users: [] for users in truth.loads}
    again = []
    cells = truth.blocks * (len(truth.loads) + 1)
    moment = 0
    for block, units in enumerate(shares):
        visits = [*truth.loads, None]
        for users in (visits[i] for i in rng.permutation(len(visits))):
            asked = cell(rng, truth, users or truth.loads[-1], block, units, moment / cells, hard, base_s)
            (rows[users] if users else again).extend(asked)
            moment += 1
    last = cell(rng, truth, truth.loads[0], truth.blocks - 1, shares[0], 1.0, hard, base_s)
    controls = [level(truth.loads[0], last), level(truth.loads[-1], again)]
    return [level(users, each) for users, each in rows.items()], controls


def judged(truth, seed):
    """Words of the three families, and whether the tests for independent requests alone would cry."""
    levels, controls = experiment(truth, seed)
    slos = (
        () if truth.promised_s is None else (Slo(metric="e2e_s", statistic="p95", limit=truth.promised_s),)
    )
    # one seed of permutations for all: they are drawn once
    qualities, verdict = verdict_on(levels, controls, suite="simulated", items=truth.items, slos=slos)
    failed = [sum(row.outcome != "complete" for row in each.requests) for each in levels]
    asked = [len(each.requests) for each in levels]
    _, asymptotic = cochran_armitage(failed, asked, np.log2(truth.loads))
    useful = [quality.rates[0] for quality in qualities[1:]]
    alone = holm_mcnemar([rate.broke for rate in useful], [rate.healed for rate in useful]).min()
    families = {family.family: family for family in verdict.families}
    return {
        **{name: family.word for name, family in families.items()},
        "asymptotic": asymptotic <= 0.05,
        "permuted": families["failures"].p_value <= 0.05,
        "mcnemar": mcnemar(useful[-1].broke, useful[-1].healed) <= 0.05,
        "holm": alone <= 0.05,
    }  # fmt: skip


def _batch(arguments):
    truth, seeds = arguments
    return [judged(truth, seed) for seed in seeds]


def run(truth, experiments, jobs=1, first=0):
    """The verdicts of many experiments."""
    seeds = np.array_split(np.arange(first, first + experiments), max(jobs * 8, 1))
    work = [(truth, each.tolist()) for each in seeds if len(each)]
    if jobs == 1:
        return [found for each in work for found in _batch(each)]
    with ProcessPoolExecutor(jobs) as pool:
        return [found for batch in pool.map(_batch, work) for found in batch]


NULLS = {
    f"{rho:g}{', with drift' if drift else ''}": Truth(correlation=rho, drift=drift)
    for rho, drift in ((0.0, 0.0), (0.05, 0.0), (0.2, 0.0), (0.0, 1.0), (0.2, 1.0))
}
QUIET = {"failures": 0.0, "spoilt": 0.0}
# one item in five is wrong anyway and cannot break
BREAKING = Truth(items=180, broken=0.05 / 0.8, **QUIET)
FAILING = Truth(items=240, failures=0.01, more_failures=0.03, spoilt=0.0)
POWERS = {
    "5 % of the items break at 32 users, none heals": (BREAKING, "quality", "harmed"),
    "the same, correlation 0.05 in a batch": (replace(BREAKING, correlation=0.05), "quality", "harmed"),
    "the same with the items that `--power` asks for then": (
        replace(BREAKING, correlation=0.05, items=320), "quality", "harmed",
    ),
    "the same, correlation 0.2": (replace(BREAKING, correlation=0.2), "quality", "harmed"),
    "no effect, 2 % of the items differ by chance between any two loads": (
        Truth(items=407, failures=0.0, spoilt=0.0085), "quality", "not harmed",
    ),
    "failures rise from 1 % to 4 % in equal steps": (FAILING, "failures", "harmed"),
    "failures rise so, correlation 0.05": (replace(FAILING, correlation=0.05), "failures", "harmed"),
    "failures rise so, correlation 0.2": (replace(FAILING, correlation=0.2), "failures", "harmed"),
    "latency grows by 20 % with every doubling, nothing promised": (
        Truth(items=180, growth=1.2, **QUIET), "latency", "harmed",
    ),
    "latency grows by 10 % with every doubling, nothing promised": (
        Truth(items=180, growth=1.1, **QUIET), "latency", "slower",
    ),
}  # fmt: skip
AT_MARGIN = {
    f"{what}, correlation {rho:g}": (replace(truth, correlation=rho), family)
    for what, truth, family in (
        ("3 points of the items break at 32 users", Truth(broken=0.03 / 0.8, **QUIET), "quality"),
        (
            "the same, and 1 % differ by chance",
            Truth(broken=0.03 / 0.8, failures=0.0, spoilt=0.01),
            "quality",
        ),
        ("failures rise from 1 % to 4 %", FAILING, "failures"),
    )
    for rho in (0.0, 0.05, 0.2)
}
ALONE = {
    "asymptotic": "Cochran-Armitage, asymptotic",
    "permuted": "the same, permuted over blocks",
    "mcnemar": "McNemar at 32 users, unadjusted",
    "holm": "McNemar at all loads, Holm",
}


def share(found, key, value=True):
    """`3.2 % (2.2-4.5)`: with its exact 95 % interval."""
    hits = sum(each[key] == value for each in found)
    low, high = ratio_interval(hits, len(found))
    return f"{100 * hits / len(found):.1f} % ({100 * low:.1f}-{100 * high:.1f})"


def null_tables(experiments, jobs):
    """False "harmed" by family, and what single tests would have said."""
    heads = ("correlation in a batch", *(f"{family}: harmed" for family in FAMILIES))
    verdicts, alone = (
        [row(heads), row("---" for _ in heads)],
        [row(("correlation in a batch", *ALONE.values()))],
    )
    alone.append(row("---" for _ in range(1 + len(ALONE))))
    for name, truth in NULLS.items():
        found = run(replace(truth, promised_s=p95_s(truth)), experiments, jobs)
        verdicts.append(row((name, *(share(found, family, "harmed") for family in FAMILIES))))
        alone.append(row((name, *(share(found, key) for key in ALONE))))
        print(verdicts[-1], alone[-1], sep="\n", flush=True)
    return [*verdicts, "", "Single tests on the same experiments, p <= 5 %:", "", *alone]


def power_rows(experiments, jobs):
    """How often the right word is said where there is something to say."""
    rows = [row(("truth", "items", "the right verdict", "said in")), row("----")]
    for name, (truth, family, word) in POWERS.items():
        found = run(truth, experiments, jobs)
        rows.append(row((name, str(truth.items), f"{family}: {word}", share(found, family, word))))
        print(rows[-1], flush=True)
    return rows


def margin_rows(experiments, jobs):
    """How often "not harmed" is said where the harm is as large as the margin."""
    rows = [row(("truth", "family", "said to be not harmed")), row("---")]
    for name, (truth, family) in AT_MARGIN.items():
        rows.append(row((name, family, share(run(truth, experiments, jobs), family, "not harmed"))))
        print(rows[-1], flush=True)
    return rows


def row(cells):
    return f"| {' | '.join(cells)} |"


def measured(experiments, jobs):
    powers = max(experiments // 4, 1)
    return [
        f"No effect at all: {experiments:,} experiments in each row, 240 items, 6 blocks, 1 to 32 users.", "",
        *null_tables(experiments, jobs), "",
        f"Something to find: {powers} experiments in each row, requests independent unless a correlation is named, "
        "6 blocks, 1 to 32 users.", "",
        *power_rows(powers, jobs),
    ]  # fmt: skip


def margin(experiments, jobs):
    count = max(experiments // 4, 1)
    return [
        f"Harm as large as the margin: {count} experiments in each row, 240 items, 6 blocks, 1 to 32 users.",
        "",
        *margin_rows(count, jobs),
    ]


PARTS = {"measured": measured, "margin": margin}


def write(part, lines):
    """Between the markers of that part."""
    begin, end = f"<!-- {part}: begin -->", f"<!-- {part}: end -->"
    before, rest = PAGE.read_text("utf-8").split(begin)
    text = "\n".join(lines)
    PAGE.write_text(f"{before}{begin}\n\n{text}\n\n{end}{rest.split(end)[1]}", "utf-8")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--experiments", type=int, default=1000)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--part", choices=PARTS, help="only this table")
    parser.add_argument("--write", action="store_true", help="into docs/statistics.md")
    options = parser.parse_args()
    for part in [options.part] if options.part else PARTS:
        lines = PARTS[part](options.experiments, options.jobs)
        if options.write:
            write(part, lines)


if __name__ == "__main__":
    main()
