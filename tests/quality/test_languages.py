# ruff: noqa: E501 - tables of texts
"""The language of answers: whole corpora in both directions, mixed answers, other scripts, what a prompt demands."""

import random
import subprocess
import sys

import answer_corpus
import pytest
from parallel_sentences import REASONS, TECHNICAL

from servemark.domain.exchange import Exchange, Message
from servemark.quality.languages import demanded_language, wrong_language
from servemark.quality.tongues import GROUPS, LANGUAGES, SCRIPTS, WIDE, language_code, likely_languages

EACH = 400
OTHERS = {
    "fr": "La bonne réponse est celle qui parle de la pluie, parce que la récolte a été perdue à la fin de l'été.",
    "de": "Die richtige Antwort ist die zweite, weil die Ernte wegen des späten Regens ausgefallen ist.",
    "es": "La respuesta correcta es la segunda, porque la cosecha se perdió cuando la lluvia llegó demasiado tarde.",
    "it": "La risposta giusta è la seconda, perché il raccolto è andato perduto quando la pioggia è arrivata tardi.",
    "pt": "A resposta certa é a segunda, porque a colheita se perdeu quando a chuva chegou tarde demais.",
    "nl": "Het juiste antwoord is het tweede, omdat de oogst mislukte toen de regen veel te laat kwam.",
    "tl": "Ang tamang sagot ay ang ikalawa, dahil nasira ang ani nang huli nang dumating ang ulan sa nayon.",
    "vi": "Câu trả lời đúng là câu thứ hai, vì mùa màng thất bát khi mưa đến quá muộn trong năm đó.",
    "zh": "正确答案是第二个，因为雨来得太晚，庄稼歉收了。",
    "ja": "正しい答えは二番目です。雨が遅れて収穫がなくなったからです。",
    "ko": "정답은 두 번째입니다. 비가 너무 늦게 와서 수확이 실패했기 때문입니다.",
    "ar": "الإجابة الصحيحة هي الثانية لأن المحصول فشل عندما تأخر المطر كثيرا.",
    "ru": "Правильный ответ второй, потому что урожай погиб, когда дождь пришёл слишком поздно.",
    "ta": "மழை மிகவும் தாமதமாக வந்ததால் அறுவடை தோல்வியடைந்தது.",
    "hi": "सही उत्तर दूसरा है क्योंकि बारिश बहुत देर से आई और फसल खराब हो गई।",
    "th": "คำตอบที่ถูกต้องคือข้อสอง เพราะฝนมาช้าเกินไปทำให้เก็บเกี่ยวไม่ได้",
}


def said(answer, expected="en", **fields):
    return wrong_language(Exchange(id="x", expected_language=expected, answer=answer, **fields))


@pytest.mark.parametrize("language", answer_corpus.LANGUAGES)
def test_no_alarm_on_answers_in_the_language(language):
    rng = random.Random(11)
    for _ in range(EACH):
        drawn = answer_corpus.drawn(answer_corpus.STYLES, language, rng)
        assert wrong_language(drawn.exchange).defect is None, drawn


