"""`suite`: what is asked, and whether a file of questions is in order."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Literal

from servemark.api.suite_sources import SHIPPED, is_shipped, named_suite
from servemark.domain.exchange import Item, Suite
from servemark.domain.record import Record
from servemark.errors import InputError, UnknownName
from servemark.quality.item_faults import SuiteProblem, item_problems
from servemark.quality.model_answers import answer_problems
from servemark.quality.suite_files import SuiteHead, SuiteLine, read_suite_file
from servemark.quality.suites import suite_text

Action = Literal["list", "show", "check", "write"]
ACTIONS: tuple[Action, ...] = Action.__args__  # pyright: ignore[reportAttributeAccessIssue]


class SuiteEntry(Record, frozen=True, kw_only=True):
    """A suite in figures."""

    key: str
    title: str
    items: int
    answered: int
    """Items with a complete right answer, which the twin can give."""
    languages: dict[str, int]
    """Expected language -> items; `any` where none is expected."""
    formats: dict[str, int]
    mean_prompt_words: float
    max_tokens: int


class SuiteView(Record, frozen=True, kw_only=True):
    """What `suite` came to."""

    action: Action
    entries: tuple[SuiteEntry, ...]
    suite: Suite | None = None
    """Of show and write."""
    item: Item | None = None
    """The one that was asked for."""
    problems: tuple[SuiteProblem, ...] = ()
    """Of check, in the order of the lines."""
    output: Path | None = None
    """File that was written."""
    notes: tuple[str, ...] = ()


def suite(
    action: str = "list",
    reference: str | None = None,
    /,
    *,
    item: str | None = None,
    seed: int = 0,
    output: Path | None = None,
) -> SuiteView:
    """List the suites of questions that ship, show one, check a file of your own, or write one to start from.

    Args:
        action: list, show, check or write.
        reference: exam, needles, memory, tasks, tiny, tiny-short, or a JSONL file or folder; see
            docs/suites.md.
        item: with show: only this item, in full.
        seed: of the generated suites.
        output: with write: a new .jsonl file; without, it goes to standard output.

    Raises:
        InputError: an unknown action, suite or item, or a file that cannot be read or written.
    """
    if action not in ACTIONS:
        raise UnknownName("action", kind=f"one of {', '.join(ACTIONS)}", name=action, known=ACTIONS)
    if item is not None and action != "show":
        raise InputError("item", expected="servemark suite show", found=f"suite {action}")
    if output is not None and action != "write":
        raise InputError("output", expected="servemark suite write", found=f"suite {action}")
    if action == "list":
        if reference is not None:
            raise InputError("arguments", expected="nothing more", found=reference)
        return SuiteView(
            action="list", entries=tuple(entry_of(named_suite(key, seed=seed)) for key in SHIPPED)
        )
    if reference is None:
        raise InputError("reference", expected=f"one of {', '.join(SHIPPED)} or a file", found="nothing")
    if action == "check":
        return _checked(reference, seed)
    found = named_suite(reference, seed=seed)
    if action == "show":
        return SuiteView(
            action="show",
            entries=(entry_of(found),),
            suite=found,
            item=None if item is None else item_of(found, item),
        )
    if output is not None:
        write_suite(found, output)
    return SuiteView(action="write", entries=(entry_of(found),), suite=found, output=output)


def entry_of(suite: Suite) -> SuiteEntry:
    """A suite in figures."""
    words = [sum(len(each.content.split()) for each in item.messages) for item in suite.items]
    return SuiteEntry(
        key=suite.key,
        title=suite.title,
        items=len(suite.items),
        answered=sum(item.answer is not None for item in suite.items),
        languages=dict(Counter(item.expected_language or "any" for item in suite.items)),
        formats=dict(Counter(item.format for item in suite.items)),
        mean_prompt_words=sum(words) / len(words) if words else 0.0,
        max_tokens=suite.max_tokens,
    )


def item_of(suite: Suite, name: str) -> Item:
    """The item of that id.

    Raises:
        UnknownName: there is none.
    """
    for each in suite.items:
        if each.id == name:
            return each
    raise UnknownName(
        "item", kind=f"an item of {suite.key}", name=name, known=[each.id for each in suite.items]
    )


def write_suite(suite: Suite, path: Path) -> None:
    """A suite as a new JSONL file.

    Raises:
        InputError: not a .jsonl file, one that exists, or one that cannot be written.
    """
    if path.suffix.lower() != ".jsonl":
        raise InputError("output", expected="a file ending in .jsonl", found=str(path))
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(suite_text(suite))
    except FileExistsError:
        raise InputError("output", expected="a new file", found=f"{path}, which exists") from None
    except OSError as error:
        found = f"{path}: {error.strerror}"
        raise InputError("output", expected="a file that can be written", found=found) from None


def _checked(reference: str, seed: int) -> SuiteView:
    """Every line held against the form of an item, and its answer against the checks."""
    path = Path(reference)
    if is_shipped(reference) or not path.exists():
        found = named_suite(reference, seed=seed)
        lines = tuple(SuiteLine(where=each.id, item=each) for each in found.items)
        problems = [problem for line in lines for problem in item_problems(line.item, line.where)]
    else:
        read = read_suite_file(path)
        lines, problems = read.lines, list(read.problems)
        head = read.head or SuiteHead()
        items = tuple(line.item for line in lines)
        found = Suite(key=path.stem, title=head.title or path.stem, items=items, max_tokens=head.max_tokens)
    faulty = {problem.where for problem in problems}
    sound = [line for line in lines if line.where not in faulty]
    problems += answer_problems(sound, max_tokens=found.max_tokens)
    return SuiteView(
        action="check",
        entries=(entry_of(found),),
        problems=tuple(sorted(problems, key=lambda each: _place(each.where))),
        notes=_notes(found),
    )


def _place(where: str) -> tuple[str, int]:
    file, _, line = where.rpartition(":")
    return (file, int(line)) if line.isdigit() else (where, 0)


def _notes(suite: Suite) -> tuple[str, ...]:
    """What is no fault, but good to know before the run."""
    notes: list[str] = []
    silent = sum(item.answer is None for item in suite.items)
    if silent:
        notes.append(
            f"{silent} of {len(suite.items)} items have no answer: a twin cannot give one, an endpoint can."
        )
    graded = sum(
        item.key is not None or bool(item.recalls) or item.schema is not None for item in suite.items
    )
    if rest := len(suite.items) - graded:
        words = "1 item has" if rest == 1 else f"{rest} items have"
        notes.append(f"{words} neither key, recalls nor schema: right or wrong stays open.")
    return tuple(notes)
