"""Plausible text without meaning for the question: the haystack around a needle, in English and Malay.

A year in a market town, told from a seed. No two sentences of one text are alike, and none holds a code.
"""

from __future__ import annotations

import random
from collections.abc import Iterator

NAMES = (
    "Aminah", "Hassan", "Mei Ling", "Ravi", "Siti", "Jamal", "Kavitha", "Chong", "Fatimah", "Daniel",
    "Zainal", "Priya", "Weng", "Halimah", "Suresh", "Nora", "Azlan", "Lucia", "Rahim", "Swee Lan",
)  # fmt: skip
WORDS = {
    "en": {
        "place": ("the old market", "the ferry jetty", "the bakery", "the school hall", "the rice mill", "the clinic",
                  "the bus station", "the library", "the fish stalls", "the post office", "the boatyard",
                  "the tea house"),
        "thing": ("baskets of mangoes", "rolls of cotton", "sacks of rice", "clay jars", "boxes of candles",
                  "bundles of cane", "crates of limes", "tins of paint", "coils of rope", "trays of eggs",
                  "bags of charcoal", "jars of honey"),
        "weather": ("a light rain", "a dry wind", "thick mist", "bright sun", "a short storm", "heavy heat"),
        "day": ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"),
        "work": ("repaired the roof", "painted the shutters", "swept the yard", "counted the stock",
                 "mended the nets", "cleaned the drains", "moved the benches", "wrote up the accounts"),
    },
    "ms": {
        "place": ("pasar lama", "jeti feri", "kedai roti", "dewan sekolah", "kilang padi", "klinik desa",
                  "stesen bas", "perpustakaan", "gerai ikan", "pejabat pos", "limbungan perahu", "kedai teh"),
        "thing": ("bakul mangga", "gulung kain kapas", "guni beras", "tempayan tanah liat", "kotak lilin",
                  "berkas rotan", "peti limau", "tin cat", "gulung tali", "dulang telur", "karung arang",
                  "balang madu"),
        "weather": ("hujan renyai", "angin kering", "kabus tebal", "cahaya matahari yang terik", "ribut singkat",
                    "bahang yang kuat"),
        "day": ("Isnin", "Selasa", "Rabu", "Khamis", "Jumaat", "Sabtu", "Ahad"),
        "work": ("membaiki bumbung", "mengecat tingkap", "menyapu halaman", "mengira stok", "menjahit pukat",
                 "membersihkan longkang", "mengalihkan bangku", "menyemak akaun"),
    },
}  # fmt: skip
SENTENCES = {
    "en": (
        "On {day} {name} carried {n} {thing} to {place} and came home before dark.",
        "There was {weather} over the town, and few people walked as far as {place}.",
        "{name} and {other} {work} at {place} for {n} hours without a rest.",
        "The children waited near {place} until {name} brought them something to eat.",
        "Nobody could say why {place} had closed on a {day}, least of all {name}.",
        "{name} sold {n} {thing} that week, which was more than {other} had hoped for.",
        "After {weather} in the morning, the road to {place} was easy to walk again.",
        "A letter for {name} lay at {place} for {n} days before anyone noticed it.",
        "{other} thought that {name} had {work}, but the work was only half done.",
        "By {day} the {n} {thing} were gone, and {place} looked empty.",
        "{name} likes to sit behind {place} and listen to {other} tell old stories.",
        "The bell rang {n} times, so {name} closed the books and went to {place}.",
        "It took {n} people to move the {thing} from the lorry to {place}.",
        "{name} learned the trade from {other}, who once {work} in a single night.",
        "In the evening {name} lit a lamp and wrote a few lines about {place}.",
        "The {thing} arrived on {day}, {n} days later than {other} had promised.",
        "Through {weather}, {name} could just see the lights of {place}.",
        "{other} asked for {n} {thing}, yet {name} had kept only a few.",
        "Everyone agreed that {place} should open earlier on {day}, even {name}.",
        "{name} paid {n} ringgit for the repairs at {place} and said no more about it.",
    ),
    "ms": (
        "Pada hari {day}, {name} membawa {n} {thing} ke {place} dan pulang sebelum malam.",
        "Kerana {weather} di pekan itu, tidak ramai orang berjalan hingga ke {place}.",
        "{name} dan {other} {work} di {place} selama {n} jam tanpa berehat.",
        "Kanak-kanak menunggu berhampiran {place} sehingga {name} membawa makanan untuk mereka.",
        "Tiada sesiapa yang tahu sebab {place} ditutup pada hari {day}, termasuk {name}.",
        "{name} menjual {n} {thing} pada minggu itu, lebih banyak daripada jangkaan {other}.",
        "Selepas {weather} pada waktu pagi, jalan ke {place} mudah dilalui semula.",
        "Surat untuk {name} terletak di {place} selama {n} hari sebelum ada yang perasan.",
        "{other} menyangka {name} sudah {work}, tetapi kerja itu baru separuh siap.",
        "Menjelang hari {day}, {n} {thing} itu sudah habis dan {place} kelihatan kosong.",
        "{name} suka duduk di belakang {place} sambil mendengar {other} bercerita.",
        "Loceng berbunyi {n} kali, lalu {name} menutup buku dan pergi ke {place}.",
        "Seramai {n} orang diperlukan untuk memindahkan {thing} dari lori ke {place}.",
        "{name} belajar daripada {other}, yang pernah {work} dalam satu malam sahaja.",
        "Pada waktu petang, {name} menyalakan pelita dan menulis sedikit tentang {place}.",
        "{n} {thing} tiba pada hari {day}, lewat daripada janji {other}.",
        "Walaupun ada {weather}, {name} masih dapat melihat lampu di {place}.",
        "{other} meminta {n} {thing}, tetapi {name} hanya menyimpan beberapa sahaja.",
        "Semua orang bersetuju bahawa {place} patut dibuka lebih awal pada hari {day}, termasuk {name}.",
        "{name} membayar {n} ringgit untuk kerja di {place} dan tidak berkata apa-apa lagi.",
    ),
}


def sentences(language: str, rng: random.Random) -> Iterator[str]:
    """Sentences without end, none twice, each template once before any comes again."""
    words, seen = WORDS[language], set[str]()
    while True:
        for template in rng.sample(SENTENCES[language], len(SENTENCES[language])):
            name, other = rng.sample(NAMES, 2)
            picked = {kind: rng.choice(choices) for kind, choices in words.items()}
            text = template.format(name=name, other=other, n=rng.randint(2, 48), **picked)
            if text not in seen:
                seen.add(text)
                yield text[0].upper() + text[1:]


def haystack(language: str, words: int, rng: random.Random) -> list[str]:
    """Sentences of at least so many words together."""
    out: list[str] = []
    count = 0
    for sentence in sentences(language, rng):
        if count >= words:
            break
        out.append(sentence)
        count += len(sentence.split())
    return out
