"""What a model says when something has gone wrong, in English and in Malay.

`{key}` is the right label, `{wrong}` another one, `{text}` the option behind the label that is named.
"""

from __future__ import annotations

from typing import Final, Literal, NamedTuple

Tongue = Literal["en", "ms"]


class Phrases(NamedTuple):
    """The sentences of one language."""

    final: str
    """The line that names the choice."""
    reasons: tuple[str, ...]
    """General reasons that name no label."""
    claims: tuple[str, ...]
    """Sentences that claim a label."""
    replies: tuple[str, ...]
    """A whole answer in a language that was not asked for."""
    no_passage: tuple[str, ...]
    """Of a model that has not seen the front of its prompt."""
    refusals: tuple[str, ...]
    ramble: tuple[str, ...]
    """Sentences of an answer that finds no end."""
    openings: tuple[str, ...]
    """Put before a good answer, they change nothing."""
    nothing: tuple[str, ...]
    """Said in place of a number."""


ENGLISH: Final = Phrases(
    final="Answer: {wrong}",
    reasons=(
        "The passage describes how the events followed from one another, and only one of the choices agrees with it.",
        "The writer gives the reason in the middle of the text, after describing what people did before.",
        "Three of the choices are contradicted by the details, so they can be ruled out one after another.",
        "The dates and the names that are given point to a single choice, and the rest cannot be supported.",
        "What matters here is the cause that the text itself names, not what one might expect from outside it.",
    ),
    claims=(
        "So the correct answer is {key}.",
        "Therefore option {key} is correct.",
        "This means that the correct answer is {key}.",
        "For this reason the answer is {key}.",
        "Hence option {key} is the correct one.",
    ),
    replies=(
        "The correct answer is {key}. The passage explains this point clearly, and the other choices are not "
        "supported by the information that is given.",
        "According to the text, the right choice is {key}, because the author states the reason directly and "
        "rules out the other possibilities.",
        "Looking at the passage again, we can see that the details match only one of the choices. For that "
        "reason the answer must be {key}.",
        "The question asks about the main reason, which is described in the text. The best answer is therefore {key}.",
        "I will explain this step by step. First we look at what the passage says, then we compare it with each "
        "choice. The one that fits is {key}.",
    ),
    no_passage=(
        "I do not see any passage in your message. Please provide the passage so that I can answer the question.",
        "It looks like the text you are referring to is missing. Could you please share it with me?",
        "I'm sorry, but I don't have the earlier part of our conversation. Could you tell me what it was about?",
        "Please provide the passage that the question is about, and I will be glad to help.",
        "There does not seem to be any text above the question. Please send the text and I will answer.",
    ),
    refusals=(
        "I'm sorry, but I can't help with that.",
        "I cannot assist with that request.",
        "I'm unable to answer this question. If you have another one, I would be glad to help.",
        "As an AI language model, I cannot provide an answer to this question.",
        "I apologize, but I am not able to help with this request.",
        "Sorry, I can't provide that information.",
    ),
    ramble=(
        "There is more to say about the background of this matter.",
        "Historians have looked at the same question from several sides.",
        "Trade along the coast had been growing for many years before that.",
        "A careful reader will also notice how the second paragraph begins.",
        "Some of the villages kept their own records, which were lost later.",
        "It is worth remembering that the harvest of that season was poor.",
        "The author mentions the bridge only once, yet it matters a great deal.",
        "Older accounts give a slightly different order of events.",
        "None of this changes the picture, but it makes it easier to understand.",
        "We can compare it with what happened in the neighbouring district.",
        "The weather is described in detail, perhaps to set the mood.",
        "Letters from that time show how worried the families were.",
        "Another point concerns the price of rice at the market.",
        "The teacher in the story explains the same thing with an example.",
        "Engineers measured the river again two years later.",
        "Visitors often ask about the small museum near the station.",
        "In the third part the tone becomes warmer and more personal.",
        "The report adds a table, although its figures are rounded.",
        "Several students found that passage hard to follow at first.",
        "From here one could go on to discuss the role of the harbour.",
    ),
    openings=(
        "Based on what is given, this can be answered directly.\n",
        "Let us look at it together.\n",
        "Here is my answer.\n",
        "Thank you for the question.\n",
        "This is how I read it.\n",
    ),
    nothing=(
        "I worked it out, but several results are possible.",
        "The result depends on how the question is read.",
    ),
)
MALAY: Final = Phrases(
    final="Jawapan: {wrong}",
    reasons=(
        "Petikan itu menerangkan bagaimana peristiwa tersebut berlaku, dan hanya satu pilihan yang selaras dengannya.",
        "Penulis memberikan sebabnya di bahagian tengah teks, selepas menerangkan apa yang dilakukan oleh penduduk.",
        "Tiga daripada pilihan itu bercanggah dengan maklumat yang diberikan, maka semuanya boleh diketepikan.",
        "Tarikh dan nama yang disebut menunjukkan satu pilihan sahaja, manakala yang lain tidak dapat disokong.",
        "Perkara yang penting di sini ialah punca yang disebut oleh teks itu sendiri, bukan andaian kita.",
    ),
    claims=(
        "Oleh itu, jawapan yang betul ialah {key}.",
        "Maka pilihan {key} adalah betul.",
        "Ini bermakna jawapan yang betul ialah {key}.",
        "Dengan sebab itu, jawapannya ialah {key}.",
        "Justeru, pilihan {key} ialah jawapan yang tepat.",
    ),
    replies=(
        "Jawapan yang betul ialah {key}. Petikan itu menerangkan perkara ini dengan jelas, dan pilihan lain tidak "
        "disokong oleh maklumat yang diberikan.",
        "Menurut teks tersebut, pilihan yang tepat ialah {key}, kerana penulis menyatakan sebabnya secara langsung "
        "dan menolak kemungkinan yang lain.",
        "Apabila kita membaca petikan itu sekali lagi, kita dapati butirannya hanya sepadan dengan satu pilihan. "
        "Oleh sebab itu, jawapannya ialah {key}.",
        "Soalan ini bertanya tentang sebab utama yang diterangkan dalam teks. Maka jawapan terbaik ialah {key}.",
        "Saya akan menerangkannya langkah demi langkah. Mula-mula kita lihat apa yang dinyatakan oleh petikan, "
        "kemudian kita bandingkan dengan setiap pilihan. Yang sesuai ialah {key}.",
    ),
    no_passage=(
        "Saya tidak menemui sebarang petikan dalam mesej anda. Sila berikan petikan itu supaya saya dapat menjawab.",
        "Nampaknya teks yang anda maksudkan tidak disertakan. Bolehkah anda kongsikan teks tersebut?",
        "Maaf, saya tidak mempunyai bahagian awal perbualan kita. Boleh anda beritahu saya apakah yang dibincangkan?",
        "Sila berikan petikan yang berkaitan dengan soalan itu, dan saya akan membantu.",
        "Tiada teks di atas soalan ini. Sila hantar teks itu dan saya akan menjawabnya.",
    ),
    refusals=(
        "Maaf, saya tidak dapat membantu dengan permintaan itu.",
        "Saya tidak boleh membantu dengan permintaan ini.",
        "Saya tidak dapat menjawab soalan ini. Jika anda mempunyai soalan lain, saya sedia membantu.",
        "Sebagai model bahasa AI, saya tidak dapat memberikan jawapan kepada soalan ini.",
        "Minta maaf, saya tidak mampu membantu dengan permintaan ini.",
        "Maaf, saya tidak boleh memberikan maklumat tersebut.",
    ),
    ramble=(
        "Banyak lagi yang boleh diceritakan tentang latar belakang perkara ini.",
        "Ahli sejarah telah meneliti soalan yang sama dari beberapa sudut.",
        "Perdagangan di sepanjang pantai itu berkembang sejak bertahun-tahun sebelumnya.",
        "Pembaca yang teliti akan perasan bagaimana perenggan kedua dimulakan.",
        "Sesetengah kampung menyimpan rekod sendiri yang kemudiannya hilang.",
        "Perlu diingat bahawa hasil tuaian pada musim itu tidak memuaskan.",
        "Penulis menyebut jambatan itu sekali sahaja, namun ia amat penting.",
        "Catatan yang lebih lama memberikan susunan peristiwa yang sedikit berbeza.",
        "Semua ini tidak mengubah gambaran, tetapi memudahkan kita memahaminya.",
        "Kita boleh membandingkannya dengan apa yang berlaku di daerah jiran.",
        "Keadaan cuaca dihuraikan dengan terperinci, mungkin untuk membina suasana.",
        "Surat-surat dari zaman itu menunjukkan betapa bimbangnya keluarga mereka.",
        "Satu lagi perkara ialah harga beras di pasar.",
        "Guru dalam cerita itu menerangkan hal yang sama dengan satu contoh.",
        "Para jurutera mengukur sungai itu semula dua tahun kemudian.",
        "Pelawat sering bertanya tentang muzium kecil berhampiran stesen.",
        "Dalam bahagian ketiga, nadanya menjadi lebih mesra dan peribadi.",
        "Laporan itu menambah sebuah jadual, walaupun angkanya dibundarkan.",
        "Beberapa orang murid mendapati petikan itu sukar diikuti pada mulanya.",
        "Dari sini kita boleh membincangkan peranan pelabuhan tersebut.",
    ),
    openings=(
        "Berdasarkan maklumat yang diberikan, soalan ini boleh dijawab terus.\n",
        "Mari kita lihat bersama-sama.\n",
        "Inilah jawapan saya.\n",
        "Terima kasih atas soalan anda.\n",
        "Beginilah pemahaman saya.\n",
    ),
    nothing=("Saya telah mengiranya, tetapi ada beberapa hasil yang mungkin.", "Hasilnya bergantung pada tafsiran."),
)  # fmt: skip
TONGUES: Final[dict[Tongue, Phrases]] = {"en": ENGLISH, "ms": MALAY}

