import pytest
from made_runs import USERS, alter, clean_run, defect, failing, level_quality, on_level
from msgspec.structs import replace

from servemark.diagnosis.causes import RULES, diagnose
from servemark.domain.quality import CheckRate

SYMPTOMS = {
    "wrong_language": "wrong_language",
    "answer_contradicts_reasoning": "self_contradiction",
    "system_prompt_in_answer": "system_prompt_leak",
    "framework_text": "framework_text",
    "context_echoed": "context_echo",
}


def everywhere(check, n=10):
    whole = clean_run()
    for users in USERS:
        whole = alter(whole, users, lambda r: defect(r, check, excerpt="Selamat pagi"), range(n))
    return whole


def significant(check, failed):
    rate = CheckRate(
        check=check, n=40, failed=failed, pairs=40, broke=failed, difference=failed / 40, p_value=0.001
    )
    quality = level_quality()
    return replace(quality, rates=(*quality.rates, rate))


@pytest.mark.parametrize(("key", "check"), SYMPTOMS.items())
def test_as_much_alone_is_the_model_or_the_prompt(key, check):
    seen = RULES[key](everywhere(check))
    assert seen.confidence == "likely" and seen.weight == 0.25
    assert "10 of 40 at 32 users, 10 of 40 alone; as much alone" in seen.claim
    assert "'Selamat pagi'" in seen.evidence[0].text


@pytest.mark.parametrize(("key", "check"), SYMPTOMS.items())
def test_only_under_load_and_beyond_chance(key, check):
    whole = alter(clean_run(), 32, lambda r: defect(r, check), range(12))
    seen = RULES[key](on_level(whole, 32, quality=significant(check, 12)))
    assert "load has a part in it" in seen.claim and seen.confidence == "possible"
    assert len(seen.excerpts) == 3 and seen.excerpts[0].item == "item-0"


def test_a_check_that_applies_to_other_answers_under_load():
    """12 of 40 against 0 of 40 lie apart (Wilson: from 18 %, up to 9 %), though no pair tells."""
    whole = alter(clean_run(), 32, lambda r: defect(r, "self_contradiction"), range(12))
    seen = RULES["answer_contradicts_reasoning"](whole)
    assert "12 of 40 at 32 users, 0 of 40 alone; load has a part in it" in seen.claim


def test_what_crossed_over_is_not_the_models_language():
    def crossed(record):
        judgement = defect(defect(record, "cross_talk"), "wrong_language").judgement
        both = (*defect(record, "cross_talk").judgement.findings, *judgement.findings)
        return replace(record, judgement=replace(judgement, findings=tuple(dict.fromkeys(both))))

    whole = alter(clean_run(), 32, crossed, range(12))
    assert RULES["wrong_language"](whole) is None and RULES["cross_talk"](whole) is not None


def test_as_wrong_alone_as_under_load_is_said():
    """10 of 40 wrong everywhere: no loss, and yet a quarter of the answers is of no use."""
    seen = RULES["wrong_alone"](everywhere("wrong_answer"))
    assert seen.claim.startswith("10 of 40 answers are wrong at one user already") and seen.weight == 0.0
    assert [each.level for each in seen.evidence] == [0, 2]
    # two slips are none, and what load makes wrong is another row
    assert RULES["wrong_alone"](everywhere("wrong_answer", 2)) is None
    whole = alter(clean_run(), 32, lambda r: defect(r, "wrong_answer"), range(12))
    assert RULES["wrong_alone"](whole) is None


def test_two_of_forty_under_load_do_not_tell():
    seen = RULES["wrong_language"](alter(clean_run(), 32, lambda r: defect(r, "wrong_language"), range(2)))
    assert "cannot be said" in seen.claim and "--power" in seen.next_step


def test_with_a_cut_prompt_it_is_the_cut():
    whole = alter(clean_run(), 32, lambda r: defect(r, "wrong_language", input_tokens=20), range(5))
    assert RULES["wrong_language"](whole) is None
    assert [each.key for each in diagnose(whole)] == ["prompt_cut_at_front"]


def test_one_foreign_code_is_enough_for_cross_talk():
    whole = alter(
        clean_run(), 32, lambda r: defect(r, "cross_talk", excerpt="Q7X-20", detail="of item-20"), range(1)
    )
    seen = RULES["cross_talk"](whole)
    assert (seen.confidence, seen.weight) == ("certain", 1.0)
    assert "1 of 40 at 32 users" in seen.claim and "'Q7X-20': of item-20" in seen.evidence[0].text


def empty(record, **fields):
    return failing(record, "broken", "200 without text (the server counts 0 tokens)", 200, **fields)


@pytest.mark.parametrize(
    ("fields", "confidence", "words"),
    [
        ({"reasoning": "let me think"}, "certain", "reasoning field"),
        ({"output_tokens": 12}, "likely", "a parser took the text away"),
        ({}, "likely", "stop token"),
    ],
)
def test_empty_answers_by_where_the_text_went(fields, confidence, words):
    seen = RULES["empty_answers"](alter(clean_run(), 32, lambda r: empty(r, **fields), range(6)))
    assert (seen.confidence, seen.weight) == (confidence, 0.15) and words in seen.claim


def test_an_empty_answer_counts_once():
    def both(record):
        judged = defect(record, "empty_answer").judgement
        return replace(empty(record), judgement=judged)

    assert RULES["empty_answers"](alter(clean_run(), 32, both, range(6))).weight == 0.15
