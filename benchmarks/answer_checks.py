"""Recall and false alarms of the checks of language, choice, contradiction and refusal, on generated answers.

    python benchmarks/answer_checks.py [EXCHANGES]

The corpus is that of the tests (`tests/quality/answer_corpus.py`): templates times sentences that were written for it.
"""

import random
import sys
import time
from collections import Counter
from pathlib import Path

from msgspec.structs import replace

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "quality"))
import answer_corpus

from servemark.quality.choices import invalid_choice, wrong_answer
from servemark.quality.contradictions import self_contradiction
from servemark.quality.languages import wrong_language
from servemark.quality.refusals import refusal

CHECKS = (wrong_language, wrong_answer, invalid_choice, self_contradiction, refusal)
PROSE = {key: tuple(each for each in rows if "{s}" in each) for key, rows in answer_corpus.STYLES.items()}
LABELLED = {
    key: tuple(each for each in rows if "{z}" in each or "{s}" not in each)
    for key, rows in answer_corpus.INVALID.items()
}


def faulty(fault, language, rng):
    if fault is wrong_language:
        spoken = rng.choice(("ms", "id")) if language == "en" else "en"
        return answer_corpus.drawn(PROSE, language, rng, answered_in=spoken).exchange
    if fault is wrong_answer:
        exchange = answer_corpus.drawn(answer_corpus.STYLES, language, rng).exchange
        return replace(
            exchange, key=rng.choice([label for label in exchange.options if label != exchange.key])
        )
    templates = {
        invalid_choice: LABELLED,
        self_contradiction: answer_corpus.CONTRADICTIONS,
        refusal: answer_corpus.REFUSALS,
    }[fault]
    return answer_corpus.drawn(templates, language, rng).exchange


def main():
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 5000
    rng = random.Random(1)
    print(f"{'check':20}{'language':10}{'false alarms':>16}{'recall':>16}")
    started = time.process_time()
    for language in answer_corpus.LANGUAGES:
        clean = [answer_corpus.drawn(answer_corpus.STYLES, language, rng).exchange for _ in range(count)]
        alarms = Counter(check for each in clean for check in CHECKS if check(each).defect)
        for check in CHECKS:
            found = sum(check(faulty(check, language, rng)).defect is not None for _ in range(count))
            print(
                f"{check.__name__:20}{language:10}{alarms[check]:>9} /{count:>5}{found:>9} /{count:>5}",
                flush=True,
            )
    print(f"{time.process_time() - started:.0f} s of one core")


if __name__ == "__main__":
    main()
