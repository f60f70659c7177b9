"""Answers that are no language at all: broken encodings, control characters, scripts thrown together, random letters.

Words in a random order, and words that merely do not exist, are beyond it: names and loan words look like that too.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from itertools import pairwise

from servemark.domain.exchange import Exchange
from servemark.quality.rulings import NOT_APPLICABLE, PASSED, Ruling, defect, passed
from servemark.quality.texts import prompt, question, shown

WINDOW_WORDS = 10
WINDOW_RANDOM = 5
FEW_RANDOM = 3
"""Of 10 words in a row 5 cannot be read, or of fewer half, at least 3. Of random words of 6 letters 0.81 cannot, of the
30,000 commonest words of English, Malay and Indonesian 0.009-0.011 (own count, 2026-11-20): by chance 3e-8 a window."""
RANDOM_PAIRS, RANDOM_KINDS, RANDOM_RATE = 40, 32, 0.48
"""Random signs change their kind (letter, capital, digit, sign) at 0.57-0.72 of their neighbours, code at 0.25-0.45;
formulas and moves of chess, which do so too, are made of few different signs (own count, 2026-11-20)."""
_ACCENTED = re.compile("[\u00a1-\u024f]")
_CONTROL = re.compile(r"[\x00-\x07\x0b\x0e-\x1f\x7f\x80-\x84\x86-\x9f\ufdd0-\ufdef\ufffe\uffff]")
_LATEX_CONTROL = re.compile(r"[\x08\x0c]")
_PRIVATE = re.compile(r"[\ue000-\uf8ff]")
_MOJIBAKE = re.compile(
    "Ã[\u0080-\u00bf\u0192\u201a\u2020\u2021]|Â[\u00a0-\u00bf]|â\u20ac[\u0080-\u00bf\u2018-\u2122]|â\u0080[\u0080-\u00bf]"
    "|ï»¿|ðŸ[\u0080-\u024f\u2018-\u2122]|ã\u20ac\u201a|ï¿½"
)
_CODE = re.compile(r"```.*?(?:```|$)|`[^`\n]+`|\$[^$\n]+\$|https?://\S+|\\\w+", re.DOTALL)
_WORD = re.compile(r"(?<![\w@#./\\-])[A-Za-z]{4,}(?![\w@\\])")
_MIXED = re.compile(r"(?<!\S)(?=\S*[A-Za-z])(?=\S*\d)\S{4,}")
_FOREIGN = re.compile(
    r"\b(?:translat\w*|terjemah\w*|languages?|bahasa-bahasa|alphabets?|chinese|mandarin"
    r"|cina|tionghoa|japanese|jepun|jepang|korean?|russian?|rusia"
    r"|arabic"
    r"|(?:bahasa|tulisan|huruf|perkataan) arab|jawi|tamil|hindi|thai|greek|yunani|hebrew|unicode"
    r"|emoji|pinyin|kanji|cyrillic)\b",
    re.IGNORECASE,
)
"""A prompt that speaks of these may well get their letters."""
SIGN_KINDS = 10
_SIGN_RUN = re.compile(r"(?:[^\w\s]|_){25,}")
PIECE_WINDOW, ODD_PIECES, ODD_CODES = 20, 8, 10
"""Of 20 words in a row 8 pieces of 4 kinds, or 10 different ones of small letters and digits."""
LONG_TOKEN, LETTER_DIGIT = 60, 0.12
_LETTER_DIGIT = ({"letter", "digit"}, {"capital", "digit"})
_PIECE = re.compile(
    r"##\w+|[\u0120\u2581]\S*|\\+\w{1,3}|(?!(?:\.\.+|--+|==+|!=|<=|>=|[-=]>|&&|\|\||\*\*+|//|::|:=|##+|~~~+|__+|\+\+|!+|\?+"
    r"|[!?]+|<-|<->|[-+*/]=)$)(?=[ -~]+$)[^\w\s]{2,}_?|[^\w\s]*_[^\w\s]+"
)
"""A piece of a word as a tokenizer marks it, an escape, or signs that are no common operator."""
_ASKS_FOR_CODES = re.compile(
    r"\b(?:base ?64|encod\w*|decod\w*|hash\w*|sha-?\d*|md5|tokens?|keys?|uuids?|guid|passwords?|encrypt\w*|cipher|jwt"
    r"|hex\w*|checksum|signature|certificate|ssh|random|rawak|acak|codes?|kod|kode|serial|commit"
    r"|kata (?:laluan|sandi))\b",
    re.I,
)
_INSIDE = re.compile(r"[A-Za-z]\d+[A-Za-z]|\d[A-Za-z]+\d")
_LATEX = re.compile(
    r"\\(?:frac|sqrt|cdot|times|text|left|begin|sum|int|alpha|beta|pi|le|ge|pm|boxed|[(\[])"
)
_DIGRAPHS = re.compile(r"ng|ny|sy|kh|gh|th|sch|sh|tch|ch|ck|ph|wh|str|sz|cz|dz|ts|qu")
_RUN = re.compile(r"[bcdfghjklmnpqrstvwxz]{4,}")
_PAIRS_APART = (
    "bc bf bp bq bw bx bz cb cf cg cj cm cn cp cv cw cx cz dx fb fc fd fh fj fm fn fp fq fv fw fx fz gc "
    "gq gv gw gx gz hg hv hx hz jb jc jd jf jg jh jj jk jm jn jp jq js jt jv jw jx jy jz kq kv kx kz lq "
    "lx lz mg mh mj mq mv mw mx mz oq pj pq pv pw px pz qb qc qd qe qf qg qh qj qk ql qm qn qo qp qq qr "
    "qs qt qv qw qx qy qz rq rx sv sx sz tj tq tv tx uq uu vb vc vd vf vg vh vj vk vl vm vn vp vq vr vs "
    "vt vv vw vx vz wc wg wj wm wp wq wv ww wx wz xb xd xg xj xk xl xm xn xo xq xr xs xv xw xx xz yh yj "
    "yk yq yv yx yy yz zb zc zd zf zg zj zk zm zn zp zq zs zt zv zw zx"
)
_APART = re.compile("|".join(_PAIRS_APART.split()))
"""Pairs of letters in at most 10 of the 30,000 commonest words of English, Malay and Indonesian, and in none of the
6,000 commonest (lists of wordfreq 3, names included; own count, 2026-11-20)."""


def gibberish(exchange: Exchange) -> Ruling:
    """No language at all."""
    text = shown(exchange)
    if not text.strip():
        return NOT_APPLICABLE
    theirs = prompt(exchange)
    tongues = _FOREIGN.search(f"{exchange.system}\n{question(exchange)}") is not None
    notes = (
        ("holds a form feed or backspace, as a badly escaped formula does",)
        if _LATEX_CONTROL.search(text)
        else ()
    )
    for found in (
        _broken_encoding(text, theirs),
        _mixed_scripts(text, theirs, tongues),
        _random_letters(text, theirs),
        _random_signs(text, theirs),
        _fragments(text, theirs),
    ):
        if found is not None:
            excerpt, detail = found
            return defect("gibberish", "major", excerpt=excerpt, detail=detail, notes=notes)
    return passed(*notes) if notes else PASSED


def _broken_encoding(text: str, theirs: str) -> tuple[str, str] | None:
    if (found := _CONTROL.search(text)) and found[0] not in theirs:
        return _near(text, found), f"control character U+{ord(found[0]):04X}"
    if (found := _MOJIBAKE.search(text)) and found[0] not in theirs:
        return _near(text, found), "UTF-8 read as another encoding"
    bare = text.rstrip()
    # at the very end it is a sign cut in its middle, which the ending tells
    count = bare.rstrip("\ufffd").count("\ufffd")
    if count and "\ufffd" not in theirs and not re.search(r"U\+FFFD|replacement character", text):
        return _near(text, re.search("\ufffd", text)), f"{count} signs that could not be decoded (U+FFFD)"
    ink = [c for c in text if not c.isspace()]
    if len(odd := _ACCENTED.findall(text)) >= 20 and len(odd) > 0.5 * len(ink):
        return text, f"{len(odd)} of {len(ink)} characters are accented letters and signs"
    if len(found := _PRIVATE.findall(text)) >= 3 and found[0] not in theirs:
        return text, f"{len(found)} characters of no meaning (private use)"
    return None


def _near(text: str, found: re.Match[str] | None) -> str:
    start, end = found.span() if found else (0, 0)
    return text[max(start - 60, 0) : end + 60]


def _mixed_scripts(text: str, theirs: str, asked_for: bool) -> tuple[str, str] | None:
    """Letters of two scripts in one word, or of several scripts that the prompt has none of."""
    if text.isascii():
        return None
    known = scripts(theirs) | {"LATIN"}
    inside = [
        word
        for word in re.findall(r"[^\W\d_]{2,}", text)
        if len(scripts(word) & {"LATIN", "CYRILLIC", "GREEK"}) > 1
    ]
    strange = [
        word for word in inside if not ("GREEK" in scripts(word) and len(word) < 4) and word not in theirs
    ]
    if len(strange) >= 2 and not asked_for and "LATIN" in scripts(text):
        return " ".join(strange), f"{len(strange)} words with letters of two scripts"
    foreign = {
        name: [c for c in text if c.isalpha() and _script(c) == name] for name in scripts(text) - known
    }
    # the three scripts of Japanese are one, as are the two of Korean
    groups = {
        _GROUPS.get(name, name) for name, found in foreign.items() if len(found) >= 2 and name != "GREEK"
    }
    total = sum(len(each) for each in foreign.values())
    mixed = [word for word in re.findall(r"[^\W\d_]{2,}", text) if _is_thrown(word)]
    if len(mixed) >= 3:
        return " ".join(mixed), f"{len(mixed)} words with letters of several scripts"
    if asked_for:
        return (text, f"{len(groups)} scripts thrown together") if len(groups) >= 4 else None
    if len(groups) >= 3 or (len(groups) == 2 and total >= 6 and total < 0.7 * sum(map(str.isalpha, text))):
        return text, f"scripts thrown together: {', '.join(sorted(groups)).lower()}"
    return None


def _is_thrown(word: str) -> bool:
    """Letters of three scripts, or of two that no language writes together."""
    found = {_GROUPS.get(name, name) for name in scripts(word)}
    return len(found) > 2 or (len(found) == 2 and "LATIN" not in found)


_GROUPS = {"HIRAGANA": "CJK", "KATAKANA": "CJK", "HANGUL": "CJK", "BOPOMOFO": "CJK"}


def scripts(text: str) -> set[str]:
    """Scripts of its letters by the first word of their Unicode names: LATIN, CYRILLIC, CJK, ARABIC ..."""
    if text.isascii():
        return {"LATIN"} if any(map(str.isalpha, text)) else set()
    return {_script(c) for c in set(text) if c.isalpha()} - {""}


@lru_cache(maxsize=4096)
def _script(letter: str) -> str:
    name = unicodedata.name(letter, "").split(" ")[0]
    # modifiers, letter-like and mathematical signs belong to none
    return (
        ""
        if name
        in (
            "MODIFIER",
            "MATHEMATICAL",
            "DOUBLE-STRUCK",
            "SCRIPT",
            "MICRO",
            "MASCULINE",
            "FEMININE",
            "FULLWIDTH",
        )
        else name
    )


def _random_letters(text: str, theirs: str) -> tuple[str, str] | None:
    plain = _CODE.sub(" ", text)
    # names may be of any language, and short words in capitals are abbreviations
    found = [
        each
        for each in _WORD.finditer(plain)
        if not each[0].istitle() and (len(each[0]) > 6 or not each[0].isupper())
    ]
    random = [not is_readable(each[0]) for each in found]
    if sum(random) < FEW_RANDOM:
        return None
    # what the prompt holds may be said
    known = {each.casefold() for each in re.findall(r"\w+", theirs)}
    names = [each[0].casefold() for each in found]
    # nor does one odd word say more the second time
    random = [
        bad and name not in known and name not in names[:i]
        for i, (bad, name) in enumerate(zip(random, names, strict=True))
    ]
    for i in range(max(len(random) - WINDOW_WORDS + 1, 1)):
        window = random[i : i + WINDOW_WORDS]
        few = len(window) < WINDOW_WORDS and sum(window) >= max(FEW_RANDOM, len(window) / 2)
        if few or sum(window) >= WINDOW_RANDOM:
            excerpt = plain[found[i].start() : found[i + len(window) - 1].end()]
            return excerpt, f"{sum(window)} of {len(window)} words in a row cannot be read"
    return None


def is_readable(word: str) -> bool:
    """Whether a word could be English, Malay or Indonesian: a vowel, no endless consonants, no impossible pair."""
    low = word.casefold()
    if not re.search(r"[aeiouy]", low) or _APART.search(low):
        return False
    return not _RUN.search(_DIGRAPHS.sub("s", low))


def _random_signs(text: str, theirs: str) -> tuple[str, str] | None:
    plain = re.sub(r"```.*?(?:```|$)|https?://\S+", " ", text, flags=re.DOTALL).strip()
    if len(plain) < 40 or _LATEX.search(plain) or plain[0] + plain[-1] in ("{}", "[]", "||", "<>"):
        return None
    known = set(theirs.split())
    mixed = [
        each
        for each in _MIXED.findall(plain)
        if each not in known and (_switches(each) >= 3 or _INSIDE.search(each))
    ]
    tokens = plain.split()
    if len(mixed) >= 6 and len(mixed) > 0.35 * len(tokens):
        return " ".join(mixed), f"{len(mixed)} of {len(tokens)} words are letters and digits at random"
    rest = [each for each in tokens if each not in known]
    pairs = [pair for token in rest for pair in pairwise(map(_kind, token))]
    kinds = len(set("".join(rest)))
    if len(pairs) >= RANDOM_PAIRS and kinds >= RANDOM_KINDS:
        rate = sum(a != b for a, b in pairs) / len(pairs)
        if rate > RANDOM_RATE:
            return " ".join(
                rest
            ), f"{rate:.0%} of its neighbours are of two kinds (letters, capitals, digits, signs)"
    return None


def _fragments(text: str, theirs: str) -> tuple[str, str] | None:
    """Runs of signs, and a stretch of pieces of words and code, outside of code blocks."""
    plain = re.sub(
        r"```.*?(?:```|$)|`[^`\n]+`|https?://\S+|^\s*\|.*$", " ", text, flags=re.DOTALL | re.MULTILINE
    )
    for run in _SIGN_RUN.findall(re.sub(r"```.*?(?:```|$)|(?m:^\s*\|.*$)", " ", text, flags=re.DOTALL)):
        if len(set(run)) >= SIGN_KINDS and run not in theirs and list(run) != sorted(run):
            return run, f"{len(run)} signs in a row of {len(set(run))} kinds"
    tokens = plain.split()
    known = set(theirs.split())
    odd = [_PIECE.fullmatch(each) is not None and each not in known for each in tokens]
    coded = [_is_coded(each) and each not in known for each in tokens]
    asks = _ASKS_FOR_CODES.search(theirs) is not None
    for bad, need, kinds in ((odd, ODD_PIECES, 4), ([] if asks else coded, ODD_CODES, ODD_CODES)):
        for i in range(max(len(bad) - PIECE_WINDOW + 1, 0)):
            found = {tokens[j] for j in range(i, i + PIECE_WINDOW) if bad[j]}
            if sum(bad[i : i + PIECE_WINDOW]) >= need and len(found) >= kinds:
                part = " ".join(tokens[i : i + PIECE_WINDOW])
                return part, f"{sum(bad[i : i + PIECE_WINDOW])} of {PIECE_WINDOW} words in a row are none"
    for token in tokens:
        if len(token) >= LONG_TOKEN and token not in known and not asks and token.isascii():
            pairs = [*pairwise(map(_kind, token))]
            mixed = sum({a, b} in _LETTER_DIGIT for a, b in pairs)
            if sum(a != b for a, b in pairs) > RANDOM_RATE * len(pairs) and mixed > LETTER_DIGIT * len(
                pairs
            ):
                return token, f"{len(token)} letters, digits and signs at random in a row"
    return None


def _is_coded(token: str) -> bool:
    """Small letters and digits through each other, as in no formula and no move of chess."""
    bare = token.strip(".,;:!?()\"'")
    return (
        bare.islower()
        and bare.isalnum()
        and len(bare) >= 3
        and re.search(r"\d[a-z]|[a-z]\d+[a-z]", bare) is not None
        and re.fullmatch(r"[a-h][1-8][a-h][1-8][qrbn]?|\d+[a-z]{1,3}|0x[0-9a-f]+", bare) is None
    )


def _switches(token: str) -> int:
    """Changes between small letters, capitals, digits and signs."""
    return sum(a != b for a, b in pairwise(map(_kind, token.strip(".,;:!?()\"'"))))


def _kind(sign: str) -> str:
    return (
        "digit"
        if sign.isdigit()
        else "capital"
        if sign.isupper()
        else "letter"
        if sign.isalpha()
        else "sign"
    )
