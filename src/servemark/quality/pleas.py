"""How models say that they have not been given what they were given, in English, Malay and Indonesian.

In the patterns `<text>` and `<teks>` are words for a passage, `<20>` is at most so many characters of one sentence.
"""

from __future__ import annotations

import re

_NOUNS = (
    r"(?:passages?|texts?|contexts?|articles?|documents?|excerpts?|paragraphs?|stor(?:y|ies)|conversations?|reading|content"
    r"|poems?|extracts?)"
)
_NOMINA = (
    r"(?:petikan|teks|konteks|artikel|dokumen|perenggan|paragraf|cerita|bacaan|perbualan|percakapan|kutipan|wacana|bahan"
    r"|sajak|puisi)(?:nya)?"
)
_NO_PASSAGE = (
    # please provide the passage; could you share the text
    r"(?:please|kindly|could you|can you|would you|if you (?:could|can)|you (?:need to|may|can))\b<30>"
    r"\b(?:provide|share|paste|send|give|supply|include|upload|post)\b<40>\b<text>",
    r"(?:provide|share|paste|send) (?:me )?(?:with )?(?:the|your|a) <text>\b<30>\b(?:so|and|then)\b<20>\b(?:I|we)",
    # I don't see any passage, but not: any text that supports it
    r"I (?:don['’]t|do not|can['’]t|cannot|could ?n[o'’]t|am unable to) (?:see|find|have|access)(?: access to)?"
    r" (?:any|a|the|that|your) (?:\w+ ){0,2}<text>\b(?! (?:that|which|where|to support|about|of)\b)",
    r"(?:unable|not able) to (?:see|find|access|view) (?:the|any|a|your) <text>\b(?! (?:that|which|where|about|of)\b)",
    # there is no text provided; the passage was not given
    r"(?:no|there (?:is|was) no|without (?:the|a|any)) (?:\w+ )?<text>\b<20>"
    r"\b(?:provided|given|included|attached|supplied|shared|available)",
    r"(?:the|any|your) <text> (?:is|was|has|were|seems?|appears?)\b<20>"
    r"\b(?:not (?:been )?(?:provided|included|given|attached|shared)|missing)",
    # you haven't included the article; you forgot to
    r"you (?:have(?:n['’]t| not)|did(?:n['’]t| not))\b<20>"
    r"\b(?:provide|include|share|give|attach|paste|supply|gave|sent?)d?\b"
    r"<30>\b<text>",
    r"forgot(?:ten)? to (?:include|provide|attach|paste|share)\b<20>\b<text>",
    # I need the passage to answer; without the passage I cannot
    r"I (?:will |would |['’]ll )?(?:need|require) (?:to (?:see|read|have) )?(?:the|a|your|more) <text>\b<30>"
    r"\b(?:to|before|first|in order)",
    r"without (?:seeing |reading |having )?(?:the|any|a|your) <text>\b<15>"
    r"\bI (?:can['’]?t|cannot|can not|am unable|['’]m unable|do not|don['’]t)",
    # sila berikan petikan itu; mohon berikan teksnya
    r"(?:sila(?:kan|lah)?|tolong|mohon|harap|boleh(?:kah)?|bisa(?:kah)?|dapatkah)\b<30>"
    r"\b(?:berikan|beri|sediakan|kongsikan|bagikan|sertakan|lampirkan|kirim(?:kan)?|tampal(?:kan)?|hantar(?:kan)?|memberikan"
    r"|menyediakan|menyertakan|kemukakan|masukkan|tempelkan)\b<40>\b<teks>",
    # saya tidak nampak sebarang petikan
    r"(?:saya|aku) (?:tidak|tak)(?: (?:dapat|boleh|bisa))? (?:nampak|melihat|lihat|menemui|jumpa|menemukan|mempunyai"
    r"|memiliki|punya)\b (?:apa-apa |sebarang |akses (?:kepada|ke) |adanya )?<teks>\b(?! yang (?:me|ber))",
    # tiada teks diberikan; teksnya tidak disertakan
    r"(?:tiada|tidak ada)\b (?:apa-apa |sebarang )?<teks>\b<20>"
    r"\bdi(?:beri|sedia|serta|lampir|kongsi|bagi|kirim)(?:kan)?",
    r"<teks>\b<20>\b(?:tidak|belum|tak)\b<10>\bdi(?:beri|sedia|serta|lampir|kongsi|bagi|kirim)(?:kan)?",
    r"anda (?:tidak|belum|tak)\b<15>"
    r"\b(?:memberi(?:kan)?|menyertakan|menyediakan|mengirim(?:kan)?|melampirkan|berikan)\b<20>\b<teks>",
    # saya memerlukan petikan untuk menjawab; tanpa petikan itu saya tidak dapat
    r"(?:saya|aku) (?:memerlukan|perlukan|perlu(?: melihat| membaca)?|membutuhkan|butuh) <teks>\b<25>"
    r"\b(?:untuk|sebelum|dahulu|dulu)",
    r"tanpa (?:melihat |membaca |adanya )?<teks>\b<20>\b(?:saya|aku) (?:tidak|tak)",
)
_NO_MEMORY = (
    r"I (?:don['’]t|do not|can(?:not|['’]t)) (?:have|recall|remember|access)\b<40>\b(?:previous|earlier|prior|past)"
    r" (?:messages?|conversations?|turns?|chats?|context|interactions?)",
    r"(?:start|beginning) of (?:our|this) (?:conversation|chat)",
    r"you (?:have(?:n['’]t| not)|did(?:n['’]t| not)|never)(?: yet)? (?:told|tell|mention(?:ed)?|shared?|given?|gave)",
    r"(?:tidak|tak|tiada|belum)\b<50>\b(?:perbualan|percakapan|mesej|pesan) (?:kita )?(?:yang )?"
    r"(?:sebelum|terdahulu|lepas|lalu)(?:nya|ini)?",
    r"(?:anda|awak|kamu) (?:belum|tidak|tak)(?: pernah)?"
    r" (?:member ?tahu|memberitahu|memberi tahu|beritahu|menyebut|menyatakan|mengatakan)(?:kan)?",
    r"awal (?:perbualan|percakapan)",
)


