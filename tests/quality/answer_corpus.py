# ruff: noqa: E501 - tables of texts
"""Exchanges with a known truth: exam questions in English, Malay and Indonesian, answered well or with one fault.

`{l}` and `{t}` are the label and text of the option that is chosen, `{w}` and `{u}`, `{v}` and `{x}` of two others, `{s}`
and `{r}` sentences of reasons.
"""

import random
from typing import NamedTuple

from parallel_sentences import NAMES, PLACES, REASONS, TECHNICAL

from servemark.domain.exchange import Exchange, Message

LANGUAGES = ("en", "ms", "id")
OPTIONS = {
    "en": ("The heavy rain", "A lack of workers", "The price of tin", "An attack of pests", "The new railway", "Kuala Lumpur",
           "A school", "Grateful", "1957", "The British officers", "Photosynthesis", "Because he was tired", "Trade"),
    "ms": ("Hujan lebat", "Kekurangan pekerja", "Harga bijih timah", "Serangan perosak", "Landasan kereta api baharu",
           "Kuala Lumpur", "Sebuah sekolah", "Bersyukur", "1957", "Pegawai British", "Fotosintesis",
           "Kerana dia letih", "Perdagangan"),
    "id": ("Hujan lebat", "Kekurangan tenaga kerja", "Harga timah", "Serangan hama", "Rel kereta api baru", "Jakarta",
           "Sebuah sekolah", "Bersyukur", "1945", "Perwira Inggris", "Fotosintesis", "Karena dia lelah", "Perdagangan"),
}  # fmt: skip
QUESTIONS = {
    "en": ("Why did the harvest fail?", "What does the writer feel?", "Which statement is true?", "What is described here?",
           "What was the main reason for the change?"),
    "ms": ("Mengapakah hasil tuaian gagal?", "Apakah perasaan penulis?", "Pernyataan manakah yang benar?",
           "Apakah yang digambarkan di sini?", "Apakah sebab utama perubahan itu?"),
    "id": ("Mengapa panen gagal?", "Apa perasaan penulis?", "Pernyataan manakah yang benar?",
           "Apa yang digambarkan di sini?", "Apa alasan utama perubahan itu?"),
}  # fmt: skip

