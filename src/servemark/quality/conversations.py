"""Memory: code words told early in a conversation and asked for later, in overlapping conversations.

Each conversation tells three code words and is asked for one of them at three points; every later item holds the
whole history of the earlier ones, as a chat does. Items of different conversations follow each other, so that
answers of the wrong conversation show.
"""

from __future__ import annotations

import random
from itertools import chain

from servemark.domain.exchange import Item, Message
from servemark.quality.code_words import code_words

CONVERSATIONS = 20
"""Of each language; three items each: 120 in all."""
SYSTEM = {
    "en": "You are a careful assistant. Reply in English, in one or two short sentences; repeat code words exactly.",
    "ms": "Anda pembantu yang teliti. Jawab dalam bahasa Melayu, dalam satu atau dua ayat pendek, dan ulang kata kod"
    " dengan tepat.",
}
THINGS = {
    "en": ("front door", "garden gate", "bicycle lock", "mail box", "store room", "piano room", "guest locker",
           "boat cabin", "wine cellar", "tool chest"),
    "ms": ("pintu depan", "pagar taman", "kunci basikal", "peti surat", "bilik stor", "bilik piano",
           "loker tetamu", "kabin bot", "bilik bawah tanah", "peti alat"),
}  # fmt: skip
TELL = {
    "en": "Please remember this: the code word of the {thing} is {code}.",
    "ms": "Tolong ingat perkara ini: kata kod bagi {thing} ialah {code}.",
}
NOTED = {
    "en": "I have noted the code word of the {thing}.",
    "ms": "Saya sudah mencatat kata kod bagi {thing}.",
}
ASK = {
    "en": "What was the code word of the {thing} that I told you?",
    "ms": "Apakah kata kod bagi {thing} yang saya beritahu tadi?",
}
RECALL = {"en": "The code word of the {thing} is {code}.", "ms": "Kata kod bagi {thing} ialah {code}."}
SMALL_TALK = {
    "en": (
        (
            "How do I keep bread fresh?",
            "Keep it in a cloth bag at room temperature and slice it when you need it.",
        ),
        (
            "Why is the sky red at sunset?",
            "The light travels further through the air, which scatters the blue away.",
        ),
        (
            "Name a fruit rich in vitamin C.",
            "Guava is a good choice; it holds more of it than an orange does.",
        ),
        (
            "How long should I boil an egg?",
            "About seven minutes for a soft middle, and ten for a firm one.",
        ),
        (
            "What is a good pet for a small flat?",
            "A cat or a pair of finches needs little room and is easy to keep.",
        ),
        (
            "How can I sleep better?",
            "Go to bed at the same hour every night and leave the telephone outside.",
        ),
        ("Which plant likes shade?", "Ferns do well in the shade as long as the soil stays moist."),
        (
            "How do I clean a rusty pan?",
            "Scrub it with coarse salt and half a potato, then oil it lightly.",
        ),
        ("What should I pack for a hike?", "Take water, a hat, a rain jacket and something salty to eat."),
        (
            "How do I learn a song quickly?",
            "Sing it line by line, and do not go on before each line is safe.",
        ),
        (
            "Is green tea bitter?",
            "It turns bitter when the water is too hot or the leaves stay in too long.",
        ),
        (
            "How often should I water a cactus?",
            "Once in two or three weeks is enough, and less in cool months.",
        ),
    ),
    "ms": (
        (
            "Bagaimanakah cara menyimpan roti?",
            "Simpan roti di dalam beg kain dan potong apabila perlu.",
        ),
        (
            "Mengapakah langit merah waktu senja?",
            "Cahaya melalui lebih banyak udara, lalu warna biru terserak.",
        ),
        (
            "Namakan buah yang kaya dengan vitamin C.",
            "Jambu batu sesuai kerana vitamin C di dalamnya sangat banyak.",
        ),
        (
            "Berapa lamakah telur perlu direbus?",
            "Kira-kira tujuh minit jika mahu lembut dan sepuluh minit jika mahu keras.",
        ),
        ("Haiwan apakah sesuai di rumah kecil?", "Kucing sesuai kerana tidak memerlukan ruang yang luas."),
        (
            "Bagaimanakah saya boleh tidur lena?",
            "Tidurlah pada waktu yang sama setiap malam dan jauhkan telefon.",
        ),
        (
            "Tumbuhan apakah yang suka teduh?",
            "Paku pakis hidup subur di tempat teduh jika tanahnya lembap.",
        ),
        (
            "Bagaimanakah cara membersihkan kuali berkarat?",
            "Gosok dengan garam kasar, kemudian sapu minyak.",
        ),
        (
            "Apakah yang perlu dibawa semasa mendaki?",
            "Bawalah air, topi, baju hujan dan sedikit makanan masin.",
        ),
        (
            "Bagaimanakah cara menghafal lagu?",
            "Nyanyikan sebaris demi sebaris sehingga setiap baris lancar.",
        ),
        (
            "Adakah teh hijau pahit?",
            "Teh itu menjadi pahit jika airnya terlalu panas atau direndam terlalu lama.",
        ),
        (
            "Berapa kerapkah kaktus perlu disiram?",
            "Cukup sekali dalam dua atau tiga minggu.",
        ),
    ),
}
TALK_TURNS = (1, 2, 3)
"""Turns of small talk before the first, second and third question. So 3, 5 and 8 turns lie between a code word and
the question for it."""


def memory_items(seed: int = 0) -> list[Item]:
    """120 items; the items of all conversations of one point in the talk come before those of the next."""
    rng = random.Random(f"memory/{seed}")
    languages = [*SYSTEM] * CONVERSATIONS
    codes = code_words(3 * len(languages), rng)
    talks = [
        _conversation(language, number // 2 + 1, codes[3 * number : 3 * number + 3], rng)
        for number, language in enumerate(languages)
    ]
    return [*chain.from_iterable(zip(*talks, strict=True))]


def _conversation(language: str, number: int, codes: list[str], rng: random.Random) -> list[Item]:
    """The three items of one conversation, each with the whole history before it."""
    things = rng.sample(THINGS[language], 3)
    talk = iter(rng.sample(SMALL_TALK[language], sum(TALK_TURNS)))
    history = [Message(role="system", content=SYSTEM[language])]
    for thing, code in zip(things, codes, strict=True):
        history += _turn(TELL[language].format(thing=thing, code=code), NOTED[language].format(thing=thing))
    items: list[Item] = []
    for point, (thing, code) in enumerate(zip(things, codes, strict=True)):
        for _ in range(TALK_TURNS[point]):
            history += _turn(*next(talk))
        asked, recalled = ASK[language].format(thing=thing), RECALL[language].format(thing=thing, code=code)
        items.append(
            Item(
                id=f"memory-{language}-{number:02}-{point + 1}",
                messages=(*history, Message(role="user", content=asked)),
                expected_language=language,
                recalls=(code,),
                answer=recalled,
                tags=(
                    "memory",
                    language,
                    f"conversation-{language}-{number:02}",
                    f"turns-{len(history) // 2}",
                ),
                max_tokens=64,
            )
        )
        history += _turn(asked, recalled)
    return items


def _turn(asked: str, answered: str) -> list[Message]:
    return [Message(role="user", content=asked), Message(role="assistant", content=answered)]