def _spelled_out(patterns: tuple[str, ...]) -> re.Pattern[str]:
    whole = "|".join(patterns).replace("<text>", _NOUNS).replace("<teks>", _NOMINA)
    whole = re.sub(r"<(\d+)>", r"[^.?!\\n]{0,\1}", whole)
    return re.compile(rf"\b(?:{whole})\b", re.IGNORECASE)


_NO_MENTION = (
    r"(?:do(?:es)?|did|is|are|was|were|has|have)(?: not|n['’]t)\b<25>"
    r"\b(?:mention(?:ed)?|state[ds]?|provided?|given?|say|said|specif(?:y|ied)|included?|contain(?:ed)?|find|found|see|seen"
    r"|have|aware|know|recall|remember|told)",
    r"(?:can(?:not| not|['’]t)|could ?n[o'’]t|unable to|not able to)"
    r" (?:find|see|locate|recall|remember|determine|tell)",
    r"(?:there (?:is|was|are) no|no (?:information|mention|record|details?|such|code|data))",
    r"(?:tidak|tak|belum|tiada)\b<30>\b(?:disebut\w*|dinyatakan|diberi\w*|terdapat|ditemui|ditemukan|menyebut\w*"
    r"|menyatakan|menemui|menemukan|jumpa|ingat|mengingat\w*|tahu|mengetahui|pasti|mempunyai|memiliki|punya|ada|maklumat"
    r"|informasi)",
    r"(?:tiada|tidak ada|tidak terdapat) ",
)
NO_PASSAGE = _spelled_out(_NO_PASSAGE)
"""Asks for a passage, or says that there is none."""
NO_MENTION = _spelled_out(_NO_MENTION)
"""Says that something is not mentioned, not known or not there."""
NO_MEMORY = _spelled_out(_NO_MEMORY)
"""Says that nothing was said before."""
