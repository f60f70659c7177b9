"""`explain`: why a run came out as it did; or what a published test shows, and what it does not."""

from __future__ import annotations

from pathlib import Path

from servemark.api.deployments import DeploymentOptions, build_deployment, coefficients_of
from servemark.api.listing import DEFAULT_RUNS
from servemark.api.reporting import loaded_run
from servemark.catalogue.published_tests import (
    find_published_test,
    published_test_keys,
    read_published_test,
)
from servemark.diagnosis.causes import diagnose
from servemark.diagnosis.published import diagnose_published, published_notes
from servemark.domain.published_test import Explanation, PublishedTest
from servemark.domain.run import Run
from servemark.errors import fold_name


def explain(*references: str | int | Path | Run, runs: Path = DEFAULT_RUNS) -> tuple[Explanation, ...]:
    """Why did it come out so? Causes in order of weight, each with its evidence and what would refute it.

    Args:
        references: runs by number, id, folder or `last` (the default); a published test as a TOML file, or by
            key (stress-test); in Python also Run objects.
        runs: folder that keeps the runs.

    Raises:
        InputError: a file that holds no published test, or one of an unknown model or GPU.
        StoreError: no such run.
    """
    return tuple(_explained(Path(runs), each) for each in references or ("last",))


def _explained(runs: Path, reference: str | int | Path | Run) -> Explanation:
    test = _published(reference)
    if test is not None:
        return explain_test(test)
    run = loaded_run(runs, reference)
    findings = run.findings if _is_torn(run) else diagnose(run)
    return Explanation(title=run.title, source=run.id, findings=findings)


def _is_torn(run: Run) -> bool:
    """Some rows were never written (a full disk), and what is counted in the others would be no share of all."""
    return any(0 < len(each.requests) < each.requests_sent + each.warmup_sent for each in run.levels)


def _published(reference: str | int | Path | Run) -> PublishedTest | None:
    if not isinstance(reference, (str, Path)):
        return None
    name = str(reference)
    if name.endswith(".toml"):
        return read_published_test(Path(name))
    known = fold_name(name) in map(fold_name, published_test_keys())
    return find_published_test(name) if known else None


def explain_test(test: PublishedTest) -> Explanation:
    """The findings on a published test; settings that it does not name are the defaults of vLLM.

    Raises:
        InputError: its model or GPU is unknown.
    """
    options = DeploymentOptions(gpu=test.gpu, dtype=test.dtype, engine=test.engine)
    if test.max_num_seqs is not None:
        options["set_"] = {"max_num_seqs": test.max_num_seqs}
    deployment = build_deployment(test.model, options)
    return Explanation(
        title=test.title,
        source=test.source if test.date is None else f"{test.source}, {test.date}",
        findings=diagnose_published(test, deployment, coefficients_of(deployment)),
        notes=published_notes(test),
    )
