"""The prose of an answer: what is left of it without code, formulas, markup and quotations, in sentences."""

from __future__ import annotations

import json
import re
from typing import Any

_FENCE = re.compile(r"```.*?(?:```|\Z)|~~~.*?(?:~~~|\Z)", re.S)
_CODE = re.compile(r"`[^`\n]+`")
_FORMULA = re.compile(
    r"\$\$.*?\$\$|\\\[.*?\\\]|\\\(.*?\\\)|\$[^$\n]{1,120}\$|\\[A-Za-z]+(?:\{[^{}]*\})*", re.S
)
_ADDRESS = re.compile(
    r"\b(?:https?://|www\.)\S+|\S+@\S+\.\w+|(?<!\w)(?:/[\w.-]+){2,}|\b\w+\.(?:py|js|json|txt|csv|html)\b"
)
_TAG = re.compile(r"</?[A-Za-z][^<>\n]*>|<\|[^|<>]*\|>")
_BRACES = re.compile(r"\{[^{}]*\}")
_QUOTATION = re.compile(
    r"“[^”\n]{1,900}”|«[^»\n]{1,900}»|‘[^’\n]{1,400}’(?!\w)|„[^“”\n]{1,900}[“”]"
    r"|(?<![\w\"])\"[^\"\n]{1,900}\"(?!\w)|(?<!\w)'[^'\n]{1,200}'(?!\w)|(?m:^[ \t]*>.*$)"
)
_ASIDE = re.compile(r"\([^()\n]{3,200}\)")
_LIST_MARK = re.compile(r"(?m)^[ \t]*(?:[-*+•–—]|\(?\d{1,3}[.)]|\(?[A-Za-z][.)])[ \t]+|^[ \t]*#{1,6}[ \t]+")
_SIGN = re.compile(r"[*_~|#]+")
_END = re.compile(
    r"(?<=[.!?;:])[\"')\]]*\s+|(?<=[。！？；])|\s+[–—-]\s+|\n+|\s+(?=(?:because|kerana|karena)\b)"
)
_WORD = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*")
_CODE_LIKE = re.compile(
    r"\b(?=\w*\d)(?=\w*[A-Za-z])\w+(?:-\w+)*\b|\b[a-z]+(?:_[a-z0-9]+)+\b|\b[a-z]+[A-Z]\w*\b"
)


def prose_of(text: str) -> str:
    """The text without code, formulas, addresses, tags, quotations, asides, list marks; a JSON answer's strings."""
    text = _json_strings(text).replace("\r\n", "\n")
    for pattern in (_FENCE, _CODE, _FORMULA, _ADDRESS, _TAG, _BRACES):
        text = pattern.sub(" ", text)
    text = without_quotations(_unwrapped(text))
    if words_of(outside := _ASIDE.sub(" ", text)):
        text = outside
    return _SIGN.sub(" ", _CODE_LIKE.sub(" ", _LIST_MARK.sub("", text)))


def without_quotations(text: str) -> str:
    """The text without what stands between quotation marks, and without quoted lines."""
    return _QUOTATION.sub(" ", text)


def _unwrapped(text: str) -> str:
    bare = text.strip()
    return bare[1:-1] if len(bare) > 2 and bare[0] + bare[-1] in ('""', "“”", "''") else bare


def _json_strings(text: str) -> str:
    bare = text.strip()
    if not (bare.startswith(("{", "[")) and bare.endswith(("}", "]"))):
        return text
    try:
        value = json.loads(bare)
    except ValueError:
        return text
    return "\n".join(_strings(value)) if isinstance(value, (dict, list)) else text


def _strings(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [each for part in inner for each in _strings(part)]


def sentences_of(prose: str) -> list[str]:
    """Sentences, and their parts around a colon, semicolon, dash or `because`; empty ones left out."""
    return [part for each in _END.split(prose) if (part := " ".join(each.split()))]


def words_of(text: str) -> list[str]:
    """Words without numbers and punctuation."""
    return _WORD.findall(text)


def without_names(sentence: str) -> str:
    """The sentence without words in capitals after its first, and without a first word that they follow."""
    words = words_of(sentence)
    capital = [word[0].isupper() for word in words]
    return " ".join(
        word
        for i, word in enumerate(words)
        if not capital[i] or (i == 0 and not (len(words) > 1 and capital[1]))
    )


def without_runs(sentence: str, source: frozenset[tuple[str, ...]], length: int) -> str:
    """The sentence without its runs of `length` and more words that are in `source` (from `runs_of`)."""
    words = words_of(sentence)
    folded = [word.casefold() for word in words]
    covered: set[int] = set()
    for i in range(len(words) - length + 1):
        if tuple(folded[i : i + length]) in source:
            covered.update(range(i, i + length))
    return " ".join(word for i, word in enumerate(words) if i not in covered)


def runs_of(text: str, length: int) -> frozenset[tuple[str, ...]]:
    """Every run of `length` words of a text, in lower case."""
    words = [word.casefold() for word in words_of(text)]
    return frozenset(tuple(words[i : i + length]) for i in range(len(words) - length + 1))
