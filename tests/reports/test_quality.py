import pytest
from example_runs import experiment, measured
from msgspec.structs import replace

from servemark.reports.page import ABSENT
from servemark.reports.quality import effect_label, p_label, quality_section
from servemark.reports.series import series_of


def section_of(*runs):
    return quality_section(runs, series_of(runs))


def test_no_section_without_a_suite():
    assert section_of(measured()) is None


def test_one_row_per_family_with_its_verdict():
    families = section_of(experiment()).tables[0]
    assert [(row[0].text, row[1].text, row[1].mark) for row in families.rows] == [
        ("failure rate", "harmed", "breaks"),
        ("latency", "slower, within its limit", "holds"),
        ("answer quality", "harmed", "breaks"),
    ]
    assert "3 points" in families.notes[0]


def test_an_inconclusive_verdict_says_how_many_items_it_needs():
    run = experiment()
    first, *rest = run.quality.families
    unsure = replace(first, word="inconclusive", items_needed=1040)
    run = replace(run, quality=replace(run.quality, families=(unsure, *rest)))
    cell = section_of(run).tables[0].rows[0][1]
    assert (cell.text, cell.mark, cell.detail) == ("inconclusive", "undecided", "1,040 items needed")


def test_checks_that_found_nothing_are_named_with_their_number():
    section = section_of(experiment())
    # five levels of 240 complete answers and one of 214
    assert section.text.endswith("In 1,414 complete answers no case of: system-prompt leak.")
    rates, differences = section.tables[1:3]
    assert [row[0].text for row in rates.rows] == ["wrong language"]
    worst = differences.rows[0][-2]
    assert (worst.text, worst.mark) == ("+9.8", "breaks")
    assert worst.detail == "+5.2 to +14.4\n21 broke, 0 healed"
    assert differences.rows[0][1].mark is None


def test_no_table_of_checks_where_none_found_anything():
    run = experiment()
    quiet = tuple(
        replace(level, quality=replace(level.quality, rates=level.quality.rates[:1]))
        for level in run.levels
    )
    assert len(section_of(replace(run, levels=quiet)).tables) == 2


def test_controls_are_shown_first_and_second_time():
    noise = section_of(experiment()).tables[-1].rows[1]
    assert [cell.text for cell in noise] == [
        "32 users", "201", "4", "1 / 1", "0 points", "> 0.99", "10.8 → 10.0", "16.2 s → 16.4 s",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("value", "text"), [(None, ABSENT), (0.0341, "0.034"), (0.00001, "< 0.001"), (1.0, "> 0.99")]
)
def test_p_values(value, text):
    assert p_label(value) == text


def test_effects_carry_their_unit():
    failures, latency, quality = experiment().quality.families
    assert effect_label(failures) == "+10.8 points"
    assert effect_label(latency) == "x 1.79 per doubling"
    assert effect_label(quality) == "+9.8 points"
    assert effect_label(replace(quality, effect=None)) == ABSENT


def test_harm_that_the_interval_over_blocks_does_not_see_is_not_marked():
    run = experiment()
    *levels, last = run.levels
    leaks, languages = last.quality.rates
    unsure = replace(languages, difference_interval=(-0.01, 0.2))
    last = replace(last, quality=replace(last.quality, rates=(leaks, unsure)))
    differences = section_of(replace(run, levels=(*levels, last))).tables[2]
    assert differences.rows[0][-2].mark is None


def test_the_test_over_all_loads_stands_below_the_verdicts():
    run = experiment()
    notes = section_of(replace(run, quality=replace(run.quality, homogeneity_p=0.0004))).tables[0].notes
    assert any(note.startswith("Cochran's Q") and "p < 0.001" in note for note in notes)
