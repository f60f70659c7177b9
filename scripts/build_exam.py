"""Turn the hand-written questions in `exam/` into the exam that ships: 120 items in English, 120 in Malay.

The two languages share their subjects and their difficulty but no question: a translated pair would count one
piece of knowledge twice, and paired statistics take items as independent. Questions of one passage are kept apart.
"""

from __future__ import annotations

import json
import random
import tomllib
from pathlib import Path

HERE = Path(__file__).parent
EXAM = HERE.parent / "src/servemark/quality/data/suites/exam.jsonl"
SEED = 20261120
LETTERS = "ABCDEF"
SYSTEM = {
    (
        "en",
        "answer",
    ): "You are sitting an exam. Reply in English only. Give your reason in one or two sentences, then end"
    " with a last line `Answer: X`, where X is the letter of the right option.",
    (
        "en",
        "teaching",
    ): "You are a teacher who explains an exam. Reply in English only. The right option is given. Say in"
    " one or two sentences why it is right, then end with a last line `Answer: X`, where X is its letter.",
    (
        "ms",
        "answer",
    ): "Anda sedang menduduki peperiksaan. Jawab dalam bahasa Melayu sahaja. Beri sebab dalam satu atau dua"
    " ayat, kemudian akhiri dengan baris terakhir `Jawapan: X`, dengan X sebagai huruf pilihan yang betul.",
    (
        "ms",
        "teaching",
    ): "Anda seorang guru yang menerangkan soalan peperiksaan. Jawab dalam bahasa Melayu sahaja. Pilihan"
    " yang betul sudah diberikan. Terangkan dalam satu atau dua ayat sebab pilihan itu betul, kemudian akhiri dengan"
    " baris terakhir `Jawapan: X`, dengan X sebagai hurufnya.",
}
GIVEN = {"en": "Right option: {key}", "ms": "Pilihan yang betul: {key}"}
LAST_LINE = {"en": "Answer: {key}", "ms": "Jawapan: {key}"}
CLAIM = {"en": " So option {key} is right.", "ms": " Oleh itu, pilihan {key} adalah betul."}
CLAIM_EVERY = 3
"""Every third answer names its letter in the reason too, so that reason and choice can be held against each other."""


def read_questions(language: str, folder: Path = HERE / "exam") -> list[dict]:
    passages = tomllib.loads((folder / f"{language}_reading.toml").read_text(encoding="utf-8"))["passage"]
    questions = [
        {
            "id": f"{language}-reading-{number:02}-{turn}",
            "topic": "reading",
            "context": passage["text"],
            **question,
        }
        for number, passage in enumerate(passages, 1)
        for turn, question in enumerate(passage["question"], 1)
    ]
    counts: dict[str, int] = {}
    text = (folder / f"{language}_knowledge.toml").read_text(encoding="utf-8")
    for question in tomllib.loads(text)["question"]:
        topic = question["topic"]
        counts[topic] = counts.get(topic, 0) + 1
        questions.append({"id": f"{language}-{topic}-{counts[topic]:02}", "context": "", **question})
    return questions


def dealt_options(questions: list[dict], rng: random.Random) -> list[list[str]]:
    """The options of each question in a new order, with every letter right equally often."""
    places: dict[int, list[int]] = {}
    for count in {len(question["options"]) for question in questions}:
        many = sum(len(question["options"]) == count for question in questions)
        start = rng.randrange(count)
        # of the few with more options, the last letters come first
        places[count] = [(start + i if count == 4 else count - 1 - i) % count for i in range(many)]
        rng.shuffle(places[count])
    out = []
    for question in questions:
        right, *wrong = question["options"]
        rng.shuffle(wrong)
        wrong.insert(places[len(question["options"])].pop(), right)
        out.append(wrong)
    return out


def as_item(question: dict, options: list[str], language: str, claims: bool) -> dict:
    kind = "teaching" if question.get("teaching") else "answer"
    labels = dict(zip(LETTERS, options, strict=False))
    key = LETTERS[options.index(question["options"][0])]
    asked = "\n".join([question["q"], *(f"{label}) {text}" for label, text in labels.items())])
    if kind == "teaching":
        asked += "\n" + GIVEN[language].format(key=key)
    if question["context"]:
        asked = f"{question['context']}\n\n{asked}"
    reason = question["why"] + (CLAIM[language].format(key=key) if claims else "")
    return {
        "id": question["id"],
        "messages": [
            {"role": "system", "content": SYSTEM[language, kind]},
            {"role": "user", "content": asked},
        ],
        "context": question["context"],
        "options": labels,
        "key": key,
        "expected_language": language,
        "eval_type": kind,
        "format": "choice",
        "answer": f"{reason}\n{LAST_LINE[language].format(key=key)}",
        "tags": ["exam", language, question["topic"]],
    }


def build() -> list[dict]:
    """English and Malay in turn, subjects mixed, so that any front part is a small exam of its own."""
    columns = []
    for language in ("en", "ms"):
        rng = random.Random(f"{SEED}/{language}")
        questions = read_questions(language)
        options = dealt_options(questions, rng)
        items = [
            as_item(question, order, language, number % CLAIM_EVERY == 0)
            for number, (question, order) in enumerate(zip(questions, options, strict=True))
        ]
        columns.append(mixed(items, rng))
    return [item for pair in zip(*columns, strict=True) for item in pair]


def mixed(items: list[dict], rng: random.Random) -> list[dict]:
    """Subjects spread evenly over the whole; questions of one passage as far apart as it has questions."""
    groups: dict[str, list[dict]] = {}
    for item in items:
        groups.setdefault(item["tags"][-1], []).append(item)
    placed = []
    for topic, group in sorted(groups.items()):
        if topic == "reading":
            group.sort(key=lambda item: (item["id"].rsplit("-", 1)[1], rng.random()))
        else:
            rng.shuffle(group)
        placed += [((i + rng.random()) / len(group), item) for i, item in enumerate(group)]
    return [item for _, item in sorted(placed, key=lambda pair: pair[0])]


if __name__ == "__main__":
    EXAM.parent.mkdir(parents=True, exist_ok=True)
    head = {
        "suite": {
            "title": "Exam in English and Malay: reading, history, science, geography",
            "max_tokens": 200,
        }
    }
    lines = [json.dumps(line, ensure_ascii=False) + "\n" for line in (head, *build())]
    EXAM.write_text("".join(lines), encoding="utf-8")
    print(f"{len(lines) - 1} items in {EXAM.relative_to(HERE.parent)}, {EXAM.stat().st_size:,} bytes")
