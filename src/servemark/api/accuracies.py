"""`accuracy`: how wrong the predictions are, recomputed from published measurements."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from servemark.api.quantities import parse_amount
from servemark.calibration.assessment import FULL, assessed
from servemark.calibration.model_names import model_finder
from servemark.calibration.rows import read_rows, shipped_rows
from servemark.calibration.scores import GROUPINGS
from servemark.domain.score import Accuracy, Protocol
from servemark.errors import InputError, UnknownName

PROTOCOL_NAMES: dict[str, tuple[Protocol, ...]] = {
    "all": FULL,
    "in-sample": ("in_sample",),
    "unseen-curve": ("unseen_curve",),
    "unseen-model": ("unseen_model",),
    "unseen-gpu": ("unseen_gpu",),
    "unseen-version": ("unseen_version",),
}


def accuracy(
    *,
    data: Path | None = None,
    by: str | Sequence[str] = "gpu,engine",
    models: Path | None = None,
    recalibrate: int | None = None,
    protocol: str | None = None,
    on_step: Callable[[str], None] = lambda text: None,
) -> Accuracy:
    """Recompute the error table: predictions against published measurements.

    Args:
        data: CSV with the columns of the shipped rows, predicted by the shipped coefficients.
        by: group errors by any of gpu, engine, model, dtype, version, source (metric always).
        models: folder of config.json files (DIR/NAME/config.json or DIR/NAME.json) for models that the
            catalogue lacks.
        recalibrate: so many loads of each curve recalibrate first; the others are predicted.
        protocol: of the shipped rows: all (the default), in-sample, unseen-curve, unseen-model,
            unseen-gpu, unseen-version.
        on_step: told what is being done.

    Raises:
        InputError: a table that cannot be read, an unknown grouping or protocol.
    """
    parts = by.split(",") if isinstance(by, str) else by
    names = [name for name in (str(part).strip() for part in parts) if name]
    for name in names:
        if name not in GROUPINGS:
            raise UnknownName("by", kind=f"any of {', '.join(GROUPINGS)}", name=name, known=GROUPINGS)
    return assessed(
        shipped_rows() if data is None else read_rows(Path(data)),
        data="the shipped rows" if data is None else Path(data).name,
        protocols=_protocols(protocol, data),
        by=tuple(dict.fromkeys(names)),
        find_model=model_finder(None if models is None else Path(models)),
        recalibrate=parse_amount(recalibrate, "recalibrate", minimum=1),
        say=on_step,
    )


def _protocols(name: str | None, data: Path | None) -> tuple[Protocol, ...]:
    if data is None:
        if name is not None and name not in PROTOCOL_NAMES:
            raise UnknownName("protocol", kind="a protocol", name=name, known=PROTOCOL_NAMES)
        return PROTOCOL_NAMES[name or "all"]
    if name is not None:
        raise InputError("protocol", expected="none with --data: the fit has not seen its rows", found=name)
    return ("shipped",)
