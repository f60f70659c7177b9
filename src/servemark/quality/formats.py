"""Answers in the form that was asked for: JSON by a schema, a number, an exact text."""

from __future__ import annotations

import re
from typing import Any

import msgspec
from jsonschema.exceptions import SchemaError, UnknownType, best_match
from jsonschema.validators import Draft202012Validator, validator_for

from servemark.domain.exchange import Exchange
from servemark.quality import grades
from servemark.quality.endings import is_whole
from servemark.quality.rulings import NOT_APPLICABLE, Ruling, defect, passed

_FENCE = re.compile(r"```(?:json|JSON)?[ \t]*\n?(.*?)```", re.DOTALL)
_ONLY_JSON = re.compile(
    r"\b(?:only|hanya|nothing but)\b[^.\n]{0,40}\bJSON\b(?! schema)"
    r"|\bJSON\b[^.\n]{0,30}\b(?:only|sahaja|saja|and nothing else)\b",
    re.IGNORECASE,
)


_KEYS = re.compile(
    r"\bJSON object\b[^.\n{}]{0,30}?\b(?:keys|fields)\b:?\s*((?:[\"'`]\w+[\"'`](?:\s*,?\s*(?:and |dan )?))+)",
    re.IGNORECASE,
)
_OPTIONAL = re.compile(
    r"\b(?:optional|if|unless|where|may|jika|kalau|nest\w*|inside|within)\b", re.IGNORECASE
)


def bad_format(exchange: Exchange) -> Ruling:
    """Not in the form that was asked for. JSON in a code fence is accepted, with a note."""
    if not is_whole(exchange):
        return NOT_APPLICABLE
    if exchange.format in ("number", "exact"):
        return grades.bad_form(exchange)
    schema = exchange.schema if exchange.schema is not None else _schema_of(exchange)
    if exchange.format != "json" and schema is None and not _asks_for_json(exchange):
        return NOT_APPLICABLE
    text = (exchange.answer or "").strip()
    fenced = _FENCE.fullmatch(text)
    try:
        value = msgspec.json.decode((fenced[1] if fenced else text).encode())
    except msgspec.DecodeError as error:
        return _unreadable(text, error)
    if schema is not None and (problem := violation(value, schema)):
        return defect("bad_format", "major", excerpt=text, detail=problem)
    if schema is None and isinstance(value, dict) and (missing := _named_keys(exchange) - value.keys()):
        return defect(
            "bad_format", "major", excerpt=text, detail=f"lacks the keys {', '.join(sorted(missing))}"
        )
    return passed(*(("the JSON stands in a code fence",) if fenced else ()))


def violation(value: Any, schema: dict[str, Any]) -> str:
    """Where a value breaks a schema first, in words; empty where it does not."""
    validator = validator_for(schema, default=Draft202012Validator)(schema)
    try:
        error = best_match(validator.iter_errors(value))
    except (SchemaError, UnknownType, re.error):
        return ""
    return f"{error.json_path}: {error.message}" if error is not None else ""


def _unreadable(text: str, error: Exception) -> Ruling:
    inside = _FENCE.search(text) or re.search(r"\{.*\}|\[.*\]", text, re.DOTALL)
    if inside is not None:
        try:
            msgspec.json.decode((inside[1] if inside.re is _FENCE else inside[0]).encode())
        except msgspec.DecodeError:
            pass
        else:
            return defect("bad_format", "minor", excerpt=text, detail="the JSON stands among other text")
    return defect("bad_format", "major", excerpt=text, detail=f"no JSON: {error}")


def _asks_for_json(exchange: Exchange) -> bool:
    last = [each.content for each in exchange.messages if each.role == "user"][-1:]
    return any(_ONLY_JSON.search(each) for each in (exchange.system, *last))


def _named_keys(exchange: Exchange) -> set[str]:
    """The keys that the prompt names in quotes: `with the keys "city" and "country"`; none where some are optional."""
    last = [each.content for each in exchange.messages if each.role == "user"][-1:]
    text = "\n".join((exchange.system, *last))
    found = _KEYS.findall(text)
    if len(found) != 1 or _OPTIONAL.search(text):
        return set()
    return set(re.findall(r"\w+", re.sub(r"(?<=[\s,])(?:and|dan)(?=\s)", " ", found[0])))


def _schema_of(exchange: Exchange) -> dict[str, Any] | None:
    """The JSON schema that stands in the prompt, where there is exactly one and it describes an object."""
    found = []
    for text in (exchange.system, *(each.content for each in exchange.messages if each.role == "user")):
        if '"properties"' not in text or '"type"' not in text:
            continue
        found += [each for each in _objects(text) if each.get("type") == "object" and "properties" in each]
    return found[0] if len(found) == 1 else None


def _objects(text: str) -> list[dict[str, Any]]:
    """The outermost JSON objects in a text."""
    out, depth, start, in_string, escaped = [], 0, 0, False, False
    for i, c in enumerate(text):
        if in_string:
            in_string = escaped or c != '"'
            escaped = c == "\\" and not escaped
            continue
        if c == '"' and depth:
            in_string = True
        elif c == "{":
            start = i if not depth else start
            depth += 1
        elif c == "}" and depth:
            depth -= 1
            if not depth:
                try:
                    out.append(msgspec.json.decode(text[start : i + 1], type=dict[str, Any]))
                except msgspec.DecodeError:
                    continue
    return out
