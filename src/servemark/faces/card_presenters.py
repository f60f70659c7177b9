"""The verbs that answer with a card or a list: catalogue, kept runs, memory budget."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rich.console import Console

from servemark.faces.documents import fit_document, gpus_document, models_document, runs_document
from servemark.faces.presenter import Presenter
from servemark.reports.cards import entry_table, fit_table, gpu_table, model_table
from servemark.reports.page import Table
from servemark.reports.terminal import print_table

DOES_NOT_FIT = 3


def _printer(compose_table: Callable[[Any], Table]) -> Callable[[Any, Console], None]:
    return lambda result, console: print_table(compose_table(result), console)


def _fit_code(fit: Any, require: str | None) -> int:
    return 0 if fit.memory.fits else DOES_NOT_FIT


PRESENTERS = {
    "gpus": Presenter(gpus_document, _printer(gpu_table)),
    "models": Presenter(models_document, _printer(model_table)),
    "runs": Presenter(runs_document, _printer(entry_table)),
    "fit": Presenter(fit_document, _printer(fit_table), _fit_code),
}
