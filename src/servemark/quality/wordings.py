"""The wordings of claims: `answer`, `jawapan yang betul`, what links them to a label, and what takes a claim back."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Literal

Kind = Literal["line", "bare", "answer", "praise", "text"]
"""line: `Answer: B`; bare: the label alone, or before its text; answer: prose calls it the answer; praise: prose calls
it correct, which in a question for the wrong statement does not make it the answer; text: only the option's text."""
NOUN = r"(?:answer|ans|choice|option|solution|jawapan|jawaban|pilihan|opsyen|opsi)"
FULL_NOUN = (
    rf"(?:(?:final|correct|right|best|true|most suitable|most accurate|only possible|my"
    rf"|your)\s+)*{NOUN}(?:nya)?"
    r"(?:\s+(?:yang\s+)?(?:paling\s+)?(?:betul|tepat|benar|sesuai|terbaik|akhir|akhirnya|saya|sebenar"
    r"|kami|anda|itu|(?:saya\s+)?pilih|dipilih))*"
    r"(?:\s+(?:to|for|of|bagi|untuk|kepada|here|soalan|pertanyaan|the|this|question|item|ini|itu|number"
    r"|nombor|nomor|no\.?"
    r"|\d{1,3}))*"
)
PRAISED_NOUN = (
    rf"(?:(?:correct|right|best)\s+{NOUN}|{NOUN}(?:nya)?\s+(?:yang\s+)?(?:paling\s+)?(?:betul|tepat"
    rf"|benar|sesuai))"
)
LINK = (
    r"(?:\s*(?:is|was|(?:would|must|should|will|can|has\s+to)\s+(?:\w+\s+)?be|ialah|adalah"
    r"|adalah\s+ialah|iaitu|yaitu"
    r"|yakni|tentulah|pastilah|mestilah|sepatutnya|seharusnya|therefore|thus|clearly|indeed|definitely|jelas)\b"
    r"|\s*(?:=|:|：|→|->|=>))+"
)
OPTION_WORD = (
    r"(?:(?:the\s+)?(?:option|choice|letter|answer|statement|pilihan|opsyen|opsi|huruf|jawapan|jawaban"
    r"|pernyataan)\s+)?"
)
OPENING = r"[\s\"'“‘(\[:]*"
RIGHT_EN = r"(?:correct|right|accurate)"
BEST_EN = (
    r"(?:(?:fits|works|matches|suits)\s+(?:it\s+)?best"
    r"|best\s+(?:describes|fits|matches|explains|answers|reflects|summari[sz]es))"
)
RIGHT_MS = r"(?:(?:(?:paling|lebih)\s+)?(?:betul|tepat|benar)|(?:paling|lebih)\s+sesuai)"
RIGHT_ONE = r"(?:yang\s+(?:paling\s+)?(?:betul|tepat|benar|sesuai)|(?:the\s+)?(?:correct|right|best)\s+one)"
RIGHT_NOUN_EN = (
    rf"(?:(?:the|a|an)\s+)?(?:(?:only|clearly|best|better|correct|right|most\s+\w+|final|clear|obvious)\s+)*{NOUN}"
    r"|the\s+(?:correct|right|best)\s+one|the\s+only\s+(?:one|statement)"
    r"|the\s+most\s+(?:accurate|appropriate|suitable|likely|plausible|fitting)(?:\s+one)?"
)
RIGHT_NOUN_MS = (
    rf"{NOUN}(?:nya)?(?:\s+(?:yang\s+)?(?:(?:paling|lebih)\s+)?(?:betul|tepat|benar|sesuai|terbaik))?"
    r"|yang\s+(?:paling\s+)?(?:betul|tepat|benar|sesuai)"
)
FOLLOWERS = [
    "because", "since", "as", "which", "that", "and", "for", "due", "based", "given", "not", "so", "but",
    "while", "whereas", "according", "if", "with", "is", "was", "since", "in", "kerana", "karena",
    "sebab", "yang", "dan", "berdasarkan", "bukan", "iaitu", "yaitu", "manakala", "sedangkan", "sebagai",
    "dengan", "ini", "adalah", "ialah", "menurut", "mengikut", "memandangkan", "disebabkan", "jadi",
    "maka", "tetapi", "dalam", "pada",
]  # fmt: skip
AFTER = re.compile(r"\s*(?:$|[\n.,;:!)\]\"'”’–—]|-\s|\(|\s(?:" + "|".join(FOLLOWERS) + r")\b)", re.I)
OR_ANOTHER = re.compile(
    r"\s*\)?\s*(?:(?:or|atau|nor|/|and|dan)\s*(?:option\s+|pilihan\s+)?\(?([A-Z]|\d{1,2})\)?(?!\w)"
    r"|,\s*\(?([A-Z]|\d{1,2})\)?(?=\s*(?:[.,;!\n]|$|or\b|and\b|atau\b|dan\b)))"
)
GUESS = re.compile(
    r"\b(?:if|unless|whether|suppose|assum\w+|imagine|(?<!\bi )(?:think|believe)|thinks|thought|believes"
    r"|believed|claim\w*|tempt\w*|mistak\w*|often|"
    r"might|may|could|some|at first|initially|seem\w*|appear\w*|look\w*|not|never|cannot|can't|isn't"
    r"|wouldn't|neither|"
    r"jika|kalau|sekiranya|andai\w*|sama ada|apakah|adakah|mungkin|barangkali|nampak\w*|kelihatan"
    r"|seolah\w*|sangka|"
    r"menyangka|disangka|mengira|dikira|sesetengah|sebagian|pada mulanya|mula-mula|awalnya|bukan\w*"
    r"|tidak|tak|tiada)\b",
    re.I,
)
IF_CLAUSE = re.compile(
    r"[)\s]*(?:(?!because|since|kerana|karena)[a-z]+ ){0,3}(?:if|had|unless|jika|kalau|sekiranya|andai\w*)\b"
)
NO_OPTION = re.compile(
    r"(?:\b[A-Z]\w+|\b(?:vitamin|plan|pelan|team|pasukan|group|kumpulan|class|kelas|part|bahagian|section|figure|rajah|gambar"
    r"|table|jadual|grade|gred|type|jenis|hepatitis|size|saiz|point|titik|line|baris|person|category|kategori))\s+$"
)
"""`Vitamin C`, `class B`: what the letter belongs to if no option."""
OPTION_LEAD = re.compile(
    r"(?:^|[\n.,;:!?(\[\"“–—-]|\b(?:option|choice|letter|answer|statement|that|so|hence|thus|therefore|only|because|why|and|then"
    r"|pilihan|opsyen|opsi|huruf|jawapan|jawaban|pernyataan|jadi|maka|bahawa|bahwa|hanya|mengapa|justeru|kerana|karena|dan"
    r"|itu))\s*[(\"'“]?$",
    re.I,
)

