"""What a reader of a level should know besides its numbers, in words."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from servemark.domain.run import RequestRecord
from servemark.domain.workload import ArrivalPlan
from servemark.load.driver import DrivenLevel
from servemark.stats.verdicts import MANY_TOGETHER_RATIO
from servemark.units import format_ratio

_INPUT_TOLERANCE = 0.05


def driving_remarks(driven: DrivenLevel, plan: ArrivalPlan) -> tuple[str, ...]:
    """Remarks on how the level went."""
    measured = [each for each in driven.requests if not each.warmup]
    notes: list[str] = []
    if driven.interrupted:
        notes.append("interrupted: what was in flight is not counted")
    elif driven.cut:
        notes.append(
            f"requests still running when the time after the end was over, not counted: {driven.cut}; "
            "without them latencies read too low"
        )
    elif not measured:
        notes.append("the warm-up took the whole time: nothing was measured")
    if retried := sum(each.retried for each in driven.requests):
        notes.append(
            f"requests sent again because their kept-alive connection had died before any byte: {retried}"
        )
    if short := sum(_ended_early(each, plan) for each in measured):
        notes.append(f"answers that ended by themselves before the asked length: {short}")
    notes += _together_remark(measured)
    notes += _input_remark(measured, plan)
    return tuple(notes)


def _ended_early(record: RequestRecord, plan: ArrivalPlan) -> bool:
    if record.outcome != "complete" or record.item is not None:
        return False
    asked = plan.request(record.index).output_tokens
    return record.finish_reason != "length" and record.output_tokens < asked


def _together_remark(measured: Sequence[RequestRecord]) -> list[str]:
    """Chunks that one read brought share its stamp: the client, or the server's flushing, sets the ITL then."""
    gaps = [b == a for each in measured for a, b in pairwise(each.chunk_s)]
    if not gaps or sum(gaps) <= MANY_TOGETHER_RATIO * len(gaps):
        return []
    share = format_ratio(sum(gaps) / len(gaps))
    return [
        f"{share} of the chunks were read together with the one before: their ITL reads 0, TPOT is right"
    ]


def _input_remark(measured: Sequence[RequestRecord], plan: ArrivalPlan) -> list[str]:
    """The server's count of the prompts, where it is not the one asked for."""
    counted = [
        (each.input_tokens, plan.request(each.index).input_tokens)
        for each in measured
        if each.input_tokens is not None and each.item is None
    ]
    if not counted:
        return []
    found = sum(server for server, _ in counted) / len(counted)
    asked = sum(planned for _, planned in counted) / len(counted)
    if abs(found - asked) <= _INPUT_TOLERANCE * asked:
        return []
    return [f"the server counted {found:.0f} input tokens a request on average, {asked:.0f} were asked for"]
