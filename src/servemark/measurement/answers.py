"""The answers of a run as exchanges: which item, at which load, with which codes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from servemark.domain.exchange import Exchange
from servemark.domain.run import Level, RequestRecord, Run
from servemark.domain.workload import load_label, load_value
from servemark.quality.exchanges import exchange_of

CANARY = "canary"
"""Name of the setting of a run that holds the code of its system prompts."""


class Answered(NamedTuple):
    """A request for an item, warm-up and fillers included."""

    rows: int
    """Index of its level; controls are counted on behind the levels."""
    record: RequestRecord
    exchange: Exchange


def answers_of(run: Run) -> list[Answered]:
    """Every request for an item; each exchange is named by load, number and item: `16 users / 21 / en-reading-05-3`."""
    items = {item.id: item for item in run.items}
    alone = _alone_prompt_tokens(run)
    canary = run.endpoint.settings.get(CANARY, "") if run.endpoint else ""
    return [
        Answered(
            rows,
            record,
            exchange_of(
                items[record.item],
                record,
                id=f"{load_label(level.load)}{again} / {record.index} / {record.item}",
                alone_prompt_tokens=alone.get(record.item),
                canary=canary,
            ),
        )
        for rows, (level, again) in enumerate(_named(run))
        for record in level.requests
        if record.item is not None and record.item in items
    ]


def _named(run: Run) -> list[tuple[Level, str]]:
    return [*((level, "") for level in run.levels), *((level, " again") for level in run.controls)]


def _alone_prompt_tokens(run: Run) -> Mapping[str, int]:
    """The server's count of each prompt at the lowest load, by item."""
    lowest = min(run.levels, key=lambda level: load_value(level.load), default=None)
    return {
        each.item: each.input_tokens
        for each in (lowest.requests if lowest else ())
        if each.item is not None and each.input_tokens is not None and not each.warmup
    }
