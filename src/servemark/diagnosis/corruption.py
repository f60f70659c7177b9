"""Answers that are worse under load though nothing was lost on the way.

The words *quality degradation under load* are used under four conditions only: the answers are complete; the
prompts are as long as alone; the paired net loss exceeds both the A/A noise and the margin; it is there at N
users and not at one.
"""

from __future__ import annotations

from math import comb
from typing import NamedTuple

from servemark.diagnosis.contexts import prompts_cut
from servemark.diagnosis.defects import ALPHA, control_of, excerpts, failing, margin_of, rate_of, same_items
from servemark.diagnosis.observations import (
    Request,
    alone,
    facts,
    growth,
    percent,
    requests,
    said_by_engine,
    share,
    shown_by,
    where,
    worst,
)
from servemark.diagnosis.rows import Seen
from servemark.domain.exchange import Check
from servemark.domain.finding import Evidence
from servemark.domain.run import RequestRecord, Run

PROVEN = "complete answers to whole prompts: the engine computes other tokens in a large batch."
NAMED_ELSEWHERE: frozenset[Check] = frozenset(
    {"truncated_cap", "truncated_window", "truncated_stream", "empty_answer", "lost_context", "cross_talk"}
)
"""Defects with a cause of their own: they count for other rows."""


class Loss(NamedTuple):
    """Items of one load against the same items alone, both complete, with the same prompt."""

    pairs: int
    broke: list[Request]
    healed: int
    prompts_known: bool
    """The server counted every prompt of those that broke, here and alone."""

    @property
    def net(self) -> float:
        """Share of the pairs that were lost on balance."""
        return share(len(self.broke) - self.healed, self.pairs)

    @property
    def p_value(self) -> float:
        """Exact McNemar, one-sided for harm: P(B >= broke), B binomial(broke + healed, 1/2)."""
        n = len(self.broke) + self.healed
        return sum(comb(n, k) for k in range(len(self.broke), n + 1)) / 2**n


def paired_loss(run: Run, index: int) -> Loss:
    """What was lost at a load that no other row explains."""
    first = same_items(run)
    cut = {each.position for each in prompts_cut(run, index)}
    broke: list[Request] = []
    pairs = healed = 0
    counted = True
    for each in requests(run.levels[index], _comparable):
        before = first.get(each.record.item or "")
        if (
            before is None
            or not _comparable(before.record)
            or each.position in cut
            or _outgrew(run, each.record)
        ):
            continue
        pairs += 1
        was, now = _useful(before.record), _useful(each.record)
        healed += now and not was
        if was and not now:
            broke.append(each)
            counted &= before.record.input_tokens is not None and each.record.input_tokens is not None
    return Loss(pairs, broke, healed, counted)


def _comparable(record: RequestRecord) -> bool:
    """Complete, judged, and without a defect that has a row of its own."""
    if record.outcome != "complete" or record.judgement is None or record.item is None:
        return False
    return not any(each.check in NAMED_ELSEWHERE for each in record.judgement.findings)


def _useful(record: RequestRecord) -> bool:
    return record.judgement is not None and record.judgement.is_useful


def _outgrew(run: Run, record: RequestRecord) -> bool:
    room = facts(run).context_tokens_per_slot
    return room is not None and (record.input_tokens or 0) + record.output_tokens > room + 1


def engine_corruption(run: Run) -> Seen | None:
    """Row 14: complete answers to whole prompts, worse at N users than alone."""
    single = alone(run)
    at = worst(run, lambda i: 0.0 if i == single else paired_loss(run, i).net)
    if single is None or at is None:
        return None
    loss, level = paired_loss(run, at), run.levels[at]
    margin, noise = margin_of(run), _noise(run)
    corrected = rate_of(level, "useful")
    p_value = loss.p_value if corrected is None or corrected.p_value is None else corrected.p_value
    if max(p_value, loss.p_value) > ALPHA or loss.net <= margin:
        return None
    if (noise is not None and loss.net <= noise) or not _is_harmed(run):
        return None
    missing = _unproven(loss, noise) or _front_lost(run, at)
    name = "Quality degradation under load" if not missing else "Complete answers are worse than alone"
    broken_numbers = growth(level, "corrupted")
    return Seen(
        claim=f"{name}: {len(loss.broke)} of {loss.pairs} items break {where(run, at)} and {loss.healed} heal, with "
        + ("complete answers; why is open." if missing else PROVEN),
        confidence="certain" if broken_numbers else "possible" if missing else "likely",
        weight=loss.net,
        evidence=_evidence(run, at, loss, noise, margin, p_value),
        next_step=_switch_off(run) if not missing else f"{missing} {_switch_off(run)}",
        excerpts=excerpts(run, at, loss.broke),
    )


def _is_harmed(run: Run) -> bool:
    """As the statistics say of the whole experiment, blocks and trend included; true where they were not asked."""
    families = run.quality.families if run.quality else ()
    return all(each.word == "harmed" for each in families if each.family == "quality")


def _noise(run: Run) -> float | None:
    """What two runs of the highest load lose on balance, without any change of load; None without that control.

    Not the share of items that flip: answers that break at random break in both runs, in other items each time.
    """
    control = control_of(run, "noise")
    return None if control is None or control.difference is None else abs(control.difference)


def _unproven(loss: Loss, noise: float | None) -> str:
    """What keeps the four conditions from being shown."""
    if noise is None:
        return "Measure the highest load twice first (an A/A control): without it noise is not excluded."
    if not loss.prompts_known:
        return "Let the server count prompt tokens first (stream_options.include_usage): a cut prompt is not excluded."
    return ""


def _front_lost(run: Run, at: int) -> str:
    """That prompts may be cut behind the server's own count."""
    lost, before = (failing(run.levels[i], "lost_context") for i in (at, alone(run) or 0))
    if len(lost) <= len(before):
        return ""
    return f"Find out first why {len(lost)} answers do not know their prompt: a cut prompt is not excluded."


def _evidence(
    run: Run, at: int, loss: Loss, noise: float | None, margin: float, p_value: float
) -> tuple[Evidence, ...]:
    floor = "no A/A control" if noise is None else f"A/A noise {percent(noise)}"
    prompts = "as long as alone" if loss.prompts_known else "not counted by the server"
    rows = [
        shown_by(run, at, loss.broke, f"{len(loss.broke)} answers broke, {loss.healed} healed; prompts {prompts}"),
        Evidence(
            text=f"{where(run, at)}: net loss {percent(loss.net)}, margin {percent(margin)}, {floor}, exact McNemar "
            f"p = {p_value:.2g}",
            source="statistics",
            level=at,
        ),
    ]  # fmt: skip
    broken_numbers = growth(run.levels[at], "corrupted")
    if broken_numbers:
        rows.append(
            said_by_engine(
                run, at, f"the engine counts {broken_numbers} answers with numbers that are none"
            )
        )
    return tuple(rows)


def _switch_off(run: Run) -> str:
    """The one change at a time that tells which part of the engine it is."""
    caching = facts(run).enable_prefix_caching
    first = "" if caching is False else "--no-enable-prefix-caching, "
    return (
        f"Measure the same items with one thing off at a time: {first}--enforce-eager, no speculative decoding, "
        "a 16-bit KV cache, the next release; read the kernel's log for ECC and Xid errors."
    )
