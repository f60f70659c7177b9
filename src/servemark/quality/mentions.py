"""Which options does a text name, where no wording claims one?"""

from __future__ import annotations

import re
from collections.abc import Mapping

from servemark.quality.claims import Claim, can_follow, is_guarded, plain
from servemark.quality.wordings import CHOICE_CUE, NO_CHOICE, NO_OPTION, OPTION_LEAD

SHORT_CHOICE = 8
"""Words of a sentence that names its choice and hardly more."""


def named_labels(text: str, options: Mapping[str, str]) -> set[str]:
    """The offered labels that a text names, as words of their own; `A` and `I` before a small word are none."""
    bare = plain(text)
    for said in sorted(filter(None, options.values()), key=len, reverse=True):
        bare = re.sub(rf"(?<!\w){re.escape(said.strip(' .'))}(?!\w)", " ", bare, flags=re.I)
    found: set[str] = set()
    for label in options:
        sign = label.upper() if len(label) == 1 else label
        # within a sentence the article is a small letter
        article = r"(?:(?<=[a-z,;:] A)|(?! [a-z]))" if sign in ("A", "I") else ""
        if re.search(rf"(?<![\w'’/-]){re.escape(sign)}(?![\w'’/-]){article}", bare):
            found.add(label)
    return found


def short_choice(text: str, options: Mapping[str, str]) -> Claim | None:
    """The one label of a text of a few words, or of its short sentences that speak of an answer: `Surely D.`, `So B is
    my answer.` None where they name several, or deny something.
    """
    bare = plain(text)
    found: dict[str, Claim] = {}
    for match in re.finditer(r"[^.!?\n]+[.!?]?", bare):
        sentence = match[0].strip()
        count = len(sentence.split())
        whole = sentence == bare.strip()
        if count > SHORT_CHOICE or NO_CHOICE.search(sentence) or not (whole or CHOICE_CUE.search(sentence)):
            continue
        labels = named_labels(sentence, options)
        if len(labels) == 1 and _stands_free(bare, match, label := labels.pop(), options):
            found[label] = Claim(label, True, "text", match.start(), match.end(), sentence)
    return next(iter(found.values())) if len(found) == 1 else None


def _stands_free(text: str, sentence: re.Match[str], label: str, options: Mapping[str, str]) -> bool:
    """Whether the label of a sentence is neither guessed nor part of a name (`Plan B`), and the article no label."""
    sign = label.upper() if len(label) == 1 else label
    place = re.compile(rf"(?<![\w'’/-]){re.escape(sign)}(?![\w'’/-])").search(
        text, sentence.start(), sentence.end()
    )
    if place is None or is_guarded(text, *place.span()):
        return False
    before = text[max(0, place.start() - 24) : place.start()]
    if NO_OPTION.search(before) and not OPTION_LEAD.search(before):
        return False
    return can_follow(text, place.end(), sign, options)
