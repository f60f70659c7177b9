"""Servemark: how much load can this hardware carry before one of its promises breaks?

    import servemark as sm
    sm.fit("llama-3.1-8b", gpu="l40s")
    run = sm.predict("llama-3.1-8b", gpu="l40s", users=[1, 8, 32], slo="ttft_p95=2s")
    run = sm.measure("http://127.0.0.1:8000/v1", users=[1, 8, 32], slo="ttft_p95=2s,failures=1%")
    sm.report(run, output="report.html")

The names below are loaded when first used, so that `import servemark` costs nothing.
"""

import sys
from importlib import import_module
from typing import TYPE_CHECKING

from servemark.version import __version__

if TYPE_CHECKING:
    from servemark.api.accuracies import accuracy
    from servemark.api.calibrations import calibrate
    from servemark.api.checking import check
    from servemark.api.explaining import explain
    from servemark.api.fitting import fit
    from servemark.api.guidance import guide
    from servemark.api.listing import gpus, models, runs
    from servemark.api.measured import measure
    from servemark.api.plans import plan
    from servemark.api.prediction import predict
    from servemark.api.question_suites import suite
    from servemark.api.reporting import report
    from servemark.api.simulated import simulate, twin
    from servemark.domain.run import Run
    from servemark.domain.workload import Slo
    from servemark.errors import (
        DoesNotFit,
        EndpointError,
        EngineError,
        InputError,
        MissingExtra,
        ServemarkError,
        StoreError,
        UnknownName,
    )
    from servemark.faces.demonstration import demo

_HOMES = {
    "gpus": "api.listing", "models": "api.listing", "runs": "api.listing",
    "fit": "api.fitting", "plan": "api.plans", "predict": "api.prediction",
    "simulate": "api.simulated", "twin": "api.simulated",
    "guide": "api.guidance", "accuracy": "api.accuracies", "calibrate": "api.calibrations",
    "check": "api.checking", "suite": "api.question_suites",
    "measure": "api.measured", "report": "api.reporting", "explain": "api.explaining", "demo": "faces.demonstration",
    "Run": "domain.run", "Slo": "domain.workload",
    "ServemarkError": "errors", "InputError": "errors", "UnknownName": "errors", "MissingExtra": "errors",
    "EndpointError": "errors", "DoesNotFit": "errors", "EngineError": "errors", "StoreError": "errors",
}  # fmt: skip

__all__ = [
    "DoesNotFit", "EndpointError", "EngineError", "InputError", "MissingExtra", "Run", "ServemarkError",
    "Slo", "StoreError", "UnknownName", "__version__", "accuracy", "calibrate", "check", "demo", "explain", "fit",
    "gpus", "guide", "measure", "models", "plan", "predict", "report", "runs", "simulate", "suite", "twin",
]  # fmt: skip


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'servemark' has no attribute {name!r}")
    return getattr(import_module(f"servemark.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)


if "IPython" in sys.modules:
    import_module("servemark.faces.notebook").register_if_notebook()
