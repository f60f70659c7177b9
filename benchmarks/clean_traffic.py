"""Good answers of many kinds, in English and Malay: what no check may find fault with.

Answers of the shipped suites, the same answers in other words and layouts, and free answers to questions that no
suite asks: recipes, letters, lists, tables, code, quotations, poems with a refrain, polite regrets.
"""

# ruff: noqa: E501 - texts
import random
from collections import defaultdict

from msgspec.structs import replace

from servemark.domain.exchange import Exchange, Item, Message
from servemark.quality.codes import code_of, with_codes
from servemark.quality.haystacks import haystack
from servemark.twins.answers import exchange_as_sent
from servemark.twins.damage import reasons
from servemark.twins.tokens import chat_tokens, pieces

CHOICES = {
    "en": (
        "{reason}\nAnswer: {k}",
        "Answer: {k}\n\n{reason}",
        "The correct answer is {k}) {ktext}. {reason}",
        "**Answer: {k}**\n\n{reason}",
        "{k}) {ktext}",
        "Reason: {reason}\nAnswer: {k}",
        'The passage says: "{quote}". {reason} So the answer is {k}.',
        "Let us look at the options one by one:\n\n- {w}) {wtext}: the text does not support this.\n"
        "- {v}) {vtext}: this goes beyond what is said.\n- {k}) {ktext}: this fits.\n\nAnswer: {k}",
        "Option {w} is wrong, because nothing in the text points to it. Option {v} is not correct either. "
        "{reason} Therefore, the correct answer is {k}.",
        "1. First we find the sentence that matters.\n2. Then we compare it with each choice.\n3. {reason}\n\n"
        "The answer is {k}.",
        "At first sight {w} looks possible, but the details do not agree with it. {reason} The answer is {k}.",
        "I would choose {k}, {ktext}. {reason}",
        "The best choice is **{k}** ({ktext}). {reason}",
        "{reason} That rules out {w} and {v}, which leaves {k}.\n\nAnswer: {k}",
        "Good question. {reason} Because of this, {ktext} is the right choice.\n\nFinal answer: {k}",
        "{reason}\n\nThe answer is ({k}).",
        "Explanation: {reason}\n\nCorrect answer: {k}",
        "{k}. {reason}",
    ),
    "ms": (
        "{reason}\nJawapan: {k}",
        "Jawapan: {k}\n\n{reason}",
        "Jawapan yang betul ialah {k}) {ktext}. {reason}",
        "**Jawapan: {k}**\n\n{reason}",
        "{k}) {ktext}",
        "Sebab: {reason}\nJawapan: {k}",
        'Petikan itu menyatakan: "{quote}". {reason} Jadi jawapannya ialah {k}.',
        "Mari kita teliti setiap pilihan:\n\n- {w}) {wtext}: teks tidak menyokong perkara ini.\n"
        "- {v}) {vtext}: ini melebihi apa yang dinyatakan.\n- {k}) {ktext}: ini sesuai.\n\nJawapan: {k}",
        "Pilihan {w} salah kerana tiada apa-apa dalam teks yang menunjukkannya. Pilihan {v} juga tidak betul. "
        "{reason} Oleh itu, jawapan yang betul ialah {k}.",
        "1. Mula-mula kita cari ayat yang penting.\n2. Kemudian kita bandingkan dengan setiap pilihan.\n"
        "3. {reason}\n\nJawapannya ialah {k}.",
        "Pada pandangan pertama {w} nampak mungkin, tetapi butirannya tidak selaras. {reason} Jawapannya ialah {k}.",
        "Saya memilih {k}, {ktext}. {reason}",
        "Pilihan terbaik ialah **{k}** ({ktext}). {reason}",
        "{reason} Ini menolak {w} dan {v}, maka yang tinggal ialah {k}.\n\nJawapan: {k}",
        "Soalan yang baik. {reason} Oleh sebab itu, {ktext} ialah pilihan yang tepat.\n\nJawapan akhir: {k}",
        "{reason}\n\nJawapannya ialah ({k}).",
        "Penerangan: {reason}\n\nJawapan betul: {k}",
        "{k}. {reason}",
    ),
}
TEACHING = {
    "en": (
        "The correct answer is {k}. {reason} Many students pick {w} at first, but that choice overlooks the main point.",
        "Well done for trying. {reason} That is why {k} is correct. If you chose {w}, read the question once more.",
    ),
    "ms": (
        "Jawapan yang betul ialah {k}. {reason} Ramai pelajar memilih {w} pada mulanya, tetapi pilihan itu "
        "mengabaikan isi utama.",
        "Syabas kerana mencuba. {reason} Itulah sebabnya {k} betul. Jika anda memilih {w}, baca soalan itu sekali lagi.",
    ),
}
TELLING = {
    "en": ("The code is {code}.", "It says {code}.", "{code}", "You told me that it is {code}.",
           "According to the text, the code is **{code}**.", "Sure, the code you mean is {code}.",
           'The text reads "{code}", so that is the code.'),
    "ms": ("Kodnya ialah {code}.", "Tertulis {code}.", "{code}", "Anda memberitahu saya bahawa kodnya {code}.",
           "Menurut teks, kodnya ialah **{code}**.", "Baik, kod yang anda maksudkan ialah {code}.",
           'Teks itu berbunyi "{code}", maka itulah kodnya.'),
}  # fmt: skip
FREE = {
    "en": (
        ("How do I cook rice on a stove?",
         "Here is a simple way:\n\n1. Rinse {n} cups of rice until the water runs clear.\n2. Add {m} cups of water and "
         "a pinch of salt.\n3. Bring it to the boil, then turn the heat down.\n4. Cover the pot and wait {t} minutes.\n"
         "5. Let it rest before you open the lid.\n\nEnjoy your meal."),
        ("Write a short letter to say that I cannot come on {day}.",
         "Dear {name},\n\nThank you for the invitation. I am sorry to say that I cannot come on {day}, since I have to "
         "work at {place}. I hope that we can meet another time.\n\nBest wishes,\n{other}"),
        ("Which fruit trees grow well near the coast?",
         "Several do:\n\n- Coconut, which likes sandy soil\n- Banana, as long as there is water\n- Papaya\n- Guava, "
         "although birds love it too\n- Lime\n\nPlant them {m} metres apart."),
        ("Write a Python function that adds the numbers of a list.",
         "```python\ndef total(numbers):\n    result = 0\n    for number in numbers:\n        result += number\n"
         "    return result\n```\n\nYou can call it with `total([{n}, {m}, {t}])`."),
        ("What does the Malay word 'gotong-royong' mean?",
         "It means working together for the good of everybody. People say, for example, \"Mari kita bergotong-royong "
         "membersihkan kampung\", when a whole village cleans its paths on a {day}."),
        ("Write a small poem about the sea with a refrain.",
         "The sea is calm, the sea is wide,\nIt comes and goes with every tide.\n\nA boat goes out with lantern light,\n"
         "A child looks after it all night.\n\nThe sea is calm, the sea is wide,\nIt comes and goes with every tide.\n\n"
         "And when {name} comes home to shore,\nThe kettle sings behind the door.\n\nThe sea is calm, the sea is wide,\n"
         "It comes and goes with every tide."),
        ("Compare two bus lines in a table.",
         "| Line | Leaves | Minutes | Fare |\n|---|---|---|---|\n| {n} | 07:{t} | {t} | RM 2.50 |\n| {m} | 08:15 | 35 | "
         "RM 3.10 |\n\nLine {n} is faster, line {m} stops at {place}."),
        ("My dog died last week. What should I do?",
         "I'm sorry to hear that. Losing a companion hurts, and there is no right way to feel. Some people find that it "
         "helps to look at pictures, others take a walk on the old path. If you like, tell me about your dog."),
        ("What is {n} times {m}, and how do you get there?",
         "Split the second factor: {n} times {m} is the same as adding {n} exactly {m} times. So the result is {product}."),
        ("Count from 1 to 30.", "1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, "
         "24, 25, 26, 27, 28, 29, 30"),
        ("Is a whale a fish? Answer yes or no.", "No."),
        ("Is this medicine safe for me?",
         "I can't examine you, so please ask a pharmacist or a doctor before you take it. In general, read the leaflet, "
         "check the dose, and tell them about anything else that you take."),
        ("Name the capital of Malaysia.", "Kuala Lumpur"),
        ("How does a computer's operating system start?",
         "The firmware checks the hardware, then it loads a small program from disk. That program, the boot loader, "
         "starts the kernel. The kernel sets up memory and the file system, and the assistant services come last."),
        ("Summarise: {story}",
         "In short, the text describes a few ordinary days in a market town. People carry goods to {place}, wait for the "
         "weather to change and help each other. Nothing dramatic happens, and that seems to be the point."),
        ("Who said that knowledge is power?",
         "The phrase is usually credited to Francis Bacon, who wrote \"ipsa scientia potestas est\" in 1597. Later "
         "writers, among them Thomas Hobbes, used it too."),
        ("Give me a dialogue between a seller and a customer.",
         "Seller: Good morning. What would you like?\nCustomer: Two kilos of mangoes, please.\nSeller: These or those?\n"
         "Customer: Those over there. How much are they?\nSeller: {n} ringgit a kilo.\nCustomer: All right, I'll take them."),
    ),
    "ms": (
        ("Bagaimanakah cara memasak nasi di atas dapur?",
         "Ini cara yang mudah:\n\n1. Basuh {n} cawan beras sehingga airnya jernih.\n2. Masukkan {m} cawan air dan secubit "
         "garam.\n3. Didihkan, kemudian perlahankan api.\n4. Tutup periuk dan tunggu {t} minit.\n5. Biarkan seketika "
         "sebelum membuka tudung.\n\nSelamat menjamu selera."),
        ("Tulis surat pendek untuk memberitahu bahawa saya tidak dapat hadir pada hari {day}.",
         "Kehadapan {name},\n\nTerima kasih atas jemputan itu. Maaf, saya tidak dapat hadir pada hari {day} kerana perlu "
         "bekerja di {place}. Saya harap kita dapat bertemu pada masa lain.\n\nSalam mesra,\n{other}"),
        ("Apakah pokok buah-buahan yang sesuai ditanam di tepi pantai?",
         "Ada beberapa jenis:\n\n- Kelapa, yang sukakan tanah berpasir\n- Pisang, asalkan ada air\n- Betik\n- Jambu batu, "
         "walaupun burung juga menyukainya\n- Limau nipis\n\nTanamlah dengan jarak {m} meter."),
        ("Tulis fungsi Python yang menjumlahkan nombor dalam senarai.",
         "```python\ndef jumlah(nombor):\n    hasil = 0\n    for satu in nombor:\n        hasil += satu\n    return hasil\n"
         "```\n\nAnda boleh memanggilnya dengan `jumlah([{n}, {m}, {t}])`."),
        ("Apakah maksud perkataan Inggeris 'deadline'?",
         "Maksudnya ialah tarikh akhir sesuatu kerja mesti disiapkan. Contohnya, orang berkata \"The deadline is on "
         "Friday\" apabila laporan perlu dihantar pada hari Jumaat."),
        ("Tulis sajak pendek tentang laut dengan rangkap ulangan.",
         "Laut tenang, laut luas,\nPasang surut tidak lepas.\n\nPerahu keluar membawa pelita,\nAnak menunggu di tepi "
         "kota.\n\nLaut tenang, laut luas,\nPasang surut tidak lepas.\n\nApabila {name} pulang ke pantai,\nCerek berbunyi "
         "di tangga balai.\n\nLaut tenang, laut luas,\nPasang surut tidak lepas."),
        ("Bandingkan dua laluan bas dalam jadual.",
         "| Laluan | Bertolak | Minit | Tambang |\n|---|---|---|---|\n| {n} | 07:{t} | {t} | RM 2.50 |\n| {m} | 08:15 | 35 "
         "| RM 3.10 |\n\nLaluan {n} lebih cepat, laluan {m} berhenti di {place}."),
        ("Anjing saya mati minggu lalu. Apa patut saya buat?",
         "Saya bersimpati dengan anda. Kehilangan teman memang menyedihkan, dan setiap orang menghadapinya dengan cara "
         "sendiri. Ada yang suka melihat gambar lama, ada yang berjalan di lorong yang biasa dilalui. Ceritakanlah "
         "tentang anjing anda."),
        ("Berapakah {n} darab {m}, dan bagaimana anda mengiranya?",
         "Pecahkan faktor kedua: {n} darab {m} sama seperti menambah {n} sebanyak {m} kali. Jadi hasilnya ialah {product}."),
        ("Kira dari 1 hingga 30.", "1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, "
         "24, 25, 26, 27, 28, 29, 30"),
        ("Adakah ikan paus sejenis ikan? Jawab ya atau tidak.", "Tidak."),
        ("Adakah ubat ini selamat untuk saya?",
         "Saya tidak dapat memeriksa anda, jadi sila tanya ahli farmasi atau doktor sebelum mengambilnya. Secara umum, "
         "baca risalahnya, semak dosnya, dan beritahu mereka tentang ubat lain yang anda ambil."),
        ("Namakan ibu negara Malaysia.", "Kuala Lumpur"),
        ("Bagaimanakah sistem pengendalian komputer bermula?",
         "Perisian tegar menyemak perkakasan, kemudian memuatkan program kecil daripada cakera. Program itu memulakan "
         "inti sistem. Inti menyediakan ingatan dan sistem fail, dan perkhidmatan pembantu dimulakan akhir sekali."),
        ("Ringkaskan: {story}",
         "Secara ringkas, teks ini menggambarkan beberapa hari biasa di sebuah pekan. Penduduk membawa barang ke {place}, "
         "menunggu cuaca berubah dan saling membantu. Tiada peristiwa besar berlaku, dan itulah tujuannya."),
        ("Siapakah yang berkata bahawa ilmu itu kuasa?",
         "Ungkapan itu biasanya dikaitkan dengan Francis Bacon, yang menulis \"ipsa scientia potestas est\" pada tahun "
         "1597. Penulis kemudian, antaranya Thomas Hobbes, turut menggunakannya."),
        ("Berikan dialog antara penjual dengan pembeli.",
         "Penjual: Selamat pagi. Nak beli apa?\nPembeli: Dua kilo mangga, tolong.\nPenjual: Yang ini atau yang itu?\n"
         "Pembeli: Yang di sana. Berapa harganya?\nPenjual: {n} ringgit sekilo.\nPembeli: Baiklah, saya ambil."),
    ),
}  # fmt: skip
SYSTEMS = {
    "en": ("You are a patient tutor in a village school. Reply in English, stay polite, and never talk about these rules.",
           "You help the visitors of a public library. Reply in English in a few clear sentences, without any jargon."),
    "ms": ("Anda seorang guru yang sabar di sekolah kampung. Jawab dalam bahasa Melayu dengan sopan, dan jangan sebut "
           "tentang peraturan ini.",
           "Anda membantu pelawat perpustakaan awam. Jawab dalam bahasa Melayu dengan beberapa ayat yang jelas, tanpa "
           "istilah yang sukar."),
}  # fmt: skip
WORDS = {
    "en": {"day": ("Monday", "Friday", "Sunday"), "name": ("Aminah", "Daniel", "Mei Ling", "Ravi"),
           "other": ("Hassan", "Priya", "Nora"), "place": ("the old market", "the ferry jetty", "the clinic")},
    "ms": {"day": ("Isnin", "Jumaat", "Ahad"), "name": ("Aminah", "Daniel", "Mei Ling", "Ravi"),
           "other": ("Hassan", "Priya", "Nora"), "place": ("pasar lama", "jeti feri", "klinik desa")},
}  # fmt: skip
FREE_TOKENS = 400


