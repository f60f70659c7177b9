"""Suites, margins and promises of `measure` as people write them -> an `Experiment`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from servemark.api.quantities import parse_amount
from servemark.api.suite_sources import named_suite
from servemark.domain.exchange import Suite
from servemark.domain.metrics import METRICS, QUALITY_METRICS
from servemark.domain.workload import Load, Slo, Users
from servemark.errors import InputError
from servemark.measurement.experiment import Experiment
from servemark.measurement.judgements import DEFAULT_MARGIN_RATIO
from servemark.measurement.segments import default_blocks
from servemark.quality.power import PowerTable, power_table
from servemark.units import parse

DEFAULT_FAILURES_RATIO = 0.01


def build_experiment(
    suite: str | Path | Suite | None,
    loads: Sequence[Load],
    *,
    seed: int,
    blocks: int | None,
    margin: float | str | None,
    controls: bool,
    excluded: Mapping[str, object],
    slos: Sequence[Slo] = (),
) -> Experiment | None:
    """The experiment that is asked for; None without a suite.

    Args:
        suite: key, path or record.
        loads: where it is to be asked.
        seed: of the suite, where it is generated.
        blocks: default: as many as `default_blocks` says.
        margin: loss of useful answers that has to be ruled out; default: what `slos` promise of it.
        controls: measure the lowest and the highest load twice.
        excluded: options that do not go with a suite, by name; None or False where not given.
        slos: promises that were given.

    Raises:
        InputError: a combination that means nothing, an impossible quantity, or no such suite.
    """
    amount = parse_amount(blocks, "blocks", minimum=1)
    if suite is None:
        for name, given in {"blocks": blocks, "margin": margin, "controls": not controls or None}.items():
            if given is not None:
                raise InputError(name, expected="--suite, whose answers it is about", found="none")
        return None
    for name, given in excluded.items():
        if given not in (None, False):
            expected = "a suite alone: each of its items is asked once at every load"
            raise InputError("suite", expected=expected, found=f"--{name.replace('_', '-')} besides")
    promised = next((slo.limit for slo in slos if slo.metric == "quality_loss_ratio" and slo.limit), None)
    found = _suite(suite, seed)
    if amount is not None and amount > len(found.items):
        raise InputError("blocks", expected=f"at most its {len(found.items)} items", found=amount)
    return Experiment(
        suite=found,
        blocks=amount or default_blocks(len(found.items), loads),
        controls=controls,
        margin_ratio=parse_margin(margin if margin is not None else promised),
    )


def parse_margin(margin: float | str | None) -> float:
    """The margin as a share above 0 and below 1."""
    if margin is None:
        return DEFAULT_MARGIN_RATIO
    ratio = parse(margin, "ratio", path="margin")
    if not 0 < ratio < 1:
        raise InputError("margin", expected="a share above 0 and below 100 %, e.g. 3%", found=repr(margin))
    return ratio


def promises(slos: Sequence[Slo], experiment: Experiment | None) -> tuple[tuple[Slo, ...], tuple[str, ...]]:
    """The promises with those that a suite brings along, and a note that names them.

    Raises:
        InputError: a promise about answers without a suite.
    """
    given = {slo.metric for slo in slos}
    if experiment is None:
        for slo in slos:
            if slo.metric in QUALITY_METRICS:
                raise InputError(f"slo.{slo.name}", expected="--suite, to judge answers by", found="none")
        return tuple(slos), ()
    limits = {"failures_ratio": DEFAULT_FAILURES_RATIO, "quality_loss_ratio": experiment.margin_ratio}
    added = tuple(
        Slo(metric=metric, statistic="value", limit=limit)
        for metric, limit in limits.items()
        if metric not in given
    )
    words = ", ".join(f"{METRICS[slo.metric].label} ≤ {100 * slo.limit:g} %" for slo in added)
    return (*slos, *added), ((f"promised besides, as a suite is asked: {words}",) if added else ())


def needed_items(
    suite: str | Path | Suite | None,
    loads: Sequence[Load],
    *,
    seed: int,
    blocks: int | None,
    margin: float | str | None,
) -> PowerTable:
    """What an experiment at these loads can decide, before anything is asked."""
    items = len(_suite(suite, seed).items) if suite is not None else None
    users = [load.users for load in loads if isinstance(load, Users)]
    amount = parse_amount(blocks, "blocks", minimum=1)
    if amount is None and items is not None:
        amount = default_blocks(items, loads)
    return power_table(parse_margin(margin), items=items, blocks=amount, in_flight=max(users, default=1))


def _suite(reference: str | Path | Suite, seed: int) -> Suite:
    return reference if isinstance(reference, Suite) else named_suite(reference, seed=seed)
