"""Exact tasks from a seed: copy, arithmetic, extraction, JSON by schema. Right or wrong needs no judgement."""

from __future__ import annotations

import json
import random
from itertools import chain
from typing import Any

from servemark.domain.exchange import Item, Message
from servemark.quality.code_words import code_words
from servemark.quality.haystacks import NAMES, sentences

EACH = 15
"""Items of each kind and language: 120 in all."""
COPY_SYSTEM = {
    "en": "Repeat the line that follows exactly, sign by sign. Write nothing else.",
    "ms": "Ulang baris yang berikut dengan tepat, satu demi satu aksara. Jangan tulis apa-apa yang lain.",
}
SUM_SYSTEM = {
    "en": "Reply in English. Show the steps in one sentence, then write a last line `Answer: N` with a whole number.",
    "ms": "Jawab dalam bahasa Melayu. Tunjukkan langkah dalam satu ayat, kemudian tulis baris terakhir `Jawapan: N`,"
    " N ialah nombor bulat.",
}
GOODS = {
    "en": (
        "bowls of noodles",
        "cups of tea",
        "plates of rice",
        "fish cakes",
        "mango juices",
        "curry puffs",
    ),
    "ms": ("mangkuk mi", "cawan teh", "pinggan nasi", "keropok lekor", "jus mangga", "karipap"),
}
SUMS: dict[str, tuple[tuple[str, str], ...]] = {
    "en": (
        (
            "A stall sells {a} {x} at RM{p} each and {b} {y} at RM{q} each. How many ringgit does it take in all?",
            "The {x} bring {ap} ringgit and the {y} bring {bq} ringgit, which makes {total} ringgit in all.",
        ),
        (
            "{name} buys {a} {x} at RM{p} each and {b} {y} at RM{q} each, and pays with RM500. "
            "How many ringgit are given back?",
            "The {x} cost {ap} ringgit and the {y} cost {bq} ringgit, so {rest} of the 500 ringgit are left.",
        ),
        (
            "A kitchen fills {p} trays with {a} {x} each and {q} trays with {b} {y} each. "
            "By how many pieces do the two kinds differ?",
            "There are {ap} pieces of the first kind and {bq} of the second, so the difference is {gap}.",
        ),
    ),
    "ms": (
        (
            "Sebuah gerai menjual {a} {x} pada harga RM{p} setiap satu dan {b} {y} pada harga RM{q} setiap satu. "
            "Berapa ringgitkah jumlah jualannya?",
            "Jualan {x} ialah {ap} ringgit dan jualan {y} ialah {bq} ringgit, jadi jumlahnya {total} ringgit.",
        ),
        (
            "{name} membeli {a} {x} pada harga RM{p} setiap satu dan {b} {y} pada harga RM{q} setiap satu, lalu "
            "membayar dengan RM500. Berapa ringgitkah wang bakinya?",
            "Harga {x} ialah {ap} ringgit dan harga {y} ialah {bq} ringgit, jadi baki daripada 500 ringgit ialah "
            "{rest} ringgit.",
        ),
        (
            "Sebuah dapur mengisi {p} dulang dengan {a} {x} setiap satu dan {q} dulang dengan {b} {y} setiap satu. "
            "Berapakah beza bilangan kedua-dua jenis makanan itu?",
            "Terdapat {ap} makanan jenis pertama dan {bq} makanan jenis kedua, jadi bezanya ialah {gap}.",
        ),
    ),
}
EXTRACT_SYSTEM = {
    "en": "Reply with the requested value only, exactly as it stands in the record.",
    "ms": "Jawab dengan nilai yang diminta sahaja, tepat seperti dalam rekod.",
}
JSON_SYSTEM = {
    "en": "Reply with one JSON object that follows the schema. Write nothing else.",
    "ms": "Jawab dengan satu objek JSON yang mengikut skema. Jangan tulis apa-apa yang lain.",
}
TOWNS = ("Ipoh", "Melaka", "Kuching", "Alor Setar", "Kuantan", "Taiping", "Sibu", "Muar", "Tawau", "Kangar")
ORDER_SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "order": {"type": "string"},
        "customer": {"type": "string"},
        "town": {"type": "string"},
        "boxes": {"type": "integer"},
        "price_rm": {"type": "number"},
        "paid": {"type": "boolean"},
    },
    "required": ["order", "customer", "town", "boxes", "price_rm", "paid"],
    "additionalProperties": False,
}
ORDER = {
    "en": "Order {order}: {customer} of {town} takes {boxes} boxes for RM{price_rm} in all and {paid}.",
    "ms": "Pesanan {order}: {customer} dari {town} mengambil {boxes} kotak berharga RM{price_rm} semuanya dan {paid}.",
}
PAID = {"en": ("has not paid yet", "has paid already"), "ms": ("belum membayar", "sudah membayar")}


def task_items(seed: int = 0) -> list[Item]:
    """120 items; kinds and languages take turns, so that any front part is mixed."""
    rng = random.Random(f"tasks/{seed}")
    kinds = (_copies, _sums, _extractions, _objects)
    columns = [kind(language, rng) for kind in kinds for language in COPY_SYSTEM]
    return [*chain.from_iterable(zip(*columns, strict=True))]


