"""The guide: every topic, every section complete."""

from guide_questions import asked, section
from msgspec.structs import replace

from servemark.catalogue.architectures import find_model
from servemark.domain.guidance import TOPICS
from servemark.planning.guidance import guide_of


def test_every_topic_has_rows_a_finding_and_says_what_it_leaves_out():
    found = guide_of(asked(2920))
    assert len(found.sections) == 1 + len(TOPICS) - 1 + 5
    for each in found.sections:
        assert each.rows and each.finding.endswith(".")
        assert each.formula and each.sources and each.not_modelled
        assert all(len(row) == len(each.headings) for row in each.rows)
        keys = [heading.key for heading in each.headings]
        assert len(set(keys)) == len(keys)
    assert any("a10" in note for note in found.notes)


def test_one_model_only():
    found = guide_of(asked(2920, ("serving", "training"), model=find_model("llama-3.3-70b")))
    for key in ("serving", "training"):
        for row in section(found, key).rows:
            assert {cell for cell in row[1:] if isinstance(cell, str)} <= {"llama-3.3-70b"}


def test_nothing_with_a_price_still_gives_the_rules():
    found = guide_of(replace(asked(500), offers=()))
    assert section(found, "rule_fp8").rows
    assert section(found, "serving").rows == ()