STYLES = {
    "en": (
        "{l}", "({l})", "{l}.", "{l})", "**{l}**", "Answer: {l}", "**Answer:** {l}", "Answer: **{l}**", "Answer: ({l})",
        "Final answer: {l}", "The answer is {l}.", "The correct answer is option {l}.", "Option {l} is correct.", "{l}. {t}",
        "**{l}) {t}**\n\n{s}", "{s}\nAnswer: {l}", "{s} {r}\n\nAnswer: {l}", "The correct answer is {l} because {s}",
        "The correct answer is **{l}) {t}**.\n\nExplanation: {s}", "{l}. {t}\n\n{s} {r}", "I choose {l}, since {s}",
        "{s} Therefore, the correct answer is {l}.", "{s} So it is {l}.", "{l} is the correct answer. {s}",
        "Let us look at the options.\n\nA man might say {w}, but {w} is not supported by the text. {s} So the answer is {l}.",
        "- {w} is wrong: the text does not say it.\n- {v} is wrong as well.\n- {l} is right: {s}\n\nAnswer: {l}",
        "At first {w} seems to be the answer. However, {s} The correct answer is {l}.\nAnswer: {l}",
        "The answer is {w}. Wait, no, {s} It is {l}.\n\nAnswer: {l}",
        "Option {w} is incorrect because it is not mentioned. Option {v} is also incorrect. {s} Option {l} is the best choice.",
        "The answer is not {w} but {l}. {s}", "It cannot be {w}. {s} Hence option {l} is the correct one.\nAnswer: {l}",
        "You may think the answer is {w}. {s} The right answer is {l}.\nAnswer: {l}",
        "If the rain had come, the answer would be {w}. {s}\nAnswer: {l}",
        "1. {s}\n2. {r}\n3. Vitamin C and plan B are not relevant.\n\nAnswer: {l}",
        "\"{s}\" The writer says this in the last line. The answer is {l}.", "{s} A is for apple, as the old rhyme goes.\nAnswer: {l}",
        "Here is the code:\n```python\nanswer = 'A'\nprint(answer)\n```\n{s}\nAnswer: {l}", "$\\boxed{{{l}}}$",
        "{{\"answer\": \"{l}\", \"explanation\": \"{s}\"}}", "{s} The writer quotes a Malay proverb: \"Bagai aur dengan tebing\".\nAnswer: {l}",
        "Is the answer {w}? No. {s} The answer is {l}.", "The answer: {t}", "{s} That leaves {l}.\nAnswer: {l}",
        "I am happy to help you understand the correct answer, {l}. {s}", "7. {l}\n\n{s}",
        "While {w} ({u}) is tempting, {s} So {l} is right.\nAnswer: {l}",
    ),
    "ms": (
        "{l}", "({l})", "{l}.", "**{l}**", "Jawapan: {l}", "**Jawapan:** {l}", "Jawapan: **{l}**", "Jawapan akhir: {l}",
        "Jawapannya ialah {l}.", "Jawapan yang betul ialah {l}.", "Jawapan yang tepat ialah pilihan {l}.", "Pilihan {l}", "{l}. {t}",
        "**{l}) {t}**\n\n{s}", "{s}\nJawapan: {l}", "{s} {r}\n\nJawapan: {l}", "Jawapan yang betul ialah {l} kerana {s}",
        "Jawapan yang betul ialah **{l}) {t}**.\n\nPenerangan: {s}", "{l}. {t}\n\n{s} {r}", "Saya memilih {l} kerana {s}",
        "{s} Oleh itu, jawapan yang betul ialah {l}.", "{s} Jadi, pilihan {l} adalah betul.", "{l} ialah jawapan yang betul. {s}",
        "Mari kita lihat setiap pilihan.\n\nPilihan {w} tidak tepat kerana tidak disebut. {s} Maka jawapannya ialah {l}.",
        "- {w} salah kerana tidak disebut dalam teks.\n- {v} juga salah.\n- {l} betul: {s}\n\nJawapan: {l}",
        "Pada mulanya {w} kelihatan betul. Namun, {s} Jawapan yang betul ialah {l}.\nJawapan: {l}",
        "Jawapannya ialah {w}. Tunggu, saya silap. {s} Jawapannya ialah {l}.\n\nJawapan: {l}",
        "Jawapannya bukan {w} tetapi {l}. {s}", "Mungkin ada yang menyangka jawapannya {w}. {s}\nJawapan: {l}",
        "Jika hujan turun, jawapannya ialah {w}. {s}\nJawapan: {l}", "\"{s}\" Itulah kata penulis. Jawapannya ialah {l}.",
        "1. {s}\n2. {r}\n3. Vitamin C tidak berkaitan.\n\nJawapan: {l}", "{{\"jawapan\": \"{l}\", \"penerangan\": \"{s}\"}}",
        "{s} Penulis memetik pepatah Inggeris: \"A stitch in time saves nine\".\nJawapan: {l}",
        "Gunakan fungsi berikut:\n```python\ndef answer():\n    return 'A'  # the right one\n```\n{s}\nJawapan: {l}",
        "Adakah jawapannya {w}? Tidak. {s} Jawapannya ialah {l}.", "Jawapan: {t}", "7. {l}\n\n{s}",
        "Walaupun {w} ({u}) nampak menarik, {s} Justeru, pilihan {l} ialah jawapan yang tepat.\nJawapan: {l}",
    ),
    "id": (
        "{l}", "({l})", "{l}.", "**{l}**", "Jawaban: {l}", "**Jawaban:** {l}", "Jawaban: **{l}**", "Jawaban akhir: {l}",
        "Jawabannya adalah {l}.", "Jawaban yang benar adalah {l}.", "Jawaban yang tepat adalah pilihan {l}.", "Opsi {l}", "{l}. {t}",
        "**{l}) {t}**\n\n{s}", "{s}\nJawaban: {l}", "{s} {r}\n\nJawaban: {l}", "Jawaban yang benar adalah {l} karena {s}",
        "Jawaban yang benar adalah **{l}) {t}**.\n\nPenjelasan: {s}", "{l}. {t}\n\n{s} {r}", "Saya memilih {l} karena {s}",
        "{s} Oleh karena itu, jawaban yang benar adalah {l}.", "{s} Jadi, pilihan {l} adalah benar.", "{l} adalah jawaban yang benar. {s}",
        "Mari kita lihat setiap pilihan.\n\nPilihan {w} tidak tepat karena tidak disebutkan. {s} Maka jawabannya adalah {l}.",
        "- {w} salah karena tidak disebutkan dalam teks.\n- {v} juga salah.\n- {l} benar: {s}\n\nJawaban: {l}",
        "Awalnya {w} tampak benar. Namun, {s} Jawaban yang benar adalah {l}.\nJawaban: {l}",
        "Jawabannya adalah {w}. Tunggu, saya salah. {s} Jawabannya adalah {l}.\n\nJawaban: {l}",
        "Jawabannya bukan {w} melainkan {l}. {s}", "\"{s}\" Begitulah kata penulis. Jawabannya adalah {l}.",
        "{{\"jawaban\": \"{l}\", \"penjelasan\": \"{s}\"}}", "Apakah jawabannya {w}? Tidak. {s} Jawabannya adalah {l}.",
        "Meskipun {w} ({u}) tampak menarik, {s} Dengan demikian, pilihan {l} adalah jawaban yang tepat.\nJawaban: {l}",
    ),
}  # fmt: skip