def _copies(language: str, rng: random.Random) -> list[Item]:
    lines = sentences(language, rng)
    codes = code_words(EACH, rng)
    texts = [f"{next(lines)} [{code}]" for code in codes]
    return [
        _task("copy", language, i, COPY_SYSTEM, text, key=text, answer=text) for i, text in enumerate(texts)
    ]


def _sums(language: str, rng: random.Random) -> list[Item]:
    items: list[Item] = []
    used: set[int] = set()
    label = {"en": "Answer", "ms": "Jawapan"}[language]
    while len(items) < EACH:
        kind = len(items) % len(SUMS[language])
        question, reason = SUMS[language][kind]
        x, y = rng.sample(GOODS[language], 2)
        a, b, p, q = rng.randint(11, 39), rng.randint(11, 39), rng.randint(2, 6), rng.randint(2, 6)
        ap, bq = a * p, b * q
        right = (ap + bq, 500 - ap - bq, abs(ap - bq))[kind]
        if right in used or right < 3:
            continue
        used.add(right)
        figures = dict(
            zip(
                ("ap", "bq", "total", "rest", "gap"),
                (ap, bq, ap + bq, 500 - ap - bq, abs(ap - bq)),
                strict=True,
            )
        )
        words = {"a": a, "b": b, "p": p, "q": q, "x": x, "y": y, "name": rng.choice(NAMES), **figures}
        answer = f"{reason.format(**words)}\n{label}: {right}"
        asked = question.format(**words)
        made = _task("arithmetic", language, len(items), SUM_SYSTEM, asked, key=str(right), answer=answer)
        items.append(made)
    return items


def _extractions(language: str, rng: random.Random) -> list[Item]:
    fields = {
        "en": ("locker code", "parcel number", "invoice", "car plate"),
        "ms": ("kod loker", "nombor bungkusan", "invois", "nombor plat"),
    }[language]
    words = {
        "en": ("Name", "Town", "What is the {} of {}?"),
        "ms": ("Nama", "Bandar", "Apakah {} bagi {}?"),
    }[language]
    locker = iter(code_words(EACH * 4, rng))
    items: list[Item] = []
    for number in range(EACH):
        names = rng.sample(NAMES, 4)
        rows = [
            dict(
                zip(
                    fields,
                    (next(locker), _parcel(rng), _invoice(rng), _plate(rng)),
                    strict=True,
                )
            )
            for _ in names
        ]
        record = "\n".join(
            f"{words[0]}: {name}; {words[1]}: {rng.choice(TOWNS)}; "
            + "; ".join(f"{k}: {v}" for k, v in row.items())
            for name, row in zip(names, rows, strict=True)
        )
        field, who = fields[number % len(fields)], rng.randrange(len(names))
        right = rows[who][field]
        asked = f"{record}\n\n{words[2].format(field, names[who])}"
        items.append(
            _task(
                "extraction",
                language,
                number,
                EXTRACT_SYSTEM,
                asked,
                key=right,
                answer=right,
                context=record,
            )
        )
    return items


def _objects(language: str, rng: random.Random) -> list[Item]:
    items: list[Item] = []
    schema = json.dumps(ORDER_SCHEMA)
    for number, code in enumerate(code_words(EACH, rng)):
        paid = rng.random() < 0.5
        order: dict[str, Any] = {
            "order": code,
            "customer": rng.choice(NAMES),
            "town": rng.choice(TOWNS),
            "boxes": rng.randint(2, 60),
            "price_rm": rng.randint(20, 900) + 0.5,
            "paid": paid,
        }
        record = ORDER[language].format(
            **{**order, "price_rm": f"{order['price_rm']:.2f}", "paid": PAID[language][paid]}
        )
        title = {"en": "Schema", "ms": "Skema"}[language]
        right = json.dumps(order)
        asked = f"{record}\n\n{title}: {schema}"
        items.append(
            _task(
                "json",
                language,
                number,
                JSON_SYSTEM,
                asked,
                key=right,
                answer=right,
                context=record,
                schema=ORDER_SCHEMA,
            )
        )
    return items


def _parcel(rng: random.Random) -> str:
    return f"RR{rng.randint(10**7, 10**8 - 1)}MY"


def _invoice(rng: random.Random) -> str:
    return f"INV{rng.randint(10**5, 10**6 - 1)}"


def _plate(rng: random.Random) -> str:
    return "".join(rng.choices("ABCDJKMNPTW", k=3)) + str(rng.randint(2100, 9999))


def _task(
    kind: str,
    language: str,
    number: int,
    system: dict[str, str],
    asked: str,
    *,
    key: str,
    answer: str,
    context: str = "",
    schema: dict[str, Any] | None = None,
) -> Item:
    return Item(
        id=f"{kind}-{language}-{number + 1:02}",
        messages=(Message(role="system", content=system[language]), Message(role="user", content=asked)),
        key=key,
        answer=answer,
        # a copy, a figure or a JSON object is in no language
        expected_language=language if kind == "arithmetic" else None,
        context=context,
        format={"copy": "exact", "arithmetic": "number", "extraction": "exact", "json": "json"}[kind],  # pyright: ignore[reportArgumentType]
        schema=schema,
        tags=("task", kind, language),
        max_tokens=200,
    )