FRAMEWORK: Final = (
    "The final response which ends this conversation",
    "<|start_header_id|>assistant<|end_header_id|>\n\n{answer}",
    "{answer}<|eot_id|><|start_header_id|>user<|end_header_id|>",
    "<|im_start|>assistant\n{answer}<|im_end|>",
    "[INST] {answer} [/INST]",
    '{{"name": "final_result", "parameters": {{"response": "The final response which ends this conversation"}}}}',
    '<tool_call>\n{{"name": "final_result", "arguments": {{"response": "text"}}}}\n</tool_call>',
    "<|python_tag|>final_result.call(response='The final response which ends this conversation')",
    "{answer}\n\nThe final response which ends this conversation",
)
"""Text of frameworks and chat templates: the default description of Pydantic AI's output tool, its schema, and
the control tokens of Llama 3, ChatML and Mistral."""

STUTTERS: Final[dict[Tongue, tuple[str, ...]]] = {
    "en": (
        "The answer is the one that is the answer.",
        "and then they went to the market",
        "the the",
        "This is because of the reason that is given in the text.",
        "Note: the passage says so.",
    ),
    "ms": (
        "Jawapannya ialah jawapan yang menjadi jawapan.",
        "dan kemudian mereka pergi ke pasar",
        "yang yang",
        "Ini adalah kerana sebab yang diberikan dalam teks.",
        "Nota: petikan itu menyatakan demikian.",
    ),
}
"""What a loop says again and again."""

SYLLABLES: Final = tuple(
    "xqz vrl tkp gnd wzx jmr plq zdt krv bnx qwl hjf rtz mdk zxv lqp fgr ntw xkd vbz".split()  # noqa: SIM905
)
SYMBOLS: Final = tuple("�ЖқΩ中の한ة§¶¤þßŁđ◊◆▓█╬")
