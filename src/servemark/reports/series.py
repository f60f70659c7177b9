"""How the runs of one report are told apart: colour, mark, and the shortest unique label."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from servemark.domain.run import Run
from servemark.reports.labels import subject_title
from servemark.reports.page import Series
from servemark.reports.palette import RUNS


def series_of(runs: Sequence[Run]) -> tuple[Series, ...]:
    """One series per run, in order."""
    subjects = _subjects(runs)
    names = _short_subjects(runs, subjects)
    return tuple(
        Series(
            label=label,
            subject=subject,
            name=name,
            colour=RUNS[i % len(RUNS)],
            filled=run.origin == "measured",
            shape="diamond" if run.method == "closed form" else "circle",
            glyph=_glyph(run),
        )
        for i, (run, subject, name, label) in enumerate(
            zip(runs, subjects, names, _labels(runs, names), strict=True)
        )
    )


def _glyph(run: Run) -> str:
    if run.method == "closed form":
        return "◇"
    return "●" if run.origin == "measured" else "○"


def _subjects(runs: Sequence[Run]) -> list[str]:
    """Subject of each run; an endpoint of unknown deployment joins the one predicted for its model.

    It does so only where exactly one deployment of the report serves that model: the overlay is
    what the reader asked for by putting both into one report.
    """
    by_model: dict[str, set[str]] = {}
    for run in runs:
        if run.deployment is not None:
            model = run.deployment.model
            for name in (model.key, model.name, model.hub_id, *model.aliases):
                by_model.setdefault((name or "").lower(), set()).add(run.deployment.title)
    subjects: list[str] = []
    for run in runs:
        served = by_model.get(run.endpoint.model.lower(), set()) if run.endpoint else set[str]()
        alone = run.deployment is None and len(served) == 1
        subjects.append(next(iter(served)) if alone else subject_title(run))
    return subjects


def _labels(runs: Sequence[Run], names: Sequence[str]) -> list[str]:
    """Name and origin; where runs share these the method too, then a number."""
    several = len(set(names)) > 1
    labels = [_join(name if several else "", run.origin) for run, name in zip(runs, names, strict=True)]
    for detail in ([run.method for run in runs], [f"#{i + 1}" for i in range(len(runs))]):
        count = Counter(labels)
        labels = [
            _join(label, extra) if count[label] > 1 else label
            for label, extra in zip(labels, detail, strict=True)
        ]
    return labels


def _short_subjects(runs: Sequence[Run], subjects: Sequence[str]) -> list[str]:
    """What tells deployments apart (the GPUs where the model is the same); an endpoint has its model."""
    parts: dict[str, tuple[str, ...]] = {}
    for run, subject in zip(runs, subjects, strict=True):
        if run.deployment is not None:
            gpus = f"{run.deployment.gpus} x {run.deployment.node.gpu.name}"
            model, engine = run.deployment.model.name, run.deployment.engine.name
            parts[subject] = (model, gpus, run.deployment.dtype, engine)
    columns = zip(*parts.values(), strict=True)
    differing = [i for i, values in enumerate(columns) if len(set(values)) > 1] or [0]
    short = {subject: ", ".join(values[i] for i in differing) for subject, values in parts.items()}
    for run, subject in zip(runs, subjects, strict=True):
        short.setdefault(subject, run.endpoint.model if run.endpoint else run.title)
    return [short[subject] for subject in subjects]


def _join(*words: str) -> str:
    return ", ".join(word for word in words if word)
