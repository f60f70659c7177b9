"""Which language a piece of prose is in: codes and scripts by table, languages by py3langid.

Measured on a quiet core with py3langid 0.4.0: 0.56 s to load its model once (0.41 s of it decompression of one file,
which is read whole, so that fewer languages load no faster), then 0.03 ms a sentence. Texts in a script that the
expected language does not use never need the model.
"""

from __future__ import annotations

import re
import unicodedata
from functools import cache, lru_cache

from py3langid.langid import MODEL_FILE, LanguageIdentifier

LANGUAGES = {
    "af": "Afrikaans", "am": "Amharic", "ar": "Arabic", "as": "Assamese", "az": "Azerbaijani", "ba": "Bashkir",
    "be": "Belarusian", "bg": "Bulgarian", "bn": "Bengali", "br": "Breton", "bs": "Bosnian", "ca": "Catalan",
    "cs": "Czech", "cy": "Welsh", "da": "Danish", "de": "German", "el": "Greek", "en": "English",
    "eo": "Esperanto", "es": "Spanish", "et": "Estonian", "eu": "Basque", "fa": "Persian", "fi": "Finnish",
    "fr": "French", "fy": "Frisian", "ga": "Irish", "gd": "Scottish Gaelic", "gl": "Galician", "gu": "Gujarati",
    "ha": "Hausa", "he": "Hebrew", "hi": "Hindi", "hr": "Croatian", "ht": "Haitian Creole", "hu": "Hungarian",
    "hy": "Armenian", "id": "Indonesian", "ig": "Igbo", "is": "Icelandic", "it": "Italian", "ja": "Japanese",
    "jv": "Javanese", "ka": "Georgian", "kk": "Kazakh", "km": "Khmer", "kn": "Kannada", "ko": "Korean",
    "ku": "Kurdish", "ky": "Kyrgyz", "la": "Latin", "lg": "Ganda", "ln": "Lingala", "lo": "Lao",
    "lt": "Lithuanian", "lv": "Latvian", "mg": "Malagasy", "mk": "Macedonian", "ml": "Malayalam",
    "mn": "Mongolian", "mr": "Marathi", "ms": "Malay", "mt": "Maltese", "my": "Burmese", "ne": "Nepali",
    "nl": "Dutch", "no": "Norwegian", "oc": "Occitan", "or": "Odia", "pa": "Punjabi", "pl": "Polish",
    "ps": "Pashto", "pt": "Portuguese", "qu": "Quechua", "ro": "Romanian", "ru": "Russian", "rw": "Kinyarwanda",
    "si": "Sinhala", "sk": "Slovak", "sl": "Slovenian", "sn": "Shona", "so": "Somali", "sq": "Albanian",
    "sr": "Serbian", "sv": "Swedish", "sw": "Swahili", "ta": "Tamil", "te": "Telugu", "tg": "Tajik", "th": "Thai",
    "tk": "Turkmen", "tl": "Tagalog", "tr": "Turkish", "tt": "Tatar", "ug": "Uyghur", "uk": "Ukrainian",
    "ur": "Urdu", "uz": "Uzbek", "vi": "Vietnamese", "xh": "Xhosa", "yo": "Yoruba", "zh": "Chinese", "zu": "Zulu",
}  # fmt: skip
"""ISO 639-1 codes that an answer can be expected in, all known to py3langid."""

MALAYIC = frozenset({"ms", "id"})
GROUPS = (
    MALAYIC,
    frozenset({"bs", "hr", "sr"}),
    frozenset({"no", "da"}),
    frozenset({"cs", "sk"}),
    frozenset({"af", "nl"}),
)
"""Languages that are not told apart for a hard verdict."""
CORE = ("en", "ms", "id")
FUNCTION_WORDS = {
    "en": frozenset({
        "and", "a", "an", "since", "for", "with", "from", "by", "at", "through", "after", "how", "into", "than", "then",
        "the", "of", "is", "are", "was", "were", "that", "this", "these", "those", "because", "which",
        "he", "she", "they", "his", "her", "its", "it", "has", "have", "had", "will", "would", "be",
        "been", "not", "who", "when", "there", "their", "you", "we", "my", "your", "our", "does", "did",
        "should", "can", "could",
    }),
    "ms": frozenset({
        "secara", "yang", "dan", "di", "ke", "dari", "daripada", "pada", "kepada", "untuk", "dengan", "oleh",
        "dalam", "ialah", "adalah", "itu", "ini", "tersebut", "tidak", "bukan", "akan", "telah", "sudah",
        "dia", "mereka", "kita", "kami", "saya", "anda", "beliau", "kerana", "karena", "bahawa", "bahwa",
        "jika", "apabila", "ketika", "supaya", "agar", "tetapi", "atau", "juga", "lebih", "sangat",
        "seperti", "sebagai", "antara", "selepas", "setelah", "sebelum", "para", "ada", "hal",
    }),
}  # fmt: skip
"""Words that hold a sentence together, which are not borrowed as those for things are; Indonesian shares the Malay."""
WIDE = (
    "es",
    "fr",
    "de",
    "pt",
    "it",
    "nl",
    "vi",
    "tl",
    "tr",
    "pl",
    "sw",
    "ro",
    "hu",
    "fi",
    "sv",
    "cs",
    "jv",
)
"""Languages of the Latin script that an answer may fall into, besides the expected one."""