CONTRADICTIONS = {
    "en": ("{s} So the correct answer is {l}.\nAnswer: {w}", "The correct answer is {l} because {s}\n\nFinal answer: {w}",
           "Answer: {w}\n\nExplanation: {s} Therefore option {l} is correct.", "{s} {l} is the best choice.\nAnswer: ({w})",
           "**{w}**\n\nThe correct option is {l}: {s}", "{v} is wrong. {s} Hence the answer must be {l}.\nAnswer: **{w}**"),
    "ms": ("{s} Oleh itu, jawapan yang betul ialah {l}.\nJawapan: {w}", "Jawapan yang betul ialah {l} kerana {s}\n\nJawapan akhir: {w}",
           "Jawapan: {w}\n\nPenerangan: {s} Maka pilihan {l} adalah betul.", "{s} {l} ialah pilihan yang tepat.\nJawapan: ({w})",
           "**{w}**\n\nPilihan yang betul ialah {l}: {s}", "{v} salah. {s} Justeru jawapannya ialah {l}.\nJawapan: **{w}**"),
    "id": ("{s} Oleh karena itu, jawaban yang benar adalah {l}.\nJawaban: {w}", "Jawaban yang benar adalah {l} karena {s}\n\nJawaban akhir: {w}",
           "Jawaban: {w}\n\nPenjelasan: {s} Maka pilihan {l} adalah benar.", "{s} {l} adalah pilihan yang tepat.\nJawaban: ({w})",
           "**{w}**\n\nPilihan yang benar adalah {l}: {s}", "{v} salah. {s} Jadi jawabannya adalah {l}.\nJawaban: **{w}**"),
}  # fmt: skip
INVALID = {
    "en": ("Answer: {z}", "{z}", "The correct answer is {z}.", "{s}\nAnswer: {z}", "Answer: English", "Answer: Yes", "({z})", "{s}",
           "{s} {r}", "**{z}) Something else**", "Option {z} is the correct answer."),
    "ms": ("Jawapan: {z}", "{z}", "Jawapan yang betul ialah {z}.", "{s}\nJawapan: {z}", "Jawapan: Bahasa Melayu", "({z})", "{s}", "{s} {r}",
           "**{z}) Lain-lain**", "Pilihan {z} ialah jawapan yang betul."),
    "id": ("Jawaban: {z}", "{z}", "Jawaban yang benar adalah {z}.", "{s}\nJawaban: {z}", "Jawaban: Bahasa Indonesia", "({z})", "{s}", "{s} {r}"),
}  # fmt: skip
REFUSALS = {
    "en": ("I'm sorry, but I can't help with that.", "I cannot assist with that request.", "I'm unable to answer this question.",
           "As an AI language model, I cannot provide an answer to this question.", "Sorry, I can't provide that information.",
           "I apologize, but I am not able to help with this request.", "I must decline to answer this.",
           "I won't be able to help with that. Please ask something else.", "Unfortunately, I cannot answer questions about this topic.",
           "I’m sorry, but I can’t assist with that.", "I am not comfortable answering this question.",
           "This goes against my guidelines, so I cannot respond to it."),
    "ms": ("Maaf, saya tidak dapat membantu dengan permintaan itu.", "Saya tidak boleh menjawab soalan ini.",
           "Maaf, saya tidak dapat memberikan jawapan.", "Sebagai model bahasa, saya tidak dapat menjawab soalan ini.",
           "Minta maaf, saya tidak mampu membantu.", "Saya terpaksa menolak permintaan ini.",
           "Maaf, permintaan ini tidak dapat saya penuhi.", "Harap maaf, saya tidak boleh membincangkan perkara ini."),
    "id": ("Maaf, saya tidak bisa membantu dengan permintaan itu.", "Saya tidak dapat menjawab pertanyaan ini.",
           "Mohon maaf, saya tidak dapat memberikan jawaban.", "Sebagai model bahasa AI, saya tidak bisa menjawab pertanyaan ini.",
           "Maaf, saya tidak dapat memenuhi permintaan tersebut.", "Saya harus menolak permintaan ini."),
}  # fmt: skip
NOT_REFUSALS = {
    "en": ("The passage does not say how old she was, so this cannot be answered from the text.",
           "I cannot determine the exact year from the passage.", "I can't help feeling that the writer was lonely.",
           "\"I cannot help you,\" said the officer, and closed the door. This shows that he was proud.",
           "The governor refused to answer the question and declined to help.", "I'm sorry for the confusion. {s}",
           "He said that he could not assist them because the road was flooded.", "I cannot answer this from the text, as it does not mention a date.",
           "There is not enough information to answer this question.", "Sorry, the text does not give the name of the ship.",
           "I will not leave, said the captain. {s}", "We cannot live without water. {s}"),
    "ms": ("Petikan tidak menyatakan umurnya, jadi soalan ini tidak dapat dijawab daripada teks.",
           "Saya tidak dapat menentukan tahun yang tepat daripada petikan itu.",
           "\"Saya tidak dapat membantu kamu,\" kata pegawai itu lalu menutup pintu. Ini menunjukkan dia sombong.",
           "Gabenor menolak untuk menjawab soalan itu dan enggan membantu.", "Maaf atas kekeliruan. {s}",
           "Tiada maklumat yang mencukupi untuk menjawab soalan ini.", "Dia tidak dapat membantu mereka kerana jalan dilanda banjir.",
           "Saya tidak dapat menjawabnya kerana teks tidak menyebut tarikh.", "Kita tidak boleh hidup tanpa air. {s}"),
    "id": ("Bacaan tidak menyebutkan umurnya, jadi pertanyaan ini tidak dapat dijawab dari teks.",
           "Saya tidak dapat menentukan tahun yang tepat dari bacaan itu.",
           "\"Saya tidak bisa membantu kalian,\" kata perwira itu lalu menutup pintu. Ini menunjukkan dia sombong.",
           "Gubernur menolak untuk menjawab pertanyaan itu dan enggan membantu.", "Tidak ada informasi yang cukup untuk menjawab pertanyaan ini.",
           "Kita tidak bisa hidup tanpa air. {s}"),
}  # fmt: skip


