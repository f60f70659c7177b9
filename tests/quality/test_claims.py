# ruff: noqa: E501 - tables of texts
"""Which option a text claims: the forms of three languages, and what claims nothing."""

import random

import answer_corpus
import pytest
from hypothesis import given
from hypothesis import strategies as st

from servemark.quality.choices import final_claim
from servemark.quality.claims import claims_of, option_of_text, without_answer_lines

OPTIONS = {"A": "Pests", "B": "War", "C": "Late rain", "D": "A fire"}
CHOOSES_C = (
    "C", "(C)", "C.", "C)", "[C]", '"C"', "**C**", "c", "(c)", "c)", "C: Late rain", "C - Late rain", "**C) Late rain**", "4) C",
    "Soalan 4: C", "Q4. C", "Definitely C.", "Thus (C).", "Therefore: C", "Maka, C.", "$\\boxed{C}$", "<answer>C</answer>",
    "Answer: C", "answer: c", "ANSWER: C", "Ans: C", "Ans. C", "Answer – C", "answer = C", "Answer is C", "My answer: C",
    "Final answer: C", "Correct option: C", "Selected option: C", "The answer is C.", "The answer is (C).",
    "The answer is C because of the rain", "The correct answer is option C", "The correct answer is **C) Late rain**.",
    "The answer to this question is **C**.", "The right choice here is C.", "The correct answer is:\n\nC) Late rain",
    "### Answer\n\nC", "## Final Answer:\n**C**", "The answer must therefore be C.", "The answer can only be C.",
    "The most appropriate answer would be C) Late rain.", "I believe the correct answer is C.", "I think the answer is C.",
    "I'd go with C.", "I choose C since it rained.", "So it is C.", "It's C.", "It rained too late, so C.", "Hence, C is the answer.",
    "Option C is correct", "Option C it is.", "Option C is the only one supported by the text.", "Option C best describes the reason.",
    "Only option C is correct.", "Only C is supported, so the answer is C.", "C is the most accurate.", "C is the only option that fits.",
    "Although B is close, C is the most accurate.", "In my opinion C is the right answer.", "Neither A nor B fits, so C.",
    "A and B are wrong. D is too extreme. C it is.", "The answer is not B but C.", "The correct answer is not A; it is C.",
    "The correct answer is C, not A.", "I am happy to help you understand the correct answer, C.",
    "Late rain", "The late rain.", "Answer: Late rain", "The correct answer is late rain.", "It was late rain that ruined it.",
    "Jawapan: C", "JAWAPAN: C", "Jawapan akhir: C", "Jawapan ialah C", "Jawapan yang betul ialah C", "Jawapan: C (Hujan lewat)",
    "Jawapan yang paling tepat ialah pilihan C.", "Jawapan bagi soalan ini ialah C", "Jawapan kepada soalan 3 ialah C.",
    "Jawapan yang dipilih ialah C.", "Pilihan jawapan yang paling sesuai ialah C", "Jawapan yang betul ialah:\n\n**C) Late rain**",
    "Yang betul ialah C", "Pilihan terbaik: C", "Pilihan C", "Pilihan C tepat.", "Pilihan C paling sesuai.", "Hanya pilihan C yang betul.",
    "C kerana hujan lewat", "Saya akan memilih pilihan C.", "Saya rasa jawapannya ialah C.", "Jadi jawapannya C",
    "Jawapannya bukan B tetapi C.", "Jawapan saya ialah C, bukan A.", "Jawapan A tidak tepat, jawapan C tepat.",
    "Jawabannya C", "Jawaban: c", "Kunci jawaban: C", "jawaban yang tepat yaitu C", "Pilihan yang tepat adalah huruf C",
    "Jawabannya bukan B melainkan C.", "C merupakan jawaban yang tepat.", "Menurut saya, jawabannya adalah C.",
    "C\n\nA is incorrect because it is not said.\nB is incorrect because it came later.",
    "Option A: no. Option B: no. Option C: yes. Option D: no.\n\nFinal Answer: C",
    "A. Pests - not mentioned.\nB. War - came later.\nC. Late rain - correct.\nD. A fire - no.\n\nAnswer: C",
    "Is it A? No, that is too early. The answer is C.", "Why is A not the answer? Because it is not said. The answer is C.",
    "You may think the answer is A. However, the correct answer is C.", "The answer would be A if it had rained.\nAnswer: C",
    "C. Angkor Wat was built for the king.", "- A) It is too weak: no.\n- C) It has steps: this fits.\n\nAnswer: C", "I would choose C, A coin.",
    "I would choose C, 14. It is the sum.", "Itulah sebabnya C betul.", "That is the reason why C is right.", "This is what makes C correct: C is right.",
    '{"answer": "C", "explanation": "It rained too late."}', '```json\n{"final_answer": "C"}\n```',
)  # fmt: skip
CHOOSES_NOTHING = (
    "", "   ", "A man walked into the sea and it was cold.", "A is not correct.", "bukan A", "A salah kerana tidak disebut.",
    "The answer is a man who fished.", "The answer is A man who fished.", "Is it A? Is it B?", "It might be A.", "It cannot be D.",
    "If the answer is B, then it rained.", "Some students think the answer is B.", "Mungkin jawapannya ialah B.",
    "A) Pests\nB) War\nC) Late rain\nD) A fire", "Vitamin C is the right one.", "The answer is A or B.", "Plan B failed.",
    "V. T. Sambanthan led the party.", "A. Rahman bin Ali wrote it.", "The harvest failed.", "Hasil tuaian gagal.",
    "A correct answer must mention the rain.", "A right choice is needed.", "A best option was not found.", "Class B is the correct one.",
    "See:\n```python\nanswer = 'A'\n```\nThis prints a letter.",
)  # fmt: skip


