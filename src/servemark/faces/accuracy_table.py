"""What `accuracy` prints: the error tables on a terminal, or one JSON object."""

from __future__ import annotations

from typing import Any

from rich.console import Console

from servemark.domain.score import ACCURACY_SCHEMA, Accuracy, ErrorTable, MeasuredRow, Score
from servemark.faces.presenter import Presenter
from servemark.reports.errors import error_tables
from servemark.reports.terminal import print_table


def print_accuracy(accuracy: Accuracy, console: Console) -> None:
    for number, table in enumerate(error_tables(accuracy)):
        if number:
            console.print()
        print_table(table, console)


def accuracy_document(accuracy: Accuracy) -> dict[str, Any]:
    """The main table at the top level, further ones under `others`."""
    first, *others = accuracy.tables
    return {
        "schema": ACCURACY_SCHEMA,
        "data": accuracy.data,
        "rows": accuracy.rows,
        **_table(first),
        "others": [_table(each) for each in others],
        "noise_floor": [
            {"metric": each.metric, "pairs": each.pairs, "p50": each.p50_ratio, "p90": each.p90_ratio}
            for each in accuracy.noise
        ],
        "ambiguous": [
            {"spread": each.spread_ratio, "rows": [_place(row) for row in each.rows]}
            for each in accuracy.contradictions
        ],
        "unpredicted": [{**_place(each.row), "reason": each.reason} for each in accuracy.unpredicted],
        "predictions": [
            {
                **_place(each.row),
                "predicted": each.value,
                "band": each.band,
                "utilization": each.utilization_ratio,
                "regime": each.regime,
            }
            for each in accuracy.scored
        ],
        "notes": list(accuracy.notes),
    }


def _table(table: ErrorTable) -> dict[str, Any]:
    return {
        "protocol": table.protocol,
        "groups": [_score(each) for each in table.groups],
        "overall": [_score(each) for each in table.overall],
    }


def _score(score: Score) -> dict[str, Any]:
    """Keys that errors were not grouped by are null."""
    named = {"gpu": None, "engine": None, "model": None} | score.group
    return {
        "metric": score.metric,
        "regime": score.regime,
        **named,
        "n": score.n,
        "n_unpredicted": score.n_unpredicted,
        "mape": score.mape_ratio,
        "median_ape": score.median_ape_ratio,
        "bias": score.bias_ratio,
        "worst": score.worst_ratio,
        "coverage80": score.coverage80_ratio,
    }


def _place(row: MeasuredRow) -> dict[str, Any]:
    """Where a row stands and what it measured."""
    names = ("gpu", "num_gpus", "model", "engine", "isl", "osl", "concurrency_or_batch", "metric", "unit")
    return {"line": row.line, **{name: row[name] for name in names}, "value": row.value}


PRESENTERS = {"accuracy": Presenter(accuracy_document, print_accuracy)}
