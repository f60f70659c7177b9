import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_runs import ITEMS, alter, clean_run, defect, failing, level_quality, on_level, samples
from msgspec.structs import replace
from scipy.stats import binomtest

from servemark.diagnosis.causes import diagnose
from servemark.diagnosis.corruption import Loss, engine_corruption, paired_loss
from servemark.domain.engine_sample import EngineFacts
from servemark.domain.quality import Control, FamilyVerdict, QualityVerdict
from servemark.domain.workload import Users

WORDS = "Quality degradation under load"


def experiment(noise=0.0, word="harmed"):
    """The highest load twice, and the verdict on quality."""
    control = Control(
        kind="noise", load=Users(users=32), pairs=40, changed_text=0, broke=0, healed=0, difference=noise
    )
    family = FamilyVerdict(family="quality", word=word, sentence="", test="")
    controls = () if noise is None else (control,)
    return QualityVerdict(suite="exam", items=40, blocks=6, families=(family,), controls=controls)


def broken_at(users, n=8, check="gibberish", p_value=0.004, noise=0.0, word="harmed", **fields):
    whole = alter(clean_run(), users, lambda r: defect(r, check, text="B B B B", **fields), range(n))
    whole = replace(whole, quality=experiment(noise, word))
    return on_level(whole, users, quality=level_quality(broke=n, p_value=p_value, floor=0.9))


def said(run):
    return any(WORDS.lower() in each.claim.lower() for each in diagnose(run))


def test_all_four_conditions():
    seen = engine_corruption(broken_at(32))
    # 8 broke, none healed: p = 1/2^8
    assert seen.claim.startswith(f"{WORDS}: 8 of 40 items break at 32 users and 0 heal")
    assert (seen.confidence, seen.weight) == ("likely", 0.2)
    assert "net loss 20 %, margin 3 %, A/A noise 0 %" in seen.evidence[1].text
    assert seen.excerpts[0].under_load == "B B B B" and "--no-enable-prefix-caching" in seen.next_step


def test_what_is_off_already_is_not_to_switch_off():
    whole = broken_at(32)
    endpoint = replace(whole.endpoint, engine=EngineFacts(enable_prefix_caching=False))
    assert "prefix-caching" not in engine_corruption(replace(whole, endpoint=endpoint)).next_step


def test_the_engines_own_count_makes_it_certain():
    counted = tuple(replace(each, corrupted=k) for k, each in enumerate(samples(32)))
    seen = engine_corruption(on_level(broken_at(32), 32, engine=counted))
    assert seen.confidence == "certain" and "9 answers with numbers that are none" in seen.evidence[2].text


def test_without_complete_answers_it_is_another_row():
    whole = alter(
        clean_run(), 32, lambda r: failing(r, "broken", "error event", 200, text_chunks=3), range(8)
    )
    whole = on_level(whole, 32, quality=level_quality(broke=8, p_value=0.004))
    assert engine_corruption(whole) is None and not said(whole)


@pytest.mark.parametrize("check", ["truncated_cap", "empty_answer", "lost_context", "cross_talk"])
def test_a_defect_with_a_row_of_its_own_is_that_row(check):
    assert engine_corruption(broken_at(32, check=check)) is None and not said(broken_at(32, check=check))


def test_a_shorter_prompt_is_another_row():
    whole = broken_at(32, input_tokens=20)
    assert engine_corruption(whole) is None and not said(whole)
    assert diagnose(whole)[0].key == "prompt_cut_at_front"


def test_a_prompt_that_was_not_counted_withholds_the_words():
    seen = engine_corruption(broken_at(32, input_tokens=None))
    assert seen.confidence == "possible" and WORDS not in seen.claim and "include_usage" in seen.next_step


def test_answers_that_do_not_know_their_prompt_withhold_the_words():
    """The server counts every token, and yet some ask for the passage: prompts may be cut behind its count."""
    whole = alter(broken_at(32), 32, lambda r: defect(r, "lost_context"), range(20, 23))
    seen = engine_corruption(whole)
    assert WORDS not in seen.claim and seen.claim.endswith("why is open.") and seen.confidence == "possible"
    assert "why 3 answers do not know their prompt" in seen.next_step


def test_a_slot_that_was_outgrown_is_another_row():
    whole = broken_at(32, output_tokens=300)
    facts = EngineFacts(slots=8, context_tokens_per_slot=256, shared_pool=False)
    whole = replace(whole, endpoint=replace(whole.endpoint, engine=facts))
    assert engine_corruption(whole) is None and diagnose(whole)[0].key == "context_shifted"


def test_noise_as_large_as_the_loss_is_no_degradation():
    """Net loss against net difference: that 90 % of the items flip between two runs says nothing of it."""
    assert engine_corruption(broken_at(32, noise=-0.2)) is None
    assert engine_corruption(broken_at(32, noise=0.19)) is not None


def test_what_the_verdict_leaves_open_is_not_called_degradation():
    """McNemar by itself takes requests as independent; the verdict knows blocks and trend."""
    assert engine_corruption(broken_at(32, word="inconclusive")) is None and not said(
        broken_at(32, word="slower")
    )


def test_without_an_aa_control_the_words_are_withheld():
    seen = engine_corruption(broken_at(32, noise=None))
    assert WORDS not in seen.claim and seen.next_step.startswith("Measure the highest load twice first")


def test_a_loss_within_chance_or_within_the_margin():
    assert engine_corruption(broken_at(32, p_value=0.2)) is None
    # four of forty: p = 1/16 by itself, whatever the corrected value
    assert engine_corruption(broken_at(32, n=4)) is None


def test_as_wrong_alone_is_the_model():
    whole = alter(broken_at(32), 1, lambda r: defect(r, "gibberish"), range(8))
    assert engine_corruption(whole) is None and not said(whole)


def test_without_one_user_nothing_is_compared_with_alone():
    whole = broken_at(32)
    assert engine_corruption(replace(whole, levels=whole.levels[1:])) is None


def test_the_loss_counts_what_healed():
    whole = alter(clean_run(), 1, lambda r: defect(r, "wrong_answer"), range(30, 33))
    whole = alter(whole, 32, lambda r: defect(r, "wrong_answer"), range(8))
    loss = paired_loss(whole, 2)
    assert (loss.pairs, len(loss.broke), loss.healed, loss.net) == (ITEMS, 8, 3, 5 / 40)


@given(st.integers(0, 30), st.integers(0, 30))
def test_mcnemar_is_the_binomial_test(broke, healed):
    loss = Loss(pairs=100, broke=[None] * broke, healed=healed, prompts_known=True)
    n = broke + healed
    expected = binomtest(broke, n, alternative="greater").pvalue if n else 1.0
    assert loss.p_value == pytest.approx(expected)
