"""Published figures of workloads beyond text, to hold estimates against: `data/workload_points.csv`."""

from __future__ import annotations

import csv
from functools import cache
from typing import Literal

import msgspec

from servemark.catalogue.tables import DATA
from servemark.domain.record import Record

Workload = Literal["images", "speech", "genome"]


class WorkloadPoint(Record, frozen=True, kw_only=True):
    """One published figure."""

    workload: Workload
    gpu: str
    gpus: int
    settings: str
    value: float
    unit: str
    source: str
    date: str


def workload_points(workload: Workload) -> tuple[WorkloadPoint, ...]:
    """The figures of one workload, in the order of the file."""
    return tuple(point for point in _points() if point.workload == workload)


@cache
def _points() -> tuple[WorkloadPoint, ...]:
    text = (DATA / "workload_points.csv").read_text(encoding="utf-8")
    rows = list(csv.DictReader(text.splitlines()))
    return tuple(msgspec.convert(rows, list[WorkloadPoint], strict=False))