CONCLUSION = re.compile(
    r"\b(?:so|therefore|hence|thus|consequently|as a result|this means(?: that)?|for this reason"
    r"|in conclusion|jadi|maka|oleh itu|"
    r"oleh sebab itu|oleh karena itu|justeru|dengan demikian|dengan itu|dengan sebab itu|kesimpulannya"
    r"|ini bermakna)\b[^.\n]*$",
    re.I,
)


PRAISES: tuple[tuple[Kind, str], ...] = (
    (
        "answer",
        rf",?\s+(?:is|was|would\s+be|must\s+be)\s+(?!an?\s+(?:possible\s+)?(?:option|choice)\b)(?:{RIGHT_NOUN_EN})|\s+it\s+is(?=\s*(?:[.,!;\n]|$))",
    ),
    ("answer", rf"\s+(?:(?:ialah|adalah|merupakan|itulah)\s+)?(?:{RIGHT_NOUN_MS})"),
    ("praise", rf",?\s+(?:is|was)\s+(?:(?:clearly|therefore|indeed|the)\s+)*{RIGHT_EN}|\s+{BEST_EN}"),
    ("praise", rf"\s+(?:(?:ialah|adalah|memang|itu)\s+)*{RIGHT_MS}"),
)
"""What may stand behind a label; with the link in English, where `A` may be the article."""


