"""Needles: a code at some depth of a long text, asked for at its end.

An engine that drops the front of a prompt, its middle or its end loses the needles of that depth, and no others.
"""

from __future__ import annotations

import random

from servemark.domain.exchange import Item, Message
from servemark.quality.code_words import code_words
from servemark.quality.haystacks import haystack

DEPTHS = (0, 25, 50, 75, 100)
"""Per cent of the sentences before the needle."""
WORD_LENGTHS = (150, 300, 600, 1200)
"""Words of the text; 1,200 are about 1,600 tokens in English and 2,500 in Malay with most tokenizers."""
COPIES = 3
"""Items of each language, depth and length: 120 in all."""
SYSTEM = {
    "en": "You answer questions about a text. Reply in English with one short sentence that repeats the code exactly.",
    "ms": "Anda menjawab soalan tentang sebuah teks. Jawab dalam bahasa Melayu dengan satu ayat pendek yang mengulang"
    " kod itu dengan tepat.",
}
SUBJECTS = {
    "en": (
        "the seed store", "the water tower", "the archive room", "the night ferry", "the cold room", "the north gate",
        "the tool shed", "the radio mast", "the boat house", "the grain lift", "the bell tower", "the map cabinet",
    ),
    "ms": (
        "stor benih", "menara air", "bilik arkib", "feri malam", "bilik sejuk", "pintu utara",
        "bangsal alat", "menara radio", "rumah perahu", "gudang bijirin", "menara loceng", "kabinet peta",
    ),
}  # fmt: skip
NEEDLE = {"en": "The access code of {subject} is {code}.", "ms": "Kod akses bagi {subject} ialah {code}."}
QUESTION = {
    "en": "According to the text, what is the access code of {subject}?",
    "ms": "Menurut teks itu, apakah kod akses bagi {subject}?",
}


def needle_items(seed: int = 0) -> list[Item]:
    """120 items; neighbours differ in language, depth and length, so that any front part is mixed."""
    rng = random.Random(f"needles/{seed}")
    places = [
        (language, depth, words, copy)
        for language in SYSTEM
        for depth in DEPTHS
        for words in WORD_LENGTHS
        for copy in range(COPIES)
    ]
    codes = code_words(len(places), rng)
    items = [_item(*place, code, rng) for place, code in zip(places, codes, strict=True)]
    rng.shuffle(items)
    return items


def _item(language: str, depth: int, words: int, copy: int, code: str, rng: random.Random) -> Item:
    subject = rng.choice(SUBJECTS[language])
    needle = NEEDLE[language].format(subject=subject, code=code)
    hay = haystack(language, words, rng)
    hay.insert(round(len(hay) * depth / 100), needle)
    # paragraphs of six sentences, as prose is laid out
    text = "\n\n".join(" ".join(hay[i : i + 6]) for i in range(0, len(hay), 6))
    asked = f"{text}\n\n{QUESTION[language].format(subject=subject)}"
    return Item(
        id=f"needle-{language}-{words}w-{depth}-{copy + 1}",
        messages=(Message(role="system", content=SYSTEM[language]), Message(role="user", content=asked)),
        context=text,
        expected_language=language,
        recalls=(code,),
        answer=needle,
        tags=("needle", language, f"depth-{depth}", f"words-{words}"),
        max_tokens=64,
    )
