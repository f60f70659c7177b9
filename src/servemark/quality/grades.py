"""Answers that are graded by their value: word for word, as a number, as JSON."""

from __future__ import annotations

import json
import re
import unicodedata
from typing import Any, NamedTuple

from servemark.domain.exchange import Exchange
from servemark.quality.refusals import refusing_sentence
from servemark.quality.rulings import NOT_APPLICABLE, PASSED, Ruling, defect

SHORT_ANSWER_WORDS = 12
"""An answer without a format is held against its key only if it is no longer than this."""
RELATIVE_TOLERANCE = 1e-9
"""Of whole numbers, for what binary fractions lose; with decimals, half a unit of the last place counts as well."""
SIGNIFICANT_DIGITS = 3
"""An answer rounded to at least so many digits is right if the key rounds to it."""

_CUE = (
    r"(?:final\s+|correct\s+|the\s+)*(?:answer|result|value|total|sum|difference|jawapan|jawaban|hasil"
    r"|nilai|jumlah|beza"
    r"|selisih)(?:nya)?(?:\s+(?:akhir|sebenar|yang\s+(?:betul|benar|tepat)))?"
)
_HEAD = re.compile(
    rf"^\s*(?:(?:sure|certainly|of course|okay|ok|baik|tentu"
    rf"|sudah tentu)\b[^:\n]*[:.!]\s*)?(?:{_CUE})\s*(?:is|ialah|adalah)?\s*[:=]?\s+",
    re.I,
)
_QUOTES = "\"'“”‘’«»`*_ \t\n"


def graded(exchange: Exchange, text: str) -> Ruling:
    """`wrong_answer` of an answer that makes no choice: against `key`, by `format`.

    Applies to exact, number and json; to text only where the answer is short, or the key stands in it.
    """
    key = exchange.key or ""
    if exchange.format == "json":
        return _json(text, key)
    if exchange.format == "number" or (
        exchange.format == "text" and not exchange.options and number_of(key, whole=True)
    ):
        return _number(text, key)
    if exchange.format == "exact":
        if is_exact(text, key):
            return PASSED
        return defect("wrong_answer", "major", excerpt=text, detail=f"expected {key}")
    if exchange.options or exchange.format == "choice":
        return NOT_APPLICABLE
    if _has(text, key) or (len(key) > 1 and _LABEL.fullmatch(text)):
        return PASSED if _has(text, key) else NOT_APPLICABLE
    if len(text.split()) > SHORT_ANSWER_WORDS or len(key.split()) > SHORT_ANSWER_WORDS // 2:
        return NOT_APPLICABLE
    return defect("wrong_answer", "major", excerpt=text, detail=f"expected {key}")


_LABEL = re.compile(r"(?:\w+:?\s+)?[\W_]*[A-H][\W_]*")
"""`B`, `Option B.`: of options that are not known."""


def normal(text: str) -> str:
    """Composed signs, one kind of quotation mark and dash, single spaces."""
    text = unicodedata.normalize("NFC", text)
    for signs, sign in (("“”„«»", '"'), ("‘’`´", "'"), ("–—−‐‑", "-")):
        text = re.sub(f"[{signs}]", sign, text)
    return " ".join(text.split())


def is_exact(text: str, key: str) -> bool:
    """Whether the answer, one of its lines, or what it says after `Answer:` or `The answer is`, is the key.

    Quotation marks and marks of emphasis around it, a full stop after it and the spacing are free; so is the case of a
    key of words alone, but not that of a code. A key of four and more signs may also stand within the answer.
    """
    wanted, fold = normal(key.strip(_QUOTES)), _is_words(key)
    candidates = [text, *text.splitlines()]
    candidates += [_HEAD.sub("", each, count=1) for each in candidates]
    for each in candidates:
        said = normal(each.strip(_QUOTES).removesuffix(".").strip(_QUOTES))
        for form in (wanted, wanted.removesuffix(".")):
            if said == form or (fold and said.casefold() == form.casefold()):
                return True
    return len(wanted) >= 4 and _has(text, key)


def _is_words(key: str) -> bool:
    return all(
        word[1:].islower() or word.isupper() or len(word) == 1 for word in re.findall(r"[^\W\d]+", key)
    ) and not re.search(r"\d", key)


def _has(text: str, key: str) -> bool:
    wanted, said = normal(key.strip(_QUOTES)), normal(text)
    if _is_words(key):
        wanted, said = wanted.casefold(), said.casefold()
    wanted = wanted.rstrip(".")
    return bool(wanted) and re.search(rf"(?<![\w-]){re.escape(wanted)}(?!\w|-\w)", said) is not None


class Number(NamedTuple):
    """A number as written."""

    value: float
    decimals: int
    """Places after the point."""
    unit: str
    start: int