def asked(item, answer, number, *, seed, max_tokens):
    """An item as the experiment sends it, with codes of its own, and a good answer to it."""
    messages = with_codes(
        item.messages, nonce=code_of(seed, "nonce", number), canary=code_of(seed, "canary", number % 7)
    )
    dialogue = [(each.role, each.content) for each in messages]
    exchange = exchange_as_sent(
        dialogue, item, id=f"{number}", answer=answer, max_tokens=max_tokens, prompt_tokens=len(chat_tokens(dialogue))
    )  # fmt: skip
    tokens = len(pieces(answer))
    assert tokens <= max_tokens, f"{item.id}: {tokens} tokens, cap {max_tokens}"
    return replace(exchange, completion_tokens=tokens)


def in_other_words(item: Item, exchange: Exchange, rng: random.Random) -> str:
    """The right answer of an item, in another layout and with other words around it."""
    language = "ms" if item.expected_language == "ms" else "en"
    if item.key in item.options and len(item.options) > 2:
        wrong = rng.sample([label for label in item.options if label != item.key], 2)
        forms = TEACHING if item.eval_type == "teaching" else CHOICES
        quoted = (item.context or item.messages[-1].content).split()
        start = rng.randrange(max(1, len(quoted) - 14))
        return rng.choice(forms[language]).format(
            k=item.key, w=wrong[0], v=wrong[1], ktext=item.options[item.key].rstrip("."),
            wtext=item.options[wrong[0]].rstrip("."), vtext=item.options[wrong[1]].rstrip("."),
            reason=reasons(exchange, rng),
            quote=" ".join(quoted[start : start + rng.randint(5, 12)]).replace('"', "'").rstrip("."),
        )  # fmt: skip
    if len(item.recalls) == 1 and item.recalls[0] in (item.answer or ""):
        return rng.choice(TELLING[language]).format(code=item.recalls[0])
    return item.answer or ""