@lru_cache(maxsize=512)
def claim_patterns(labels: tuple[str, ...]) -> tuple[tuple[Kind, re.Pattern[str]], ...]:
    """How a text says that one of these labels is the answer, or speaks for one."""
    keys = "|".join(
        rf"(?i:{re.escape(key)})" for key in sorted(labels, key=len, reverse=True) if len(key) > 1
    )
    digits = r"|\d{1,2}(?![.,]?\d)" if labels and all(key.isdigit() for key in labels) else ""
    label = rf"(?P<label>{keys + '|' if keys else ''}[A-Z]{digits}|[a-z](?=\)|[.;,!]?\s*$))(?![\w’'-]*\w)"
    return (*_answers(label), *_praised(label))


def _answers(label: str) -> tuple[tuple[Kind, re.Pattern[str]], ...]:
    """The label is given as the answer."""
    option = rf"(?i:{OPTION_WORD})"
    return (
        (
            "answer",
            re.compile(rf"(?i:\b(?:{FULL_NOUN}|{RIGHT_ONE}){LINK}){OPENING}{option}{OPENING}{label}", re.M),
        ),
        (
            "answer",
            re.compile(
                rf"(?i:\b(?:jawapan|jawaban)nya\s+){option}{OPENING}{label}(?=\)?\s*(?:[.,;!\n]|$))", re.M
            ),
        ),
        ("answer", re.compile(rf"(?i:\b{PRAISED_NOUN})(?:\s*[,(]|\s)\s*{OPENING}{option}{label}", re.M)),
        (
            "answer",
            re.compile(
                rf"(?i:\b(?:i|we|saya|kami|kita)(?:'d|'ll|\s+would|\s+will|\s+must|\s+should"
                rf"|\s+akan)?\s+(?:choose|pick|select|go\s+with"
                rf"|chose|picked|selected|pilih|memilih)\s+){option}{OPENING}{label}",
                re.M,
            ),
        ),
        (
            "answer",
            re.compile(
                rf"(?i:\b(?:but\s+rather|but|tetapi|tapi|melainkan|sebaliknya)\s+){option}{OPENING}{label}"
                r"(?=\)?\s*(?:[.,;!\n]|$))",
                re.M,
            ),
        ),
        (
            "answer",
            re.compile(
                r"(?i:\b(?:(?:so|thus|therefore|hence|jadi|maka|oleh\s+itu|justeru|that\s+leaves|leaving"
                r"|leaves|tinggal)"
                r",?\s+(?:(?:it|that)(?:'s|\s+is|\s+must\s+be)\s+|us\s+with\s+)?|it(?:'s|\s+is"
                r"|\s+must\s+be)\s+))"
                rf"{option}{OPENING}{label}(?=\)?\s*(?:[.,;!\n]|$))",
                re.M,
            ),
        ),
        (
            "answer",
            re.compile(
                rf"(?i:(?:^|[.!\n]\s*)(?:\d+[.)]\s*)?(?:choose|pick|select|pilih(?:lah)?)\s+|\b{RIGHT_ONE},?\s+)"
                rf"{option}{OPENING}{label}(?=\)?\s*(?:[.,;!\n]|$))",
                re.M,
            ),
        ),
    )


def _praised(label: str) -> tuple[tuple[Kind, re.Pattern[str]], ...]:
    """The label is argued for."""
    option = rf"(?i:{OPTION_WORD})"
    return (
        (
            "praise",
            re.compile(
                rf"(?i:\b(?:matches|corresponds\s+to|points\s+to|agrees\s+with|supports|has\s+to\s+be|must\s+be"
                rf"|sepadan\s+dengan|sesuai\s+dengan|merujuk\s+(?:kepada|pada))\s+){option}{OPENING}{label}"
                r"(?=\)?\s*(?:[.,;!\n]|$))",
                re.M,
            ),
        ),
        (
            "praise",
            re.compile(rf"(?<!\w)(?<=makes ){label}(?i:\s+(?:the\s+)?(?:correct|right|best))(?!\w)", re.M),
        ),
        (
            "praise",
            re.compile(
                rf"(?<!\w)(?:(?<=nly )|(?<=anya )){label}(?i:\)?\s+(?:yang\s+)?"
                r"(?:is\s+(?:supported|right|correct|true|left|possible)|agrees|fits|matches|works|remains"
                r"|disokong|sepadan|sesuai|tepat|betul|benar|didukung|cocok))(?!\w)",
                re.M,
            ),
        ),
        *((kind, re.compile(rf"(?<!\w){label}[)\]\"'”]?(?i:{praise})(?!\w)")) for kind, praise in PRAISES),
    )


