"""Run folders: `<root>/0007-measured-llama-3.1-8b/`, written as the run goes.

`run.json` is the manifest: the Run without its raw rows. It is there from the start
(`provenance.finished` false) and replaced atomically after each level and at the end. Raw rows stand in
`requests.jsonl`, `steps.jsonl`, `gpu.jsonl` and `engine.jsonl`, append-only, each with the index of its level;
controls are counted on behind the levels. The questions of a suite stand in `items.jsonl`, what the checks said
of each answer in `judgements.jsonl` (at the end: cross-talk is seen over all of them). A run killed at any moment
can be read.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
from msgspec.structs import replace

from servemark.domain.capacity import Capacity
from servemark.domain.engine_sample import EngineSample
from servemark.domain.record import Record
from servemark.domain.run import RUN_SCHEMA, GpuSample, Level, RequestRecord, Run, StepRecord
from servemark.domain.workload import Load
from servemark.errors import StoreError
from servemark.store.items import read_items, write_items
from servemark.store.rows import (
    ENGINE,
    JUDGEMENTS,
    REQUESTS,
    SAMPLES,
    STEPS,
    JudgedRequest,
    R,
    RowsFile,
    read_rows,
)

MANIFEST = "run.json"
LAST = "last"
_NAME = re.compile(r"^(\d{4,})-(.+)$")
_SLUG_LENGTH = 40

Summarise = Callable[..., Level]
"""`summarise(load, requests, steps, samples=..., notes=...)`, as in `stats.summary`."""


class RunEntry(Record, frozen=True, kw_only=True):
    """One line of the list of runs, from the manifest alone."""

    number: int
    id: str
    path: str
    title: str = ""
    origin: str = ""
    method: str = ""
    started: str = ""
    finished: bool = False
    levels: int = 0
    capacity: Capacity | None = None
    problem: str = ""
    """Why the manifest cannot be read."""


class RunWriter:
    """Writes one run folder. Made by `create_run`.

    Once made, it never raises for the disk: a run that can no longer be written goes on in memory, and
    `problem` says what is missing from the folder.
    """

    def __init__(self, path: Path, run: Run) -> None:
        self.path = path
        self.problem = ""
        """Why the folder does not hold the whole run; empty while it does."""
        self._run = _manifest(
            replace(run, id=path.name, provenance=replace(run.provenance, finished=False))
        )
        self._files = {
            name: RowsFile(path / name) for name, _ in (REQUESTS, STEPS, SAMPLES, ENGINE, JUDGEMENTS)
        }
        if run.items:
            write_items(path, run.items)
        self._replace_manifest()

    def request(self, level: int, record: RequestRecord) -> None:
        """Append one request of a level."""
        self._append(REQUESTS[0], level, record)

    def step(self, level: int, record: StepRecord) -> None:
        """Append one stretch of steps of a level."""
        self._append(STEPS[0], level, record)

    def sample(self, level: int, record: GpuSample) -> None:
        """Append one board sample of a level."""
        self._append(SAMPLES[0], level, record)

    def engine(self, level: int, record: EngineSample) -> None:
        """Append what the engine said of itself during a level."""
        self._append(ENGINE[0], level, record)

    def level(self, index: int, level: Level) -> None:
        """Put a level into the manifest: an `open_level` when it starts, its summary when it has ended."""
        levels = list(self._run.levels)
        levels[index : index + 1] = [_bare(level)]
        self._run = replace(self._run, levels=tuple(levels))
        self._write()

    def finish(self, run: Run) -> Path:
        """Write judgements and the final manifest, whatever `run.provenance.finished` says; returns the folder."""
        for index, level in enumerate((*run.levels, *run.controls)):
            for each in level.requests:
                if each.judgement is not None:
                    judged = JudgedRequest(index=each.index, judgement=each.judgement)
                    self._append(JUDGEMENTS[0], index, judged)
        notes = (*run.notes, self.problem) if self.problem else run.notes
        self._run = _manifest(replace(run, id=self.path.name, notes=notes))
        self._write()
        self.close()
        return self.path

    def close(self) -> None:
        """Close the files; the manifest stays as it was last written."""
        for each in self._files.values():
            each.close()

    def _append(self, name: str, level: int, record: R) -> None:
        """One row; none after the first that could not be written, since it may have left a torn line."""
        if not self.problem:
            try:
                self._files[name].append(level, record)
            except OSError as error:
                self._give_up(error)

    def _write(self) -> None:
        """The manifest anew; tried again however often it failed, since it holds every summary."""
        try:
            self._replace_manifest()
        except OSError as error:
            self._give_up(error)

    def _give_up(self, error: OSError) -> None:
        self.problem = (
            self.problem or f"not all of the run could be written to {self.path}: {error.strerror}"
        )

    def _replace_manifest(self) -> None:
        text = msgspec.json.format(msgspec.json.encode(self._run), indent=1)
        partial = self.path / f".{MANIFEST}"
        partial.write_bytes(text)
        partial.replace(self.path / MANIFEST)


def open_level(load: Load) -> Level:
    """A level that has begun: its load, and nothing counted yet."""
    return Level(
        load=load, requests_sent=0, outcomes={}, metrics={}, output_tokens_per_s=None, requests_per_s=None
    )


def create_run(root: Path, run: Run) -> RunWriter:
    """Make the next numbered folder under `root` and write the manifest.

    Raises:
        StoreError: the folder cannot be written.
    """
    try:
        root.mkdir(parents=True, exist_ok=True)
        return RunWriter(_claim(root, f"{run.origin}-{_slug(run)}"), run)
    except OSError as error:
        found = f"{root}: {error.strerror}"
        raise StoreError("runs", expected="a folder that can be written", found=found) from None


def load_run(root: Path, reference: str | int | Path, summarise: Summarise | None = None) -> Run:
    """Read a run with its raw rows.

    Args:
        root: folder of the runs.
        reference: number, id, unique prefix of one, path of a run folder, or `last`.
        summarise: rebuilds the level that was in progress when the run was killed; without it that
            level has its rows but no counts.

    Raises:
        StoreError: no such run, or one that cannot be read.
    """
    path = find_run(root, reference)
    run = _read_manifest(path)
    read: dict[str, tuple[dict[int, list[Any]], bool]] = {
        REQUESTS[0]: read_rows(path / REQUESTS[0], REQUESTS[1]),
        STEPS[0]: read_rows(path / STEPS[0], STEPS[1]),
        SAMPLES[0]: read_rows(path / SAMPLES[0], SAMPLES[1]),
        ENGINE[0]: read_rows(path / ENGINE[0], ENGINE[1]),
        JUDGEMENTS[0]: read_rows(path / JUDGEMENTS[0], JUDGEMENTS[1]),
    }
    notes = tuple(f"{name}: torn last line left out" for name, (_, is_torn) in read.items() if is_torn)
    rows = {name: found for name, (found, _) in read.items()}

    def filled(index: int, level: Level) -> Level:
        requests = _judged(rows[REQUESTS[0]][index], rows[JUDGEMENTS[0]][index])
        steps, samples = tuple(rows[STEPS[0]][index]), tuple(rows[SAMPLES[0]][index])
        if requests and not level.outcomes and summarise is not None:
            note = "interrupted: summarised from the rows written so far"
            level = summarise(level.load, requests, steps, samples=samples, notes=(*level.notes, note))
        engine = tuple(rows[ENGINE[0]][index])
        return replace(level, requests=requests, steps=steps, samples=samples, engine=engine)

    levels = tuple(filled(index, level) for index, level in enumerate(run.levels))
    controls = tuple(filled(index, level) for index, level in enumerate(run.controls, len(levels)))
    return replace(
        run, id=path.name, levels=levels, controls=controls, items=read_items(path), notes=run.notes + notes
    )


def list_runs(root: Path) -> tuple[RunEntry, ...]:
    """Every run under `root`, oldest number first. Reads the manifests only."""
    return tuple(_entry(number, path) for number, path in sorted(_folders(root)))


def find_run(root: Path, reference: str | int | Path) -> Path:
    """The folder that a reference means.

    Raises:
        StoreError: none, or more than one.
    """
    text = str(reference)
    path = Path(text)
    if (path / MANIFEST).is_file():
        return path.resolve()
    runs = sorted(_folders(root))
    if text == LAST and runs:
        return runs[-1][1]
    found = [folder for number, folder in runs if text.isdecimal() and number == int(text)]
    found = found or [folder for _, folder in runs if text and folder.name.startswith(text)]
    if len(found) == 1:
        return found[0]
    names = [folder.name for folder in found or [folder for _, folder in runs][-3:]]
    raise StoreError(
        "run",
        expected=f"a number, an id, the unique beginning of one, a run folder, or `{LAST}`",
        found=f"{text!r}" + (f", which {len(found)} begin with" if found else f" (no such run in {root})"),
        nearest=names,
    )


def _slug(run: Run) -> str:
    """The model, as far as a folder name can carry it."""
    subject = run.title
    if run.endpoint:
        subject = run.endpoint.model.rstrip("/").rsplit("/", 1)[-1]
    elif run.deployment:
        subject = run.deployment.model.key
    name = re.sub(r"[^a-z0-9.]+", "-", subject.lower())
    return name.strip("-.")[:_SLUG_LENGTH] or "run"


def _folders(root: Path) -> Iterator[tuple[int, Path]]:
    for path in root.iterdir() if root.is_dir() else ():
        match = _NAME.match(path.name)
        if match and (path / MANIFEST).is_file():
            yield int(match[1]), path


def _claim(root: Path, name: str) -> Path:
    """The next free number as a folder.

    A number is claimed by making the folder of that bare number, which only one process can, and
    then given its full name; looking again in between catches one that was renamed meanwhile.
    """
    number = 1 + max(_numbers(root), default=0)
    while True:
        claim = root / f"{number:04d}"
        try:
            claim.mkdir()
        except FileExistsError:
            number += 1
            continue
        if number not in _numbers(root, named=True):
            return claim.rename(root / f"{number:04d}-{name}")
        claim.rmdir()
        number += 1


def _numbers(root: Path, *, named: bool = False) -> set[int]:
    """Numbers in use, bare claims included unless only named folders are asked for."""
    heads = (path.name.partition("-") for path in root.iterdir() if path.is_dir())
    return {int(head) for head, dash, _ in heads if head.isdecimal() and (dash or not named)}


def _manifest(run: Run) -> Run:
    """The run without its raw rows and its questions."""
    levels, controls = (tuple(_bare(level) for level in part) for part in (run.levels, run.controls))
    return replace(run, levels=levels, controls=controls, items=())


def _bare(level: Level) -> Level:
    return replace(level, requests=(), steps=(), samples=(), engine=())


def _judged(requests: list[RequestRecord], judged: list[JudgedRequest]) -> tuple[RequestRecord, ...]:
    """The rows with what the checks said of them."""
    if not judged:
        return tuple(requests)
    found = {each.index: each.judgement for each in judged}
    return tuple(
        replace(each, judgement=found[each.index]) if each.index in found else each for each in requests
    )


def _read_manifest(path: Path) -> Run:
    manifest = path / MANIFEST
    try:
        content = manifest.read_bytes()
        schema = msgspec.json.decode(content, type=_Schema).schema
        if schema != RUN_SCHEMA:
            raise StoreError(str(manifest), expected=f"schema {RUN_SCHEMA}", found=schema)
        return msgspec.json.decode(content, type=Run)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise StoreError(str(manifest), expected="the manifest of a run", found=error) from None
    except OSError as error:
        raise StoreError(str(manifest), expected="a readable manifest", found=error.strerror) from None


class _Schema(msgspec.Struct):
    schema: str


def _entry(number: int, path: Path) -> RunEntry:
    try:
        run = _read_manifest(path)
    except StoreError as error:
        return RunEntry(number=number, id=path.name, path=str(path), problem=str(error))
    return RunEntry(
        number=number,
        id=path.name,
        path=str(path),
        title=run.title,
        origin=run.origin,
        method=run.method,
        started=run.provenance.started,
        finished=run.provenance.finished,
        levels=len(run.levels),
        capacity=run.capacity,
    )
