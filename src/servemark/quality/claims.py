"""Which option does a text claim to be right? The grammar of such claims, in English, Malay and Indonesian.

A claim says that a label (or the text of an option) is the answer: `Answer: B`, `(B)`, `the correct answer is
option C`, `jawapan yang betul ialah D`, `pilihan B tepat`, `it is C`. Negations (`bukan A`, `A is wrong`), guesses
(`seems to be A`), conditions and questions claim nothing. `A` before a word is the article unless that word can
follow a choice.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from servemark.quality.wordings import (
    AFTER,
    ANSWER_LINE,
    BARE_LINE,
    CLAUSE,
    CONCLUSION,
    GUESS,
    IF_CLAUSE,
    INITIAL,
    LABEL_HEAD,
    LISTED_WORDS,
    NO_OPTION,
    OPTION_LEAD,
    OR_ANOTHER,
    SEVERAL,
    SHORT_VALUE_WORDS,
    TEXT_CUE,
    TEXT_TAIL,
    TWO_NAMES,
    Kind,
    claim_patterns,
)

_VERDICT = re.compile(
    r"\W*(?:(?P<wrong>incorrect|wrong|false|not|no|salah|tidak|bukan|kurang|palsu)"
    r"|correct|right|true|betul|benar|tepat)\b(?=\s*(?:$|[.,:;!)–—-]|because|since|as|kerana|karena|sebab))",
    re.I,
)
"""What a list says of its options: `A) Wrong: ...`, `B - correct, ...`."""


_ENDS = re.compile(r"[\s\"'”)\]*_]*(?:$|[.,;:!?—–(\n-]|because|since|as\b|kerana|karena|sebab)", re.I)


class Claim(NamedTuple):
    """One claim of a text."""

    label: str
    """As offered, or as written where no such label is offered."""
    offered: bool
    kind: Kind
    start: int
    end: int
    words: str
    """The sentence or line that claims it."""


_CODE = re.compile(r"```.*?(?:```|\Z)", re.S)
_MARKUP = re.compile(r"[*_`$]+|\\(?:boxed|text|mathrm|textbf)\s*\{|[{}]|</?[A-Za-z]+>")


def plain(text: str) -> str:
    """The text without code, marks of emphasis and boxes; the fields of a JSON object as lines `field: value`."""
    bare = _CODE.sub("\n", text) if _CODE.sub("", text).strip() else text.replace("```", "")
    return _MARKUP.sub("", _json_lines(bare))


def _json_lines(text: str) -> str:
    body = text.strip().removeprefix("json").strip()
    if not (body.startswith("{") and body.endswith("}")):
        return text
    try:
        fields = json.loads(body)
    except ValueError:
        return text
    return "\n".join(f"{name.replace('_', ' ')}: {value}" for name, value in fields.items())


def claims_of(text: str, options: Mapping[str, str]) -> list[Claim]:
    """Every claim of a text, in order of position.

    Args:
        text: an answer, or reasons.
        options: label -> text of what is offered; without any, single capital letters are labels.
    """
    bare = plain(text)
    found = [*_lines(bare, options), *_bare(bare, options), *_prose(bare, options), *_texts(bare, options)]
    found.sort(key=lambda claim: (claim.start, claim.end))
    return found


def _prose(text: str, options: Mapping[str, str]) -> Iterator[Claim]:
    seen: set[int] = set()
    for kind, pattern in claim_patterns(tuple(options)):
        for match in pattern.finditer(text):
            start, end = match.span("label")
            other = OR_ANOTHER.match(text, end)
            if (
                start in seen
                or is_guarded(text, match.start(), end)
                or (other and ((other[1] or other[2]) in options or not options))
                or IF_CLAUSE.match(text, end)
            ):
                continue
            if pattern.pattern.startswith("(?<!"):
                before = text[max(0, start - 24) : start]
                if NO_OPTION.search(before) and not OPTION_LEAD.search(before):
                    continue
            elif not can_follow(text, end, match["label"], options):
                continue
            seen.add(start)
            concluded = kind == "praise" and CONCLUSION.search(text[max(0, start - 60) : start])
            yield _claim(text, match["label"], options, "answer" if concluded else kind, start, end)


def _claim(text: str, label: str, options: Mapping[str, str], kind: Kind, start: int, end: int) -> Claim:
    known = offered_label(label, options)
    return Claim(
        known or label.upper(),
        known is not None or not options,
        kind,
        start,
        end,
        _around(text, start, end),
    )


def offered_label(text: str, options: Mapping[str, str]) -> str | None:
    """The label that this is, whatever its case; None where it is not offered."""
    bare = text.strip()
    return bare if bare in options else {key.casefold(): key for key in options}.get(bare.casefold())


def can_follow(text: str, end: int, label: str, options: Mapping[str, str]) -> bool:
    """Whether what stands behind a letter lets it be a label: `A because`, `A.`, but not `A man`."""
    known = offered_label(label, options)
    if (
        known
        and options[known]
        and text[end:].lstrip(" ).:-,").casefold().startswith(options[known].casefold())
    ):
        return True
    if label not in ("A", "a", "I") and (known or not options):
        return True
    return AFTER.match(text, end) is not None


def is_guarded(text: str, start: int, end: int) -> bool:
    """Whether the sentence makes it a question, a guess, a condition or a negation."""
    stops = ("\n", ". ", "? ", "! ", "; ", ": ", ", ")
    # a comma parts `although B is close, C is right`, but not `if so, the answer is B`
    parts = stops if CLAUSE.match(text, start) else stops[:-1]
    head = max(text.rfind(stop, 0, start) for stop in parts)
    before = text[head + 1 : end]
    if GUESS.search(before):
        # `not B but C`: the turn takes the negation back
        turn = re.search(
            r"\b(?:not|bukan(?:lah)?)\b.*\b(?:but|tetapi|tapi|melainkan|sebaliknya)\b", before, re.I
        )
        return turn is None
    tail = re.search(r"[.!?\n]", text[end:])
    return tail is not None and tail[0] == "?"


def _around(text: str, start: int, end: int) -> str:
    head = max(text.rfind("\n", 0, start), text.rfind(". ", 0, start), text.rfind("? ", 0, start))
    tail = re.search(r"[.!?](?=\s|$)|\n|$", text[end:])
    return text[head + 1 : end + (tail.end() if tail else 0)].strip()


def _lines(text: str, options: Mapping[str, str]) -> Iterator[Claim]:
    for match in ANSWER_LINE.finditer(text):
        value, start = match["value"].strip(), match.start("value")
        claim = _value_claim(value, options, start, match[0].strip())
        if claim:
            yield claim


def _value_claim(value: str, options: Mapping[str, str], start: int, words: str) -> Claim | None:
    def claim(label: str, offered: bool) -> Claim:
        return Claim(label, offered, "line", start, start + len(value), words)

    if not value or value.endswith("?"):
        return None
    if SEVERAL.fullmatch(value):
        return claim(" and ".join(re.findall(r"[A-Z]", value)), not options)
    head = LABEL_HEAD.match(value)
    if head:
        label = head["label"]
        known = offered_label(label, options)
        letter = len(label) == 1 and label.isalpha()
        end = head.end("label")
        lower = letter and label.islower() and not re.match(r"\s*(?:[).:,;]|$)", value[end:])
        if (known or (letter and not options)) and not lower and can_follow(value, end, label, options):
            return claim(known or label.upper(), True)
        if letter and label.isupper() and AFTER.match(value, end):
            return claim(label, False)
    text = option_of_text(value, options)
    if text:
        return claim(text, True)
    short = len(value.split()) <= SHORT_VALUE_WORDS
    return (
        claim(value.strip(" .\"'"), False) if short and options and any(map(str.isalnum, value)) else None
    )


def _bare(text: str, options: Mapping[str, str]) -> Iterator[Claim]:
    """Lines that begin with a label; several with different labels are a list of the options, and claim nothing, as
    does the first of several that are weighed one by one.
    """
    found: list[Claim] = []
    heads: set[str] = set()
    opening = False
    for match in BARE_LINE.finditer(text):
        label, tail = match["label"], match["tail"]
        known = offered_label(label, options)
        letter = len(label) == 1 and label.isalpha()
        if not (known or (letter and label.isupper())):
            continue
        alone = not any(map(str.isalnum, tail))
        verdict = _VERDICT.match(tail)
        loose = bool(re.match(r"[ \t]+\w", tail)) and not re.match(
            r"[ \t]+(?:because|since|kerana|karena|sebab)\b", tail
        )
        own = bool(known and options[known]) and _starts_with(tail, options[known or ""])
        if (
            loose or (letter and label.islower() and not alone and not re.match(r"[ \t]*[).]", tail))
        ) and not own:
            continue
        # `B (Asimilasi) is the process of ...` tells what an option is
        if own and not alone and not verdict and not _ends_behind(tail, options[known or ""]):
            continue
        if not alone and not own and label.islower() and re.search(r"[ (][a-z]\)", tail):
            continue
        if not own and not alone and _is_initial(tail, known is not None):
            continue
        heads.add(known or label)
        if verdict and verdict["wrong"]:
            continue
        own = own or verdict is not None
        first = not text[: match.start()].strip()
        # away from the first line only the label alone, or with its own text, is a choice
        if not (alone or own or first):
            continue
        opening = opening or alone or (first and own)
        start, end = match.span("label")
        found.append(
            Claim(
                known or label.upper(),
                known is not None or not options,
                "bare",
                start,
                end,
                match[0].strip(),
            )
        )
    weighed = len(heads) > 1 and not opening
    if len({claim.label for claim in found}) <= 1 and not weighed:
        yield from found


def _is_initial(tail: str, known: bool) -> bool:
    """Whether a letter and a stop begin a name, as in `P. Ramlee Tan`; with an offered letter only if it is plain."""
    if INITIAL.match(tail):
        return True
    return (
        not known
        and tail.startswith(".")
        and (len(tail.split()) > LISTED_WORDS or TWO_NAMES.match(tail) is not None)
    )


def _ends_behind(tail: str, text: str) -> bool:
    """Whether nothing stands behind the text of an option, or a sign or a reason."""
    found = re.search(re.escape(text.strip(" .")), tail, re.I)
    rest = tail[found.end() :] if found else ""
    return _ENDS.match(rest) is not None


def _starts_with(tail: str, text: str) -> bool:
    return _folded(tail).startswith(_folded(text)) and bool(_folded(text))


def _folded(text: str) -> str:
    return " ".join(re.findall(r"\w+", text.casefold()))


def _texts(text: str, options: Mapping[str, str]) -> Iterator[Claim]:
    """`The correct answer is Kuala Lumpur`, by the text of an option."""
    for key in options:
        said = options[key].strip(" .")
        found = re.search(rf"(?<!\w){re.escape(said)}(?!\w)", text, re.I) if len(said) > 1 else None
        if (
            found
            and TEXT_TAIL.match(text, found.end())
            and not is_guarded(text, found.start(), found.end())
        ):
            yield Claim(key, True, "answer", *found.span(), _around(text, *found.span()))
    by_length = sorted((k for k in options if len(_folded(options[k])) > 1), key=lambda k: -len(options[k]))
    for match in TEXT_CUE.finditer(text):
        rest = text[match.end() :]
        for key in by_length:
            said = options[key].strip(" .")
            if (
                rest[: len(said)].casefold() == said.casefold()
                and not rest[len(said) : len(said) + 1].isalnum()
            ):
                if not is_guarded(text, match.start(), match.end()):
                    end = match.end() + len(said)
                    yield Claim(key, True, "answer", match.end(), end, _around(text, match.end(), end))
                break


def option_of_text(text: str, options: Mapping[str, str]) -> str | None:
    """The one option whose text this is: equal, else holding it, else held in it."""
    said = _folded(text)
    texts = {key: _folded(value) for key, value in options.items() if _folded(value)}
    for fits in (
        [key for key, value in texts.items() if value == said],
        [key for key, value in texts.items() if said and f" {value} " in f" {said} "],
        [key for key, value in texts.items() if len(said) > 2 and f" {said} " in f" {value} "],
    ):
        if len(fits) == 1:
            return fits[0]
    return None


def without_answer_lines(text: str, options: Mapping[str, str]) -> str:
    """The text without the choices of its answer lines (`Answer: B. Kuala Lumpur`); reasons behind them stay."""
    out: list[str] = []
    last = 0
    for match in ANSWER_LINE.finditer(text):
        value = match["value"]
        claim = _value_claim(value.strip(), options, 0, "")
        if claim is None:
            continue
        head = LABEL_HEAD.match(value)
        rest = head["tail"] if head and claim.label.casefold() == head["label"].casefold() else ""
        said = options.get(claim.label, "").casefold()
        if said and rest.strip(" .):-–—").casefold().startswith(said):
            rest = rest.strip(" .):-–—")[len(said) :]
        out += [text[last : match.start()], "\n", rest]
        last = match.end()
    return "".join([*out, text[last:]])