_DIGITS = r"\d{1,3}(?:[ \u00a0\u202f,.'’]\d{3})+(?:[.,]\d+)?|\d+(?:[.,]\d+)?|[.]\d+"
_NUMBER = re.compile(
    rf"(?<![\w.,/-])(?P<sign>[-−–+]\s?)?(?:(?P<currency>RM|USD|MYR|IDR|Rp\.?|US\$|\$|€"
    rf"|£)\s?)?(?P<minus>[-−])?(?P<digits>{_DIGITS})"
    r"(?P<power>(?:[eE]|\s?[x×*]\s?10\^?)\(?[-+−]?\d+\)?)?(?:\s?/\s?(?P<below>\d+)(?![\d/]))?"
    r"(?:\s?(?P<unit>%|°\s?[CF]|[a-zA-Zµ]+[²³]?(?:/[a-zA-Z]+|\^\d)?))?(?![\d])"
)
_SCALES = {
    "thousand": 1e3, "ribu": 1e3, "k": 1e3, "million": 1e6, "juta": 1e6, "billion": 1e9, "bilion": 1e9, "miliar": 1e9,
    "trillion": 1e12, "trilion": 1e12,
}  # fmt: skip
_UNITS = {
    "percent": ("%", 1.0), "per": ("", 1.0), "peratus": ("%", 1.0), "persen": ("%", 1.0), "%": ("%", 1.0),
    "mm": ("m", 1e-3), "cm": ("m", 1e-2), "m": ("m", 1.0), "km": ("m", 1e3), "metre": ("m", 1.0),
    "metres": ("m", 1.0), "meter": ("m", 1.0), "meters": ("m", 1.0), "kilometre": ("m", 1e3),
    "kilometres": ("m", 1e3), "kilometer": ("m", 1e3), "kilometers": ("m", 1e3), "mg": ("g", 1e-3),
    "g": ("g", 1.0), "gram": ("g", 1.0), "grams": ("g", 1.0), "kg": ("g", 1e3), "kilogram": ("g", 1e3),
    "kilograms": ("g", 1e3), "ml": ("l", 1e-3), "l": ("l", 1.0), "litre": ("l", 1.0), "litres": ("l", 1.0),
    "liter": ("l", 1.0), "liters": ("l", 1.0), "s": ("s", 1.0), "second": ("s", 1.0), "seconds": ("s", 1.0),
    "saat": ("s", 1.0), "detik": ("s", 1.0), "min": ("s", 60.0), "minute": ("s", 60.0), "minutes": ("s", 60.0),
    "minit": ("s", 60.0), "menit": ("s", 60.0), "h": ("s", 3600.0), "hour": ("s", 3600.0), "hours": ("s", 3600.0),
    "jam": ("s", 3600.0),
}  # fmt: skip
_ONES = (
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve",
    "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen", "twenty",
)  # fmt: skip
_SATU = (
    "kosong", "satu", "dua", "tiga", "empat", "lima", "enam", "tujuh", "lapan", "sembilan", "sepuluh", "sebelas",
)  # fmt: skip
_WORDS = {word: float(i) for words in (_ONES, _SATU) for i, word in enumerate(words)} | {
    "delapan": 8.0,
    "nol": 0.0,
}
_WORD = re.compile(r"\b(?:" + "|".join(_WORDS) + r")\b(?:\s+(?P<tail>belas|puluh))?", re.I)
_VALUE_CUE = re.compile(
    rf"\b(?:{_CUE}|makes?|equals?|gives?|menjadi|sama\s+dengan|therefore|jadi|maka|is|ialah"
    rf"|adalah)\b[^\d\n]{{0,40}}$|[=≈:]\s*$",
    re.I,
)
_STRONG_CUE = re.compile(r"\b(?:answer|jawapan|jawaban)(?:nya)?\b[^\d\n]{0,40}$", re.I)


def numbers_of(text: str) -> list[Number]:
    """Every number of a text in order: digits with either decimal sign, fractions, powers of ten, small words."""
    out = [_number_of(match) for match in _NUMBER.finditer(text)]
    for match in _WORD.finditer(text):
        value = _WORDS[match[0].split()[0].lower()]
        tail = (match["tail"] or "").lower()
        value = value + 10 if tail == "belas" else value * 10 if tail == "puluh" else value
        out.append(Number(value, 0, "", match.start()))
    return sorted(out, key=lambda number: number.start)


def _number_of(match: re.Match[str]) -> Number:
    value, decimals = digits_value(match["digits"])
    if match["power"]:
        exponent = re.search(r"[-+−]?\d+\)?$", re.sub(r"10\^?\(?", "^", match["power"], count=1))
        power = int(exponent[0].replace("−", "-").strip(")")) if exponent else 0
        value, decimals = value * 10.0**power, max(0, decimals - power)
    if match["below"] and float(match["below"]):
        value, decimals = value / float(match["below"]), 15
    negative = bool(match["minus"]) or (match["sign"] or "").strip() in ("-", "−")
    unit = match["unit"] or ""
    scale = _SCALES.get(unit.lower())
    if scale:
        value, decimals, unit = value * scale, 0, ""
    return Number(-value if negative else value, decimals, unit, match.start())


