"""Published memory of training runs: `data/finetune_memory.csv` -> `TrainingPoint`."""

from __future__ import annotations

import csv
from functools import cache
from typing import Any

import msgspec

from servemark.catalogue.tables import DATA
from servemark.domain.training_points import TrainingPoint
from servemark.units import GB


@cache
def training_points() -> tuple[TrainingPoint, ...]:
    """Every row, in the order of the file; rows that are not scored say why."""
    text = (DATA / "finetune_memory.csv").read_text(encoding="utf-8")
    return tuple(_point(row) for row in csv.DictReader(text.splitlines()))


def _point(row: dict[str, str]) -> TrainingPoint:
    recipe: dict[str, Any] = {
        key: row[key] for key in ("method", "base", "optimizer", "checkpointing", "loss") if row[key]
    }
    if row["rank"]:
        recipe["rank"] = int(row["rank"])
    recipe["trainable_embeddings"] = row["embeddings"] == "yes"
    recipe["optimizer_in_backward"] = row["in_backward"] == "yes"
    layout = {
        "data": int(row["gpus"] or 1),
        "zero": int(row["zero"] or 0),
        "micro_batch": int(row["micro_batch"] or 1),
        "accumulation": int(row["accumulation"] or 1),
    }
    fields: dict[str, Any] = {
        key: row[key]
        for key in ("model", "scope", "counted", "unused", "note", "source", "date", "licence")
    }
    tokens = int(row["sequence_tokens"]) if row["sequence_tokens"] else None
    return msgspec.convert(
        {
            **fields,
            "recipe": recipe,
            "layout": layout,
            "sequence_tokens": tokens,
            "measured_bytes": float(row["measured_gb"]) * GB,
        },
        TrainingPoint,
    )