class Drawn(NamedTuple):
    """One exchange and the template of its answer."""

    exchange: Exchange
    template: str


def sentence(language: str, rng: random.Random) -> str:
    row = rng.choice(TECHNICAL if rng.random() < 0.15 else REASONS)
    return filled(row[LANGUAGES.index(language)], rng)


def filled(text: str, rng: random.Random) -> str:
    return text.format(
        name=rng.choice(NAMES), place=rng.choice(PLACES), year=rng.randint(1786, 1963), n=rng.randint(3, 96)
    )


def drawn(
    templates: dict[str, tuple[str, ...]], language: str, rng: random.Random, **fields: object
) -> Drawn:
    """An exam question, its answer from one of the templates of the language; `answered_in` takes another one's."""
    labels = "ABCDEF"[: rng.choice((3, 4, 4, 5, 6))]
    options = dict(zip(labels, rng.sample(OPTIONS[language], len(labels)), strict=True))
    right, wrong, other = rng.sample(labels, 3)
    spoken = str(fields.pop("answered_in", language))
    template = rng.choice(templates[spoken])
    reasons = [sentence(spoken, rng) for _ in range(rng.choice((1, 1, 2, 4)))]
    answer = template.format(
        l=right, t=options[right], w=wrong, u=options[wrong], v=other, x=options[other], s=" ".join(reasons),
        r=sentence(spoken, rng), z=rng.choice([c for c in "EFGHKX" if c not in labels]),
    )  # fmt: skip
    question = rng.choice(QUESTIONS[language]) + "\n" + "\n".join(f"{k}) {v}" for k, v in options.items())
    exchange = Exchange(
        id="x", messages=(Message(role="user", content=question),), options=options, key=right, format="choice",
        expected_language=language, answer=answer, finish_reason="stop", **fields,
    )  # fmt: skip
    return Drawn(exchange, template)