def digits_value(digits: str) -> tuple[float, int]:
    """The value and decimal places of `1,234.5`, `1.234,5`, `1 234` or `0,5`.

    A single point or comma before exactly three digits is read as a separator of thousands only if it is a comma;
    `1.234` is one and a bit, as in English and Malay.
    """
    text = re.sub(r"[ \u00a0\u202f'’]", "", digits)
    comma, point = text.rfind(","), text.rfind(".")
    if comma >= 0 and point >= 0:
        sign = "," if comma > point else "."
        text = text.replace("." if sign == "," else ",", "")
    elif text.count(",") > 1 or text.count(".") > 1:
        text, sign = text.replace(",", "").replace(".", ""), "."
    elif comma >= 0:
        sign = "." if len(text) - comma - 1 == 3 and not text.startswith("0") else ","
        text = text.replace(",", "") if sign == "." else text
    else:
        sign = "."
    text = text.replace(sign, ".")
    return float(text), len(text) - text.find(".") - 1 if "." in text else 0


def number_of(text: str, *, whole: bool = False) -> Number | None:
    """The number that an answer ends up with: after the last `answer`, else the last `=` or `is`, else the last one.

    Args:
        text: an answer.
        whole: only if the text is nothing but a number with its unit.
    """
    found = numbers_of(text)
    if whole:
        match = _NUMBER.fullmatch(text.strip())
        return _number_of(match) if match else None
    for cue in (_STRONG_CUE, _VALUE_CUE):
        cued = [number for number in found if cue.search(text[max(0, number.start - 80) : number.start])]
        if cued:
            return cued[-1]
    return found[-1] if found else None


def equals(said: Number, key: Number) -> bool:
    """Whether they are the same within rounding, after conversion to the unit of the key where both units are known."""
    value, decimals = said.value, said.decimals
    a, b = _UNITS.get(said.unit.lower()), _UNITS.get(key.unit.lower())
    scale = 1.0
    if a and b and a[0] == b[0]:
        scale = a[1] / b[1]
    if key.unit == "" and a and a[0] == "%" and abs(value / 100 - key.value) <= _slack(key):
        return True
    value *= scale
    if abs(value - key.value) <= _slack(key):
        return True
    digits = len(f"{abs(said.value):.{decimals}f}".replace(".", "").lstrip("0"))
    return (
        key.decimals > decimals
        and digits >= SIGNIFICANT_DIGITS
        and abs(value - key.value) <= 0.5 * scale * 10.0**-decimals
    )


def _slack(key: Number) -> float:
    half = 0.5 * 10.0**-key.decimals if 0 < key.decimals < 15 else 0.0
    return max(half * (1 + 1e-9), RELATIVE_TOLERANCE * abs(key.value))


def _number(text: str, key: str) -> Ruling:
    wanted = number_of(key, whole=True) or number_of(key)
    if wanted is None:
        return NOT_APPLICABLE
    said = number_of(text)
    if said is None:
        return NOT_APPLICABLE
    if equals(said, wanted):
        return PASSED
    line = next((each for each in reversed(text.splitlines()) if re.search(r"\d", each)), text)
    return defect(
        "wrong_answer", "major", excerpt=line, detail=f"answered {said.value:g}, the key is {key}"
    )


def _json(text: str, key: str) -> Ruling:
    said, wanted = parsed(text), parsed(key)
    if said is None or wanted is None:
        return NOT_APPLICABLE
    if said == wanted:
        return PASSED
    differs = (
        [name for name in wanted if said.get(name) != wanted[name]]
        if isinstance(said, dict) and isinstance(wanted, dict)
        else []
    )
    detail = f"differs from the key in {', '.join(differs)}" if differs else "differs from the key"
    return defect("wrong_answer", "major", excerpt=text, detail=detail)


def parsed(text: str) -> Any:
    """The JSON of a text, also inside a code fence; None where there is none."""
    fence = re.search(r"```(?:json)?\s*(.*?)```", text, re.S)
    try:
        return json.loads(fence[1] if fence else text)
    except ValueError:
        return None


def bad_form(exchange: Exchange) -> Ruling:
    """`bad_format` of the formats number and exact: is a value there at all? A wrong one is `wrong_answer`."""
    text = (exchange.answer or "").strip()
    if exchange.format not in ("number", "exact") or not text or refusing_sentence(text):
        return NOT_APPLICABLE
    if exchange.format == "number" and not numbers_of(text):
        return defect(
            "bad_format", "major", excerpt=text, detail="a number was asked for, the answer holds none"
        )
    return PASSED
