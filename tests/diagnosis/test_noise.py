from made_runs import ITEMS, alter, boards, clean_run, level_quality, on_level
from msgspec.structs import replace

from servemark.diagnosis.noise import batch_arithmetic, drift_over_run, scores_within_chance
from servemark.domain.quality import Control, FamilyVerdict, QualityVerdict
from servemark.domain.workload import Users


def verdict(*controls, families=()):
    return QualityVerdict(suite="exam", items=ITEMS, blocks=6, families=families, controls=controls)


def control(kind, **fields):
    made = Control(kind=kind, load=Users(users=32), pairs=ITEMS, changed_text=0, broke=0, healed=0)
    return replace(made, **fields)


def other_words(changed=0.5, **quality):
    whole = alter(
        clean_run(), 32, lambda r: replace(r, text=r.text.replace("is B.", "should be B.")), range(20)
    )
    return on_level(whole, 32, quality=level_quality(changed=changed, **quality))


def test_other_words_and_the_same_score():
    seen = batch_arithmetic(other_words())
    assert (seen.confidence, seen.weight) == ("likely", 0.0)
    assert "50 % of the answers have other words at 32 users" in seen.claim
    # 'The answer to question 0 ' of 'The answer to question 0 should be B.'
    assert "after 6" in seen.evidence[0].text and seen.excerpts[0].under_load.endswith("should be B.")


def test_the_same_load_twice_differs_as_much():
    whole = replace(other_words(), quality=verdict(control("noise", changed_text=18)))
    seen = batch_arithmetic(whole)
    assert seen.confidence == "certain" and "18 of 40 texts differ" in seen.evidence[2].text


def test_with_a_loss_it_is_not_only_words():
    assert batch_arithmetic(other_words(broke=8, p_value=0.004)) is None
    assert batch_arithmetic(other_words(broke=8)) is None
    assert batch_arithmetic(other_words(changed=0.0)) is None


def up_and_down(**fields):
    return on_level(clean_run(), 32, quality=level_quality(broke=4, healed=0, p_value=0.4, **fields))


def test_a_score_that_moves_within_chance():
    needed = FamilyVerdict(
        family="quality", word="inconclusive", sentence="", test="exact McNemar", items_needed=240
    )
    whole = replace(up_and_down(), quality=verdict(control("drift", broke=2, healed=2), families=(needed,)))
    seen = scores_within_chance(whole)
    # 36 of 40 against 40 of 40
    assert "by 10 points" in seen.claim and seen.weight == 0.0
    assert "2 items broke and 2 healed of 40" in seen.evidence[2].text
    assert "Ask 240 items" in seen.next_step


def test_a_score_that_fell_beyond_chance_is_another_row():
    proven = on_level(clean_run(), 32, quality=level_quality(broke=12, p_value=0.001))
    assert scores_within_chance(proven) is None
    apart = up_and_down(accuracy_interval=(0.7, 0.85))
    assert scores_within_chance(apart) is None


def test_one_point_is_nothing_to_explain():
    assert (
        scores_within_chance(on_level(clean_run(), 32, quality=level_quality(broke=1, p_value=0.5))) is None
    )


def drifting(**fields):
    return replace(clean_run(), quality=verdict(control("drift", load=Users(users=1), **fields)))


def test_the_last_block_is_slower_than_the_first():
    seen = drift_over_run(drifting(e2e_p50_s=(1.0, 1.6)))
    # 1 - 1.0 / 1.6
    # one block only: no course to see
    assert seen.confidence == "possible" and round(seen.weight, 3) == 0.375
    whole = drifting(e2e_p50_s=(1.0, 1.6))
    cooled = on_level(whole, 32, samples=boards(clock_hz=1.8e9, temperature_c=84.0))
    assert "temperature" in drift_over_run(cooled).evidence[1].text


def over_blocks(*paces):
    """The lowest load in one block per factor; the last factor is of the control at the end."""
    whole = drifting(e2e_p50_s=(1.0, 1.6))
    size = ITEMS // (len(paces) - 1)

    def slower(record, factor, block):
        return replace(record, last_token_s=record.sent_s + factor, block=block)

    first = whole.levels[0]
    rows = [
        slower(r, paces[r.index // size], r.index // size)
        for r in first.requests[: size * (len(paces) - 1)]
    ]
    again = replace(first, requests=tuple(slower(r, paces[-1], 0) for r in first.requests[:size]))
    levels = (replace(first, requests=tuple(rows)), *whole.levels[1:])
    return replace(whole, levels=levels, controls=(again,))


def test_drift_grows_from_block_to_block():
    assert drift_over_run(over_blocks(1.0, 1.1, 1.2, 1.3, 1.6)).confidence == "likely"
    # one disturbed visit at the end is none: 5 of 10 pairs rise
    assert drift_over_run(over_blocks(1.0, 0.99, 0.98, 1.01, 1.6)) is None
    assert drift_over_run(over_blocks(1.0, 1.6)).confidence == "possible"


def test_the_last_block_is_worse_than_the_first():
    seen = drift_over_run(drifting(p_value=0.01, broke=9, healed=1))
    assert "9 of 40 items broke and 1 healed" in seen.claim and seen.weight == 0.2


def test_a_steady_or_a_faster_last_block():
    assert drift_over_run(drifting(e2e_p50_s=(1.0, 1.1), p_value=0.5)) is None
    assert drift_over_run(drifting(e2e_p50_s=(1.6, 1.0))) is None
    assert drift_over_run(drifting(p_value=0.01, broke=1, healed=9)) is None
    assert drift_over_run(replace(clean_run(), quality=verdict(control("noise", e2e_p50_s=(1, 9))))) is None
