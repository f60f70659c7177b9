"""`check`: what is wrong with recorded answers."""

from __future__ import annotations

from pathlib import Path

from servemark.api.listing import DEFAULT_RUNS
from servemark.domain.exchange import Checked
from servemark.domain.run import Run
from servemark.errors import InputError
from servemark.measurement.answers import answers_of
from servemark.quality.judging import judge_all
from servemark.quality.recordings import read_recordings
from servemark.stats.summary import summarise
from servemark.store.folders import load_run


def check(
    run: str | int | Path | Run | None = None,
    *,
    exchanges: Path | None = None,
    strict: bool = False,
    runs: Path = DEFAULT_RUNS,
) -> Checked:
    """What is wrong with recorded answers: language, choice, leaks, loops, truncation, lost context, cross-talk ...

    No endpoint is asked. See docs/checks.md for each check, its threshold and what it cannot see.

    Args:
        run: answers of a measured run, by number, id, folder or `last`; in Python also a Run.
        exchanges: answers of a JSONL file, one exchange a line, or - for standard input.
        strict: exit code 3 where an answer has a defect above minor.
        runs: folder that keeps the runs.

    Raises:
        InputError: neither or both were given, the file cannot be read, or a line is no exchange.
        StoreError: no such run.
    """
    if (run is None) == (exchanges is None):
        found = "neither" if run is None else "both"
        raise InputError("check", expected="either a run or --exchanges FILE.jsonl", found=found)
    if exchanges is not None:
        return _checked_file(Path(exchanges), strict)
    found = run if isinstance(run, Run) else load_run(Path(runs), str(run), summarise=summarise)
    return _checked_run(found, strict)


def _checked_file(path: Path, strict: bool) -> Checked:
    name = str(path)
    source = Path("/dev/stdin") if name == "-" else path
    try:
        with source.open(encoding="utf-8") as lines:
            recorded = read_recordings(lines, path.name)
    except OSError as error:
        found = f"{name}: {error.strerror}"
        raise InputError("--exchanges", expected="a JSONL file that can be read", found=found) from None
    except UnicodeDecodeError:
        raise InputError("--exchanges", expected="a JSONL file in UTF-8", found=name) from None
    judgements = tuple(judge_all(recorded.exchanges))
    return Checked(
        source=name, ids=recorded.ids, judgements=judgements, notes=recorded.notes, strict=strict
    )


def _checked_run(run: Run, strict: bool) -> Checked:
    """Every answer to a suite that a run holds; each is named by load, number and item."""
    found = [
        each.exchange
        for each in answers_of(run)
        if not each.record.warmup and each.record.outcome in ("complete", "truncated", "broken")
    ]
    if not found:
        raise InputError(
            "run", expected="a measured run of a suite", found=f"{run.id or run.title}: no answers kept"
        )
    return Checked(
        source=run.id or run.title,
        ids=tuple(each.id for each in found),
        judgements=tuple(judge_all(found)),
        strict=strict,
    )