@pytest.mark.parametrize(("expected", "spoken"), [("en", "ms"), ("en", "id"), ("ms", "en"), ("id", "en")])
def test_every_answer_with_reasons_in_the_other_language_is_found(expected, spoken):
    rng = random.Random(12)
    styles = {
        key: tuple(each for each in rows if "{s}" in each) for key, rows in answer_corpus.STYLES.items()
    }
    for _ in range(EACH // 2):
        drawn = answer_corpus.drawn(styles, expected, rng, answered_in=spoken)
        found = wrong_language(drawn.exchange).defect
        assert found and found.severity == "major", drawn
        assert found.excerpt and found.excerpt.split()[0] in drawn.exchange.answer


def test_malay_for_indonesian_is_a_remark_only():
    rng = random.Random(13)
    rulings = [
        said(" ".join(answer_corpus.sentence("id", rng) for _ in range(5)), expected="ms")
        for _ in range(100)
    ]
    assert all(each.applied and each.defect is None for each in rulings)
    assert sum("Indonesian" in each.notes[0] for each in rulings if each.notes) >= 30
    malay = [
        said(" ".join(answer_corpus.sentence("ms", rng) for _ in range(5)), expected="ms")
        for _ in range(100)
    ]
    remarks = [each.notes[0] for each in malay if each.notes]
    assert not any("reads more like" in each for each in remarks)
    # lingua alone is less careful
    assert len(remarks) <= 5


@pytest.mark.parametrize(("code", "text"), OTHERS.items())
def test_other_languages_and_scripts(code, text):
    assert said(text, "en").defect, text
    assert said(text, "ms").defect, text
    assert said(text, code).defect is None
    if SCRIPTS[code] != SCRIPTS["en"]:
        assert said("The harvest failed because the rain came much too late.", code).defect


def test_share_of_a_mixed_answer():
    english = "The correct answer is the second one because the text says so."
    malay = "Penulis berasa bersyukur kepada jiran-jiran yang membantunya selepas banjir."
    half = said(f"{english} {malay}")
    assert half.defect and half.defect.excerpt == malay
    letters = [sum(map(str.isalpha, each)) for each in (english, malay)]
    assert f"{letters[1] / sum(letters):.0%} of {sum(letters)} letters" in half.defect.detail
    little = said(" ".join([english] * 5 + [malay]))
    assert little.defect is None and malay in little.notes[0]


@pytest.mark.parametrize(
    "answer",
    [
        "B", "Answer: B", "Jawapan: B", "Jawapan: B. Kuala Lumpur", "**Jawapan:** (C)", "1957", "42 km", "Ya.", "", "   ",
        "`jawapan = semua_orang`", "```python\nuntuk setiap orang dalam senarai yang ada\n```", "$x = y$", "https://contoh.my/soalan/ini-itu",
        "Tunku Abdul Rahman Putra", "Dato' Onn Jaafar, Tan Cheng Lock, V. T. Sambanthan",
    ],
)  # fmt: skip
def test_what_is_no_prose_is_not_judged(answer):
    assert not said(answer).applied


@pytest.mark.parametrize(
    "answer",
    [
        "The writer quotes a proverb: \"Bagai aur dengan tebing, kita saling membantu antara satu sama lain\".",
        "The word 'kesyukuran' in line 4 means gratitude.",
        "Tunku Abdul Rahman Putra Al-Haj declared independence at Stadium Merdeka in Kuala Lumpur.",
        "The Sejarah Melayu and the Hikayat Hang Tuah are the two works that are mentioned.",
        "The dish is called nasi lemak, and it is eaten with sambal and ikan bilis in the morning.",
        "> Penulis berasa bersyukur kepada jiran-jiran yang membantunya.\n\nThese lines show her gratitude to them.",
        "Parti Komunis Malaya started an armed struggle in 1948.",
        '{"answer": "B", "explanation": "The rain came too late for the harvest."}',
    ],
)  # fmt: skip
def test_quotations_and_names_do_not_make_english_malay(answer):
    assert said(answer).defect is None


@pytest.mark.parametrize(
    ("language", "answer"),
    [
        ("ms", "Machine learning, deep learning, data science, artificial intelligence."),
        ("ms", "Langkah:\n1. Download installer\n2. Run setup.exe\n3. Click Next\n4. Restart computer"),
        ("ms", "Sila pilih antara option berikut: save as draft, publish now, schedule post, delete post."),
        ("ms", "Bendera itu dikibarkan di Dataran Merdeka. (The flag was raised at Merdeka Square.)"),
        ("ms", "Filem The Lord of the Rings dan Star Wars sangat popular."),
        ("en", "kerajaan: government\nrakyat: people\nperlembagaan: constitution\nkeadilan: justice"),
        (
            "en",
            "Popular dishes:\n- Nasi lemak\n- Roti canai\n- Char kway teow\n- Laksa Johor\n- Asam pedas",
        ),
        (
            "en",
            "The Malayan Union (Kesatuan Malaya) replaced the Rulers' Council (Majlis Raja-Raja Melayu) in 1946.",
        ),
        ("en", "Bahasa Melayu is the national language; Bahasa jiwa bangsa is its motto."),
    ],
)
def test_lists_of_terms_and_asides_are_no_sentences(language, answer):
    assert said(answer, language).defect is None


def test_a_sentence_that_changes_its_language_is_judged_in_parts():
    answer = "The correct answer is B because Parti Komunis Malaya menentang penjajahan selepas Perang Dunia Kedua."
    found = said(answer).defect
    assert found and found.excerpt.startswith("because Parti Komunis Malaya")
    assert said(answer, "ms").defect is None and "read as English" in said(answer, "ms").notes[0]


def test_loan_words_do_not_make_malay_english():
    for _, malay, indonesian in TECHNICAL:
        for text in (malay, indonesian):
            assert said(text, "ms").defect is None, text


def test_what_stands_in_the_prompt_is_a_quotation():
    malay = REASONS[2][1].rstrip(".")
    prompt = (Message(role="user", content=f"Translate and explain this sentence for me: {malay}."),)
    answer = f"It says that she is grateful to them.\n{malay}"
    assert said(answer, messages=prompt).defect is None
    assert said(answer).defect


def test_reasons_count_where_the_answer_is_only_a_choice():
    malay = " ".join(row[1] for row in REASONS[:3]).replace("{name}", "Aisyah").replace("{year}", "1956")
    assert said("B", reasoning=malay).defect
    assert not said("B", reasoning=malay, thoughts=True).applied


@pytest.mark.parametrize(
    ("system", "code"),
    [
        ("You are a teacher. Reply in English only.", "en"),
        ("Always respond in Malay.", "ms"),
        ("Jawab dalam Bahasa Melayu sahaja.", "ms"),
        ("Jawab semua soalan dalam bahasa Inggeris.", "en"),
        ("Jawablah dalam bahasa Indonesia.", "id"),
        ("Your answers must be in French.", "fr"),
        (
            "Reply in English if the question is in English. Reply in Malay if the question and context are in Malay.",
            None,
        ),
        ("Jika soalan dalam bahasa Melayu, jawab dalam bahasa Melayu.", None),
        ("Reply in English or Malay.", None),
        ("Reply in the same language as the question, English or Malay.", None),
        ('Explain the sentence "Reply in English".', None),
        ("You are an expert in English literature.", None),
        ("Reply in English. Then answer in Malay.", None),
        ("Never answer in Malay.", None),
        ("", None),
    ],
)
def test_only_a_plain_demand_is_taken_as_expected(system, code):
    assert demanded_language(Exchange(id="x", system=system)) == code


def test_a_demand_is_judged_like_an_expectation():
    answer = "Penulis berasa bersyukur kepada jiran-jiran yang membantunya selepas banjir."
    exchange = Exchange(id="x", system="Reply in English.", answer=answer)
    assert wrong_language(exchange).defect
    assert not wrong_language(Exchange(id="x", answer=answer)).applied


def test_every_code_is_known_to_the_model():
    assert set(likely_languages("a sentence in some language", frozenset(LANGUAGES))) == set(LANGUAGES)
    assert all(len(code) == 2 and SCRIPTS[code] for code in LANGUAGES)
    assert {code for group in GROUPS for code in group} | set(WIDE) <= set(LANGUAGES)


@pytest.mark.parametrize(
    ("text", "code"),
    [("en", "en"), ("MS", "ms"), ("en-US", "en"), ("zh_CN", "zh"), ("Malay", "ms"), ("Bahasa Melayu", "ms"), ("xx", None), ("", None),
     ("Klingon", None)],
)  # fmt: skip
def test_language_codes(text, code):
    assert language_code(text) == code


def test_the_model_loads_on_first_use_only():
    script = (
        "import servemark.quality.languages as l, servemark.quality.tongues as t\n"
        "from servemark.domain.exchange import Exchange\n"
        "assert t._whole.cache_info().currsize == 0\n"
        "assert l.wrong_language(Exchange(id='x', expected_language='en', answer='正确答案是第二个，因为雨来得太晚。')).defect\n"
        "assert t._whole.cache_info().currsize == 0\n"
        "assert not l.wrong_language(Exchange(id='x', expected_language='en', answer='He was tired but happy.')).defect\n"
        "assert t._whole.cache_info().currsize == 1\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True)
