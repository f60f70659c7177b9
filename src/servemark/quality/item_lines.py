"""One line of a suite file, as people write it, and the item that it means."""

from __future__ import annotations

import re
from string import ascii_uppercase
from typing import Any, Literal

import msgspec

from servemark.domain.exchange import AnswerFormat, Item, Message
from servemark.domain.record import Record
from servemark.errors import InputError, nearest_names


class ItemLine(Record, frozen=True, kw_only=True):
    """The JSONL form of an item: `id`, and `question` or `messages`; everything else is optional."""

    id: str
    system: str = ""
    """The system prompt; with `messages`, put before them."""
    question: str | None = None
    """Instead of `messages`: one user message of the context, this question, and the options one a line."""
    messages: tuple[Message, ...] = ()
    """The conversation as it is sent; what the options and the context say must stand in it."""
    context: str = ""
    options: list[str] | dict[str, str] = {}
    """A list is labelled A, B, C ..."""
    key: str | int | float | dict[str, Any] | list[Any] | None = None
    """The right label, text or number; for JSON the object itself, or its text."""
    expected_language: str | None = None
    """ISO 639-1 code of the language that the answer must be in."""
    answer: str | None = None
    """A complete right answer; the twin gives it, and `servemark suite check` judges it."""
    tags: tuple[str, ...] = ()
    eval_type: Literal["answer", "teaching"] = "answer"
    """Any case."""
    format: AnswerFormat | None = None
    """None: choice where there are options, json where there is a schema, else text."""
    schema: dict[str, Any] | None = None
    recalls: str | tuple[str, ...] = ()
    max_tokens: int | None = None


FIELDS = tuple(ItemLine.__struct_fields__)
KINDS = {
    "str": "text", "int": "a whole number", "float": "a number", "bool": "true or false", "null": "null",
    "array": "a list", "object": "an object",
}  # fmt: skip
"""What a JSON value is, in words."""


def line_of(document: Any, *, where: str) -> ItemLine:
    """A decoded JSON line, its fields and their types checked.

    Args:
        document: what the line decodes to.
        where: the line in words, e.g. `exam.jsonl:12`; a field is added behind it.

    Raises:
        InputError: no object, an unknown field, a wrong type.
    """
    if not isinstance(document, dict):
        raise InputError(where, expected="one JSON object a line", found=_short(document))
    for name in document:
        if name not in FIELDS:
            near = nearest_names(str(name), FIELDS)
            raise InputError(
                f"{where} {name}", expected="a field of an item", found=repr(name), nearest=near
            )
    if isinstance(document.get("eval_type"), str):
        document = {**document, "eval_type": document["eval_type"].strip().lower()}
    try:
        return msgspec.convert(document, ItemLine)
    except msgspec.ValidationError as error:
        raise _type_error(str(error), where) from None


def _type_error(words: str, where: str) -> InputError:
    """Msgspec's complaint as path, expected, found."""
    text, _, place = words.partition(" - at `$")
    field = place.rstrip("`").removeprefix(".")
    path = f"{where} {field}".strip()
    if missing := re.search(r"missing required field `(\w+)`", text):
        name = missing[1] if not field else f"{field}.{missing[1]}"
        return InputError(f"{where} {name}", expected="a value", found="nothing")
    if typed := re.match(r"Expected `(.+?)`, got `(.+?)`", text):
        expected = " or ".join(KINDS.get(kind, kind) for kind in typed[1].split(" | "))
        return InputError(path, expected=expected, found=KINDS.get(typed[2], typed[2]))
    if value := re.match(r"Invalid enum value (.+)", text):
        known = {"eval_type": ("answer", "teaching"), "format": AnswerFormat.__args__}.get(  # pyright: ignore[reportAttributeAccessIssue]
            field, ("system", "user", "assistant")
        )
        found = value[1].strip("'")
        return InputError(
            path, expected=f"one of {', '.join(known)}", found=found, nearest=nearest_names(found, known)
        )
    return InputError(path, expected="a field as docs/suites.md has it", found=text)


def item_of(line: ItemLine, *, where: str) -> Item:
    """The item of a line.

    Raises:
        InputError: neither or both of `question` and `messages`, two system prompts, or too many options.
    """
    options = labelled(line.options, where=where)
    messages = _messages(line, options, where)
    shape: AnswerFormat = line.format or ("choice" if options else "json" if line.schema else "text")
    return Item(
        id=line.id,
        messages=messages,
        key=_key_text(line.key),
        expected_language=line.expected_language,
        answer=line.answer,
        tags=line.tags,
        context=line.context,
        options=options,
        eval_type=line.eval_type,
        format=shape,
        schema=line.schema,
        recalls=(line.recalls,) if isinstance(line.recalls, str) else line.recalls,
        max_tokens=line.max_tokens,
    )


def labelled(options: list[str] | dict[str, str], *, where: str) -> dict[str, str]:
    """Options by label: a list gets A, B, C ...

    Raises:
        InputError: a list longer than the alphabet.
    """
    if isinstance(options, dict):
        return options
    if len(options) > len(ascii_uppercase):
        raise InputError(f"{where} options", expected="at most 26 in a list", found=len(options))
    return dict(zip(ascii_uppercase, options, strict=False))


def asked_text(question: str, *, context: str = "", options: dict[str, str] | None = None) -> str:
    """One user message: the context, the question, and the options as `A) text`, one a line."""
    lines = "\n".join(f"{label}) {text}".rstrip() for label, text in (options or {}).items())
    asked = f"{question}\n{lines}" if lines else question
    return f"{context}\n\n{asked}" if context else asked


def _messages(line: ItemLine, options: dict[str, str], where: str) -> tuple[Message, ...]:
    if (line.question is None) == (not line.messages):
        found = "both" if line.messages else "neither"
        raise InputError(f"{where} question", expected="either question or messages", found=found)
    messages = line.messages
    if line.question is not None:
        # whoever wrote the passage or the options into the question meant them to stand once
        context = "" if line.context in line.question else line.context
        shown = {} if _stand_in(line.question, options) else options
        asked = asked_text(line.question, context=context, options=shown)
        messages = (Message(role="user", content=asked),)
    if not line.system:
        return messages
    if messages[0].role == "system":
        raise InputError(f"{where} system", expected="one system prompt", found="another one in messages")
    return (Message(role="system", content=line.system), *messages)


def _stand_in(text: str, options: dict[str, str]) -> bool:
    """Whether the text lists the options already."""
    return bool(options) and all(
        re.search(option_pattern(label, each), text) for label, each in options.items()
    )


def option_pattern(label: str, text: str) -> str:
    """A line that offers this option: `A) text`, `A. text`, `(A) text`, `A: text`."""
    return rf"(?mi)^[ \t]*\(?{re.escape(label)}[).:][ \t]*{re.escape(text)}[ \t]*$"


def _key_text(key: Any) -> str | None:
    if key is None or isinstance(key, str):
        return key
    return msgspec.json.encode(key).decode()


def line_text(item: Item) -> str:
    """An item as one line of JSONL; what equals its default is left out."""
    document = msgspec.to_builtins(item)
    kept = {
        name: document[name]
        for name, default in _DEFAULTS.items()
        if name in ("id", "messages") or getattr(item, name) != default
    }
    # line_of would take options for a choice and a schema for JSON
    if item.format == "text" and (item.options or item.schema):
        kept["format"] = "text"
    return msgspec.json.encode(kept).decode()


_DEFAULTS: dict[str, Any] = {
    each.name: each.default if each.default is not msgspec.NODEFAULT else None
    for each in msgspec.structs.fields(Item)
} | {"options": {}}


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