@pytest.mark.parametrize("text", CHOOSES_C)
def test_forms_of_a_choice(text):
    claim = final_claim(text, OPTIONS)
    assert claim is not None and claim.label == "C" and claim.offered


@pytest.mark.parametrize("text", CHOOSES_NOTHING)
def test_what_claims_nothing(text):
    assert final_claim(text, OPTIONS) is None


@pytest.mark.parametrize(
    ("text", "label"),
    [("Answer: E", "E"), ("The correct answer is F.", "F"), ("Answer: English", "English"), ("(G)", "G"), ("Answer: A, C", "A and C"),
     ('{"answer": "English"}', "English"), ("E. All of the above", "E"), ("Jawapan: Bahasa Melayu", "Bahasa Melayu"),
     ("Option E is the correct answer.", "E")],
)  # fmt: skip
def test_labels_that_are_not_offered(text, label):
    claim = final_claim(text, OPTIONS)
    assert claim is not None and claim.label == label and not claim.offered


@pytest.mark.parametrize(
    ("options", "text", "label"),
    [
        ({"1": "Pests", "2": "War", "3": "Rain"}, "Answer: 3", "3"),
        ({"1": "Pests", "2": "War", "3": "Rain"}, "The correct answer is option 2.", "2"),
        (
            {"1": "Pests", "2": "War", "3": "Rain"},
            "1. Pests: no\n2. War: no\n3. Rain: yes\n\nAnswer: 3",
            "3",
        ),
        ({"1": "Pests", "2": "War", "3": "Rain"}, "2", "2"),
        ({"a": "Pests", "b": "War"}, "The answer is b.", "b"),
        ({"a": "Pests", "b": "War"}, "b) War", "b"),
        ({"a": "Pests", "b": "War"}, "It was a war, and the answer is B.", "b"),
        ({"True": "", "False": ""}, "The answer is False.", "False"),
        ({"True": "", "False": ""}, "True", "True"),
        ({"A": "", "B": "", "C": ""}, "The answer is B.", "B"),
        ({"A": "1957", "B": "1963"}, "Answer: 1963", "B"),
        ({"A": "1957", "B": "1963"}, "1957", "A"),
        ({}, "Answer: B", "B"),
        ({label: f"number {label}" for label in "ABCDEFGH"}, "The correct answer is H.", "H"),
    ],
)
def test_other_labels(options, text, label):
    claim = final_claim(text, options)
    assert claim is not None and claim.label == label and claim.offered


@pytest.mark.parametrize("language", answer_corpus.LANGUAGES)
def test_every_style_of_the_corpus_ends_in_its_label(language):
    rng = random.Random(21)
    for _ in range(600):
        exchange, template = answer_corpus.drawn(answer_corpus.STYLES, language, rng)
        claim = final_claim(exchange.answer or "", exchange.options)
        assert claim is not None and claim.label == exchange.key, (template, exchange.answer, claim)


@given(
    st.text(max_size=300),
    st.dictionaries(st.text(min_size=1, max_size=3), st.text(max_size=20), max_size=6),
)
def test_any_text_is_read_without_error(text, options):
    for claim in claims_of(text, options):
        assert claim.label
        assert not claim.offered or not options or claim.label in options
    without_answer_lines(text, options)


def test_option_of_text():
    assert option_of_text("the late rain!", OPTIONS) == "C"
    assert option_of_text("rain", OPTIONS) == "C"
    assert option_of_text("pests and war", OPTIONS) is None
    assert option_of_text("snow", OPTIONS) is None


def test_answer_lines_go_and_reasons_stay():
    text = "Jawapan: B. War\nKerana hujan.\nJawapan: C kerana hujan turun lewat"
    assert without_answer_lines(text, OPTIONS).split() == [
        "Kerana",
        "hujan.",
        "kerana",
        "hujan",
        "turun",
        "lewat",
    ]
    assert without_answer_lines("It rained.\nAnswer: D", OPTIONS).strip() == "It rained."