_LATIN = frozenset({"LATIN"})
_BY_SCRIPT = {
    "ARABIC": "ar fa ur ps ug ku", "HEBREW": "he", "CYRILLIC": "ru uk be bg mk mn ky kk sr tg tt ba uz az",
    "DEVANAGARI": "hi mr ne", "CJK": "zh ja ko", "HIRAGANA": "ja", "KATAKANA": "ja", "HANGUL": "ko",
    "TAMIL": "ta", "TELUGU": "te", "KANNADA": "kn", "MALAYALAM": "ml", "GUJARATI": "gu", "GURMUKHI": "pa",
    "BENGALI": "bn as", "ORIYA": "or", "SINHALA": "si", "THAI": "th", "LAO": "lo", "KHMER": "km",
    "MYANMAR": "my", "GEORGIAN": "ka", "ARMENIAN": "hy", "GREEK": "el", "ETHIOPIC": "am",
}  # fmt: skip
_ALSO_LATIN = frozenset(["ku", "sr", "uz", "az", "kk", "tk"])
SCRIPTS: dict[str, frozenset[str]] = {
    code: frozenset(script for script, codes in _BY_SCRIPT.items() if code in codes.split())
    | (_LATIN if code in _ALSO_LATIN else frozenset())
    or _LATIN
    for code in LANGUAGES
}
"""Code -> scripts that it is written in, by the first word of the Unicode names of their letters."""
_FIRST_CODE = {script: codes.split()[0] for script, codes in _BY_SCRIPT.items()}
DENSE = frozenset({"CJK", "HIRAGANA", "KATAKANA", "HANGUL"})
DENSE_WEIGHT = 3
"""A sign of these says about as much as three letters of an alphabet."""
_TAG = re.compile(r"([A-Za-z]{2})(?:[-_][A-Za-z]{2,4})?")
_CODES = {name.lower(): code for code, name in LANGUAGES.items()} | {"bahasa melayu": "ms", "bahasa malaysia": "ms",
    "malaysian": "ms", "bahasa inggeris": "en", "bahasa inggris": "en", "bahasa indonesia": "id",
    "bahasa cina": "zh", "bahasa tamil": "ta", "bahasa arab": "ar", "mandarin": "zh", "farsi": "fa",
    "melayu": "ms", "inggeris": "en", "inggris": "en", "filipino": "tl"}  # fmt: skip


def language_code(text: str) -> str | None:
    """The ISO 639-1 code of `ms`, `EN`, `en-US` or `Malay`; None where it names no language known here."""
    word = text.strip()
    tag = _TAG.fullmatch(word)
    if tag and tag[1].lower() in LANGUAGES:
        return tag[1].lower()
    return _CODES.get(word.lower())


def language_name(code: str) -> str:
    """`Malay or Indonesian` for either: they are one group here."""
    return "Malay or Indonesian" if code in MALAYIC else LANGUAGES.get(code, code)


def group_of(code: str) -> frozenset[str]:
    """The languages that count as this one."""
    return next((group for group in GROUPS if code in group), frozenset({code}))


def language_of_script(script: str) -> str:
    """The most spoken language written in it; empty where it is in no table."""
    return _FIRST_CODE.get(script, "")


@lru_cache(maxsize=8192)
def _script(letter: str) -> str:
    return unicodedata.name(letter, "").split(" ")[0].split("-")[0]


def script_letters(text: str) -> dict[str, int]:
    """Script -> weight of its letters in the text."""
    if text.isascii():
        return {"LATIN": sum(map(str.isalpha, text))}
    out: dict[str, int] = {}
    for sign in text:
        if sign.isalpha():
            script = "LATIN" if sign.isascii() else _script(sign)
            out[script] = out.get(script, 0) + (DENSE_WEIGHT if script in DENSE else 1)
    return out


@cache
def _whole() -> LanguageIdentifier:
    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)


@cache
def _identifier(codes: frozenset[str]) -> LanguageIdentifier:
    whole = _whole()
    columns = [i for i, code in enumerate(whole.nb_classes) if code in codes]
    # the automaton is shared, only the columns of the table are cut out
    return LanguageIdentifier(
        whole.nb_ptc[:, columns],
        whole.nb_pc[columns],
        [whole.nb_classes[i] for i in columns],
        whole.tk_nextmove,
        whole.tk_output,
        norm_probs=True,
        tk_row=whole.tk_row,
    )


def likely_languages(text: str, codes: frozenset[str]) -> dict[str, float]:
    """Code -> probability, most likely first, as if the text were in one of `codes`; the model loads on first use."""
    return dict(_identifier(codes).rank(text))
