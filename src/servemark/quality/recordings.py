"""Recorded exchanges: JSON lines as other programs write them.

A line has an `id` and at least one of `answer`, `reasoning`, `text`; null is the same as absent. Unknown fields are
left alone and named; what a known field holds must be of its kind.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from servemark.domain.exchange import AnswerFormat, EvalType, Exchange, Message
from servemark.errors import InputError, nearest_names
from servemark.quality.endings import lacks_an_end
from servemark.quality.tongues import LANGUAGES, language_code

FIELDS = (
    "id", "system", "messages", "question", "context", "options", "key", "expected_language", "eval_type", "answer",
    "reasoning", "text", "finish_reason", "max_tokens", "completion_tokens", "prompt_tokens", "format",
    "schema", "recalls", "alone_prompt_tokens", "nonce", "canary", "error", "expected_answer",
)  # fmt: skip
"""Fields of a line; those behind `prompt_tokens` are known of measured exchanges and may stand in recorded ones."""
FORMATS: tuple[str, ...] = AnswerFormat.__args__
EVAL_TYPES: tuple[str, ...] = EvalType.__args__
_ROLES = {
    "developer": "system",
    "human": "user",
    "tool": "user",
    "function": "user",
    "model": "assistant",
    "ai": "assistant",
}
_LABELLED = re.compile(r"\s*[(\[]?([A-Za-z]|\d{1,2})[)\].:]\s+(\S.*)", re.DOTALL)
_LISTED = re.compile(r"[ \t]*\(?([A-Z])[).:][ \t]+(\S.*)")
_LABEL = re.compile(r"\s*[(\[]?([A-Za-z]|\d{1,2})[)\].:]?\s*")


class Recordings(NamedTuple):
    """What a file of recorded exchanges holds."""

    exchanges: tuple[Exchange, ...]
    ids: tuple[str | int | float, ...]
    """As they are written; a number stays one."""
    notes: tuple[str, ...]
    """Fields that were left alone, with the nearest known ones; ids that stand twice."""


def read_recordings(lines: Iterable[str], file: str) -> Recordings:
    """The exchanges of JSON lines; blank lines are skipped.

    Args:
        lines: the text of the file.
        file: its name, for messages.

    Raises:
        InputError: the first line that is no exchange: `file:line: field`, what was expected, what was found.
    """
    out: list[Exchange] = []
    ids: list[str | int | float] = []
    unknown: Counter[str] = Counter()
    for number, line in enumerate(lines, 1):
        text = line.strip().removeprefix("\ufeff")
        if not text:
            continue
        at = f"{file}:{number}"
        try:
            row = msgspec.json.decode(text, type=dict[str, Any])
        except (msgspec.DecodeError, UnicodeError) as error:
            raise InputError(at, expected="one JSON object", found=f"{text[:60]!r} ({error})") from None
        if "id" not in row:
            raise InputError(f"{at}: id", expected="an exchange with an id", found="nothing")
        unknown.update(name for name in row if name not in FIELDS)
        out.append(exchange_of_row(row, at))
        ids.append(row["id"])
    if not out:
        raise InputError(file, expected="at least one exchange, one JSON object a line", found="none")
    notes = [
        f"field {name!r} of {count} line{'s' if count > 1 else ''} is not known and was left alone"
        + "".join(f"; nearest: {each}" for each in nearest_names(name, FIELDS, 1))
        for name, count in sorted(unknown.items())
    ]
    twice = [name for name, count in Counter(each.id for each in out).items() if count > 1]
    if twice:
        notes.append(
            f"{len(twice)} id{'s' if len(twice) > 1 else ''} stand on several lines, e.g. {twice[0]!r}"
        )
    return Recordings(tuple(out), tuple(ids), tuple(notes))


def exchange_of_row(row: Mapping[str, Any], at: str) -> Exchange:
    """One decoded line.

    Raises:
        InputError: a field is not of its kind, or there is no answer of any form.
    """
    if not {"answer", "reasoning", "text"} & row.keys():
        raise InputError(at, expected="at least one of answer, reasoning, text", found="none of them")
    system, messages = _conversation(row, at)
    answer, reasoning = _answer(row, at)
    kind = (_text(row, "eval_type", at) or "answer").strip().lower()
    if kind not in EVAL_TYPES:
        raise InputError(f"{at}: eval_type", expected=" or ".join(EVAL_TYPES), found=repr(row["eval_type"]))
    schema = row.get("schema")
    if schema is not None and not isinstance(schema, dict):
        raise InputError(f"{at}: schema", expected="a JSON schema", found=_shown(schema))
    if (
        messages
        and messages[-1].role == "assistant"
        and messages[-1].content.strip() == (answer or "").strip()
    ):
        messages = messages[:-1]
    key = _key(row.get("key"), f"{at}: key")
    options = _options(row.get("options"), f"{at}: options") or _listed_options(messages, key)
    if key and key.strip().isalpha() and options and all(label.isdigit() for label in options):
        # of `["1", "2", "3"]` with the key C these are the texts
        options = {_letter(i): words or label for i, (label, words) in enumerate(options.items())}
    return Exchange(
        id=_id(row, at),
        system=system,
        messages=messages,
        context=_text(row, "context", at) or "",
        options=options,
        key=key,
        expected_language=_language(row, at),
        eval_type="teaching" if kind == "teaching" else "answer",
        format=_format(row, options, at),
        schema=schema,
        recalls=_recalls(row.get("recalls"), f"{at}: recalls"),
        answer=answer,
        reasoning=reasoning,
        expected_answer=_text(row, "expected_answer", at),
        finish_reason=_text(row, "finish_reason", at) or None,
        max_tokens=_count(row, "max_tokens", at),
        completion_tokens=_count(row, "completion_tokens", at),
        prompt_tokens=_count(row, "prompt_tokens", at),
        alone_prompt_tokens=_count(row, "alone_prompt_tokens", at),
        nonce=_text(row, "nonce", at) or "",
        canary=_text(row, "canary", at) or "",
        error=_error(row, answer, options, at),
    )


def _language(row: Mapping[str, Any], at: str) -> str | None:
    text = (_text(row, "expected_language", at) or "").strip()
    if not text:
        return None
    code = language_code(text)
    if code is None:
        near = nearest_names(text, LANGUAGES)
        raise InputError(
            f"{at}: expected_language",
            expected="an ISO 639-1 code such as en or ms",
            found=repr(text),
            nearest=near,
        )
    return code


def _answer(row: Mapping[str, Any], at: str) -> tuple[str | None, str | None]:
    """Answer and reasons. `text` is the answer where there is no other, else the reasons (or the whole)."""
    answer, reasoning, text = (
        _value_text(row.get(name), f"{at}: {name}") for name in ("answer", "reasoning", "text")
    )
    if text is not None:
        if answer is None:
            answer = text
        elif reasoning is None:
            reasoning = text
        elif reasoning.strip() not in text:
            reasoning = f"{reasoning}\n{text}"
        else:
            reasoning = text
    if answer is None and not (reasoning or "").strip():
        # every form of answer is null or blank: there was one, and it is empty
        answer = ""
    return answer, reasoning


def _error(row: Mapping[str, Any], answer: str | None, options: Mapping[str, str], at: str) -> str:
    """The error of a stream. A finish reason of null proves nothing by itself, since many programs write null for what
    they do not know; beside an answer without an end it does, and where the server sent no counts either.
    """
    raw = row.get("error")
    if isinstance(raw, Mapping):
        raw = raw.get("message") or msgspec.json.encode(raw).decode()
    if raw is not None and raw is not False:
        return _value_text(raw, f"{at}: error") or ""
    if "finish_reason" not in row or row["finish_reason"] or not answer or not answer.strip():
        return ""
    asked_only = (
        row.get("max_tokens") is not None
        and "completion_tokens" in row
        and row["completion_tokens"] is None
    )
    if asked_only or lacks_an_end(answer, options):
        return "the stream ended without a finish reason" + (
            "" if asked_only else ", and the text without an end"
        )
    return ""


def _conversation(row: Mapping[str, Any], at: str) -> tuple[str, tuple[Message, ...]]:
    """System prompt and the other messages; a system message among the messages counts like `system`."""
    raw = row.get("messages")
    if raw is not None and not isinstance(raw, list):
        raise InputError(f"{at}: messages", expected="a list of chat messages", found=_shown(raw))
    messages = [_message(each, f"{at}: messages[{i}]") for i, each in enumerate(raw or ())]
    asked = _text(row, "question", at)
    if asked and not any(asked.strip() in each.content for each in messages):
        messages.append(Message(role="user", content=asked))
    systems = [each.content for each in messages if each.role == "system"]
    first = _text(row, "system", at) or ""
    parts = [each for each in systems if each.strip() and each.strip() not in first]
    return "\n".join(filter(None, (first, *parts))), tuple(
        each for each in messages if each.role != "system"
    )


def _message(raw: object, at: str) -> Message:
    if isinstance(raw, str):
        return Message(role="user", content=raw)
    if not isinstance(raw, Mapping):
        raise InputError(at, expected="a chat message with role and content", found=_shown(raw))
    role = str(raw.get("role", "user")).strip().lower()
    role = _ROLES.get(role, role)
    if role not in ("system", "user", "assistant"):
        nearest = nearest_names(role, ("system", "user", "assistant"))
        raise InputError(
            f"{at}.role", expected="system, user or assistant", found=repr(role), nearest=nearest
        )
    content = raw.get("content")
    if isinstance(content, list):
        content = "\n".join(
            str(part.get("text") or "") if isinstance(part, Mapping) else str(part) for part in content
        )
    return Message(role=role, content=_value_text(content, f"{at}.content") or "")


def _options(raw: object, at: str) -> dict[str, str]:
    """Label -> text of a dictionary, of texts with labels (`A) Paris`), of bare labels, or of texts (A, B, C ...)."""
    if raw is None or raw == "":
        return {}
    if isinstance(raw, Mapping):
        return {str(name).strip(): _value_text(each, f"{at}.{name}") or "" for name, each in raw.items()}
    if isinstance(raw, str):
        lines = [each for each in raw.split("\n") if each.strip()]
        raw = lines if len(lines) > 1 else [each for each in re.split(r"\s*[,;]\s*", raw) if each]
    if not isinstance(raw, list):
        raise InputError(at, expected="a list of options, or label -> text", found=_shown(raw))
    if raw and all(isinstance(each, Mapping) for each in raw):
        return _labelled_rows(raw, at)
    texts = [_value_text(each, f"{at}[{i}]") or "" for i, each in enumerate(raw)]
    split = [_LABELLED.fullmatch(each) for each in texts]
    labels = [each[1].upper() for each in split if each]
    if len(labels) == len(texts) == len(set(labels)):
        return {found[1].upper(): found[2].strip() for found in split if found}
    bare = [_LABEL.fullmatch(each) for each in texts]
    signs = [each[1].upper() for each in bare if each]
    if len(signs) == len(texts) == len(set(signs)) and (
        signs[:1] in (["A"], ["1"]) or all(map(str.isalpha, signs))
    ):
        return dict.fromkeys(signs, "")
    return {_letter(i): each for i, each in enumerate(texts)}


def _listed_options(messages: Sequence[Message], key: str | None) -> dict[str, str]:
    """`A. Paris` on lines of the last question, where the line itself names no options and its key is one of them."""
    last = next((each.content for each in reversed(messages) if each.role == "user"), "")
    found = [_LISTED.fullmatch(line) for line in last.split("\n")]
    listed = {each[1]: each[2].strip() for each in found if each}
    fits = key is not None and (
        key.strip() in listed or key.strip().casefold() in map(str.casefold, listed.values())
    )
    return (
        listed
        if fits and list(listed) == [_letter(i) for i in range(len(listed))] and len(listed) > 1
        else {}
    )


def _labelled_rows(raw: list[Any], at: str) -> dict[str, str]:
    """`[{"label": "A", "text": "Paris"}, ...]`, however the two are named."""
    out: dict[str, str] = {}
    for i, each in enumerate(raw):
        label = next(
            (each[name] for name in ("label", "key", "letter", "id") if each.get(name) is not None),
            _letter(i),
        )
        text = next(
            (each[name] for name in ("text", "value", "content", "option") if each.get(name) is not None),
            "",
        )
        out[str(label).strip()] = _value_text(text, f"{at}[{i}]") or ""
    return out


def _letter(i: int) -> str:
    return chr(ord("A") + i) if i < 26 else str(i + 1)


def _key(raw: object, at: str) -> str | None:
    if isinstance(raw, list) and len(raw) == 1:
        raw = raw[0]
    return _value_text(raw, at) or None


def _format(row: Mapping[str, Any], options: dict[str, str], at: str) -> AnswerFormat:
    """As said; else choice where options are, json where a schema is, else text."""
    said = (_text(row, "format", at) or "").strip().lower()
    if said and said not in FORMATS:
        nearest = nearest_names(said, FORMATS)
        raise InputError(
            f"{at}: format", expected=", ".join(FORMATS), found=repr(row["format"]), nearest=nearest
        )
    default = "choice" if options else "json" if row.get("schema") is not None else "text"
    return msgspec.convert(said or default, AnswerFormat)


def _recalls(raw: object, at: str) -> tuple[str, ...]:
    parts = raw if isinstance(raw, list) else [] if raw is None else [raw]
    return tuple(filter(None, (_value_text(each, at) for each in parts)))


def _id(row: Mapping[str, Any], at: str) -> str:
    raw = row["id"]
    if isinstance(raw, bool) or not isinstance(raw, (str, int, float)) or raw == "":
        raise InputError(f"{at}: id", expected="a text or a number", found=_shown(raw))
    return str(raw)


def _text(row: Mapping[str, Any], name: str, at: str) -> str | None:
    raw = row.get(name)
    if raw is not None and not isinstance(raw, str):
        raise InputError(f"{at}: {name}", expected="a text", found=_shown(raw))
    return raw


def _value_text(raw: object, at: str) -> str | None:
    """A text; numbers and JSON values as they are written."""
    if raw is None or isinstance(raw, str):
        return raw
    if isinstance(raw, (bool, int, float, list, dict)):
        return msgspec.json.encode(raw).decode()
    raise InputError(at, expected="a text", found=_shown(raw))


def _count(row: Mapping[str, Any], name: str, at: str) -> int | None:
    raw = row.get(name)
    if raw is None:
        return None
    whole = (isinstance(raw, int) and not isinstance(raw, bool)) or (
        isinstance(raw, float) and raw.is_integer()
    )
    if isinstance(raw, str) and raw.strip().isdecimal():
        raw, whole = raw.strip(), True
    if not whole or int(raw) < 0:
        raise InputError(f"{at}: {name}", expected="a whole number of tokens, or null", found=_shown(raw))
    return int(raw)


def _shown(raw: object) -> str:
    return "nothing" if raw is None or raw == "" else repr(raw)[:80]