CLAUSE = re.compile(
    r"(?:so|thus|therefore|hence|jadi|maka|justeru|oleh itu|(?:(?i:option|pilihan|jawapan|jawaban"
    r"|opsi)\s+)?\(?[A-Z])\b"
)
ANSWER_LINE = re.compile(
    rf"(?im)(?:^|(?<=[.!?]\s))[^\w\n]*(?:(?:so|therefore|thus|hence|jadi|maka"
    rf"|oleh itu),?\s+)?(?:the\s+)?"
    rf"(?:{FULL_NOUN}|conclusion|verdict|result|kesimpulan(?:nya)?|keputusan)"
    r"\s*(?:[:=：]|->|→|(?<=ans)\.|\s[–—-]\s)(?:[ \t]*\n)?[ \t]*(?P<value>[^\n]{0,400})"
)
TEXT_TAIL = re.compile(
    r"\W*\s+(?:(?:is|was|must\s+be|ialah|adalah|merupakan)\s+)+(?:the\s+)?(?:(?:correct|right|best)\s+)?"
    r"(?:answer|jawapan|jawaban)",
    re.I,
)
"""`Oxygen is the answer`, behind the text of an option."""
CHOICE_CUE = re.compile(
    r"\b(?:answer|letter|correct|right|choose|select|pick|go with|jawapan|jawaban|huruf|betul|benar"
    r"|tepat|memilih|pilih)",
    re.I,
)
NO_CHOICE = re.compile(
    r"n['’]t\b|\b(?:not|never|neither|nor|no|none|wrong|incorrect|false|eliminat\w*|rule\w*|trap|distractor|consider|check"
    r"|look at|compare|if|bukan\w*|tidak|tak|tiada|salah|palsu|perangkap|jebakan|kecuali|ketepikan|coret|semak"
    r"|lihat|cek|jika|kalau|students?|murid|pelajar|siswa)\b|\?",
    re.I,
)
"""What keeps a short sentence from being a choice."""
SHORT_VALUE_WORDS = 4
"""`Answer: English` claims `English`; a longer line is prose."""
LABEL_HEAD = re.compile(
    r"[\s\"'“(\[]*(?:(?i:option|choice|letter|pilihan|opsyen|opsi"
    r"|huruf)\s+)?(?P<label>\w{1,5})(?P<tail>[\s\"'”)\].,:;–—-].*|$)",
    re.S,
)
SEVERAL = re.compile(
    r"[\s(]*[A-Z]\)?(?:\s*(?:,|&|/|;|\band\b|\bdan\b|\bor\b|\batau\b)\s*\(?[A-Z]\)?)+[\s.)]*"
)
LISTED_WORDS = 8
"""`E. Something else` is a choice that is not offered; `R. Rajah said that ...` is a name."""
BARE_LINE = re.compile(
    r"(?m)^[^\w\n]*(?:(?i:question|soalan|pertanyaan|q|no\.?|nombor"
    r"|nomor)?\s*\d{1,3}[.):]\s*)?(?i:(?:definitely|clearly|so|therefore|thus|hence"
    r"|maka|jadi)[,:]?\s+)?(?:(?i:option|choice|pilihan|opsyen|opsi)\s+)?(?P<label>[A-Za-z]|\d{1,2}|\w{2,5})"
    r"(?P<tail>[^\w\n]*$|[ \t]*[).:,][ \t]+\S.*|[ \t]+(?:[-–—][ \t]+\S|because\b|since\b|kerana\b"
    r"|karena\b|sebab\b).*|[ \t]+\S.*)"
)
INITIAL = re.compile(r"\.\s*(?:[A-Z]\.|[A-Z]\w+\s+(?:bin\b|binti\b|a/[lp]\b))")
TWO_NAMES = re.compile(r"\.\s*[A-Z]\w+\s+[A-Z]\w")
TEXT_CUE = re.compile(rf"(?i:\b{FULL_NOUN}{LINK})[\s\"'“(]*(?=\w)")
