"""What is wrong with an item: one small function per fault."""

from __future__ import annotations

import re
from collections.abc import Iterator

from jsonschema import SchemaError
from jsonschema.validators import validator_for

from servemark.domain.exchange import Item
from servemark.domain.record import Record
from servemark.errors import InputError, nearest_names
from servemark.quality.tongues import LANGUAGES


class SuiteProblem(Record, frozen=True, kw_only=True):
    """One thing that is wrong with one line."""

    where: str
    """`exam.jsonl:12`."""
    field: str = ""
    expected: str
    found: str
    nearest: tuple[str, ...] = ()

    @property
    def path(self) -> str:
        """`exam.jsonl:12 key`."""
        return f"{self.where} {self.field}".strip()

    @classmethod
    def of(cls, error: InputError, where: str) -> SuiteProblem:
        """A refusal as a row."""
        field = error.path.removeprefix(where).strip()
        return cls(
            where=where, field=field, expected=error.expected, found=error.found, nearest=error.nearest
        )


Fault = tuple[str, str, str, tuple[str, ...]]
"""Field, expected, found, nearest."""


def item_problems(item: Item, where: str) -> list[SuiteProblem]:
    """All that is wrong with an item that could be read."""
    return [
        SuiteProblem(where=where, field=field, expected=expected, found=found, nearest=nearest)
        for fault in FAULTS
        for field, expected, found, nearest in fault(item)
    ]


def _empty(item: Item) -> Iterator[Fault]:
    if not item.id.strip():
        yield "id", "a name", "nothing", ()
    if not any(each.role == "user" for each in item.messages):
        yield "messages", "at least one user message", f"{len(item.messages)} messages", ()
    elif item.messages[-1].role != "user":
        yield "messages", "a user message at the end", f"one of {item.messages[-1].role}", ()
    for number, each in enumerate(item.messages):
        if not each.content.strip():
            yield f"messages[{number}]", "text", "nothing", ()
        if each.role == "system" and number:
            yield f"messages[{number}]", "the system prompt first", f"at position {number + 1}", ()
    if item.answer is not None and not item.answer.strip():
        yield "answer", "a complete right answer, or no such field", "nothing", ()
    if item.max_tokens is not None and item.max_tokens < 1:
        yield "max_tokens", "at least 1", str(item.max_tokens), ()


def _language(item: Item) -> Iterator[Fault]:
    code = item.expected_language
    if code is not None and code not in LANGUAGES:
        start = re.split(r"[-_]", code.strip().lower())[0]
        names = {name.split()[0].lower(): known for known, name in LANGUAGES.items()}
        near = (
            (start,)
            if start in LANGUAGES
            else tuple(names[each] for each in nearest_names(code, tuple(names), 1))
        )
        yield "expected_language", "an ISO 639-1 code such as en or ms", repr(code), near


def _choice(item: Item) -> Iterator[Fault]:
    if item.format == "choice" and len(item.options) < 2:
        yield "options", "at least two options of a choice", str(len(item.options)), ()
    for label in item.options:
        if not re.fullmatch(r"[^\W_]{1,3}", label):
            yield "options", "labels of one to three letters or digits", repr(label), ()
    texts = [text.strip().casefold() for text in item.options.values() if text.strip()]
    for text in sorted({text for text in texts if texts.count(text) > 1}):
        yield "options", "different texts", f"{text!r} twice", ()
    if item.options and item.format == "choice" and item.key not in item.options:
        if item.key is None:
            yield "key", f"one of {', '.join(item.options)}", "nothing", ()
            return
        by_text = [label for label, text in item.options.items() if text.strip() == item.key.strip()]
        near = by_text or nearest_names(item.key, tuple(item.options))
        yield "key", f"one of {', '.join(item.options)}", repr(item.key), tuple(near)


def _key(item: Item) -> Iterator[Fault]:
    if item.format in ("exact", "number", "json") and item.key is None and item.schema is None:
        yield "key", f"what an answer of format {item.format} is compared with", "nothing", ()
    if item.format == "number" and item.key is not None:
        try:
            float(item.key.replace(",", "").replace(" ", ""))
        except ValueError:
            yield "key", "a number", repr(item.key), ()


def _prompt(item: Item) -> Iterator[Fault]:
    """What must stand in the prompt, and does not."""
    prompt = "\n".join(each.content for each in item.messages)
    folded = _folded(prompt)
    if item.context.strip() and _folded(item.context) not in folded:
        yield "context", "a passage that stands in the messages word for word", _start(item.context), ()
    for label, text in item.options.items():
        if text.strip() and _folded(text) not in folded:
            yield "options", "texts that stand in the messages", f"{label}: {_start(text)}", ()
    for code in item.recalls:
        if not code.strip() or code not in prompt:
            yield "recalls", "words that stand in the messages", repr(code), ()
    if item.eval_type == "teaching" and item.key is None:
        yield "key", "the key that a teaching item explains", "nothing", ()


def _schema(item: Item) -> Iterator[Fault]:
    if item.schema is None:
        return
    if item.format != "json":
        yield "schema", "only with format json", f"format {item.format}", ()
    try:
        validator_for(item.schema).check_schema(item.schema)
    except SchemaError as error:
        yield "schema", "a valid JSON schema", error.message, ()


FAULTS = (_empty, _language, _choice, _key, _prompt, _schema)


def _folded(text: str) -> str:
    return " ".join(text.split()).casefold()


def _start(text: str) -> str:
    words = " ".join(text.split())
    return repr(words if len(words) <= 60 else f"{words[:57]}...")
