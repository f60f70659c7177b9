"""The table and the order of findings; a clean run stays silent."""

import pytest
from made_runs import USERS, alter, clean_run, defect, failing, keys, run

from servemark.api.prediction import predict
from servemark.diagnosis.causes import RULES, diagnose, rows
from servemark.domain.run import Run


def test_every_row_of_the_table_has_a_rule_and_all_26_are_there():
    assert list(rows()) == list(RULES)
    numbers = [row.number for row in rows().values()]
    assert numbers == sorted(numbers) and set(numbers) == set(range(1, 27))


@pytest.mark.parametrize("key", RULES)
def test_a_clean_run_is_silent(key):
    assert RULES[key](clean_run()) is None


@pytest.mark.parametrize("users", [(1,), (8,), ()])
def test_one_level_or_none_is_silent(users):
    assert diagnose(clean_run(users)) == ()


def test_a_run_of_which_nothing_is_known_is_silent():
    bare = run()
    assert diagnose(bare) == ()


def test_findings_come_in_order_of_weight_and_carry_their_row():
    whole = alter(
        clean_run(), 32, lambda r: failing(r, "refused", "HTTP 503: busy", 503, took_s=0.01), range(4)
    )
    whole = alter(whole, 8, lambda r: defect(r, "cross_talk", excerpt="code-77"), range(1))
    found = diagnose(whole)
    assert keys(found) == ["cross_talk", "refused_at_once"]
    assert [each.weight for each in found] == [1.0, 0.1]
    row = rows()["refused_at_once"]
    assert (found[1].refuted_by, found[1].consequence) == (row.refuted_by, row.consequence)


def test_every_piece_of_evidence_points_into_the_run():
    whole = alter(
        clean_run(), 32, lambda r: failing(r, "refused", "HTTP 503: busy", 503, took_s=0.01), range(7, 20)
    )
    (found,) = diagnose(whole)
    assert found.evidence[0].level == USERS.index(32)
    assert found.evidence[0].requests == (7, 8, 9, 10, 11)


def test_a_closed_form_run_is_diagnosed_without_requests():
    predicted = predict("llama-3.1-8b", gpu="l40s", users=[1, 4], runs=None)
    assert isinstance(predicted, Run)
    assert diagnose(predicted) == ()