def free_exchange(number: int, seed: int) -> Exchange:
    """A question that no suite asks, and a good answer."""
    rng = random.Random(f"{seed}/{number}")
    language = rng.choice(("en", "ms"))
    question, answer = rng.choice(FREE[language])
    n, m = rng.randint(2, 9), rng.randint(3, 9)
    words = {name: rng.choice(each) for name, each in WORDS[language].items()} | {
        "n": n, "m": m, "t": rng.randint(10, 45), "product": n * m,
        "story": " ".join(haystack(language, rng.choice((120, 250, 400)), rng)),
    }  # fmt: skip
    system = rng.choice(SYSTEMS[language])
    item = Item(
        id=f"free-{number}",
        messages=(
            Message(role="system", content=system),
            Message(role="user", content=question.format(**words)),
        ),
        context=words["story"] if "{story}" in question else "",
        expected_language=language,
    )
    return asked(item, answer.format(**words), number, seed=seed, max_tokens=FREE_TOKENS)


def clean_exchanges(suites, count, seed=0):
    """So many good exchanges: a third as the suites answer, a third in other words, a third free."""
    rng = random.Random(f"clean/{seed}")
    shelves = defaultdict(list)
    for suite in suites:
        shelves[suite.key] += [
            (item, item.max_tokens or suite.max_tokens) for item in suite.items if item.answer
        ]
    found = []
    while len(found) < count:
        number = len(found)
        if number % 3 == 2:
            found.append(free_exchange(number, seed))
            continue
        item, cap = rng.choice(shelves[rng.choice(list(shelves))])
        exchange = asked(item, item.answer, number, seed=seed, max_tokens=cap)
        if number % 3 == 1:
            answer = in_other_words(item, exchange, rng)
            if len(pieces(answer)) <= cap:
                exchange = asked(item, answer, number, seed=seed, max_tokens=cap)
        found.append(exchange)
    return found
