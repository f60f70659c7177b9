"""The stress test that ships, and tests of which less is known or better."""

import pytest
from msgspec.structs import replace

from servemark.api.explaining import explain, explain_test
from servemark.catalogue.published_tests import find_published_test


@pytest.fixture(scope="module")
def stress_test():
    return find_published_test("stress-test")


@pytest.fixture(scope="module")
def found(stress_test):
    return {each.key: each for each in explain_test(stress_test).findings}


def said(test):
    return {each.key: each for each in explain_test(test).findings}


def evidence(finding):
    return "\n".join(each.text for each in finding.evidence)


def test_it_is_the_pool_not_the_model(found):
    finding = found["memory_reserved_not_used"]
    # 8.03e9 parameters x 2 bytes; 42,055 - 15,317 MiB less activations, graphs and context
    assert "15,317 MiB are weights and about 24 GiB are KV cache" in finding.claim
    assert "91.3 %" in evidence(finding) and "= 42,055 MiB, with 90 % set aside" in evidence(finding)
    assert "6,100 for each of 32 users" in evidence(finding)


def test_75_and_80_percent_are_not_told_apart(found):
    finding = found["rates_indistinguishable"]
    assert finding.confidence == "certain" and finding.claim.startswith(
        "75 % at 3 users and 80 % at 32 users"
    )
    text = evidence(finding)
    assert (
        "3/4: 30 % to 95 %; 45/60: 63 % to 84 %" in text
        and "4/5: 38 % to 96 %; 512/640: 77 % to 83 %" in text
    )
    assert "with one request a user, 32 in all, 80 % cannot occur" in text
    assert finding.evidence[0].level == 1


def test_latency_is_sub_linear_and_fits_four_slots(found):
    finding = found["queueing_behind_slots"]
    assert "9.4x for 32x the users, and fits about 4 slots" in finding.claim
    # 32 / 4 = 8 rounds of 3.5 s; the closed form of this card and model, full batch
    assert "= 8 rounds x 3.5 s = 28 s" in evidence(finding) and "4.9 s at 32 users" in evidence(finding)
    assert "no curve" in evidence(finding)


def test_the_tool_schema_is_suspected_and_no_more(found):
    finding = found["failures_flat_in_load"]
    assert finding.confidence == "likely" and "suspected" in finding.claim
    assert "Pydantic AI" in evidence(finding) and "without tools" in finding.refuted_by


def test_subject_and_load_are_confounded(found):
    finding = found["subject_and_load_confounded"]
    assert finding.confidence == "certain" and "History at 16 users, English at 32 users" in finding.claim
    assert "1 ascending sweep, no load measured twice" in evidence(finding)


def test_twenty_items_show_little(found):
    assert "14 % of answers can still have it" in found["too_few_items"].claim
    assert found["too_few_items"].weight == pytest.approx(0.139, abs=5e-4)


def test_contradictions_of_teaching_answers_are_the_designs(found):
    assert found["key_given_to_teaching"].claim.startswith("7 of 10 contradictions")


def test_malay_is_not_on_the_model_card(found):
    assert found["wrong_language"].confidence == "possible" and "Malay" in found["wrong_language"].claim


def test_the_measurement_that_decides_is_a_command(stress_test):
    (explanation,) = explain("stress-test")
    command = "servemark measure URL --suite exam --users 1,3,16,32 --blocks 6 --margin 3%"
    assert explanation.notes[-1] == f"what would decide: {command}"
    assert explanation.notes[0].startswith(
        "not disclosed: engine, sequences at once, retries, tools or schemas"
    )
    weights = [each.weight for each in explanation.findings]
    assert weights == sorted(weights, reverse=True) and len(weights) == 8
    assert not any("degradation under load" in each.claim for each in explanation.findings)


def level_of(test, users, **fields):
    levels = tuple(replace(each, **fields) if each.users == users else each for each in test.levels)
    return replace(test, levels=levels)


def test_enough_requests_tell_the_rates_apart(stress_test):
    test = level_of(level_of(stress_test, 3, requests=2000), 32, requests=2000)
    assert not {"rates_indistinguishable", "failures_flat_in_load"} & set(said(test))


def test_failures_that_rise_are_not_flat(stress_test):
    assert "failures_flat_in_load" not in said(level_of(stress_test, 3, failures_ratio=0.05))


def test_without_tools_none_is_suspected(stress_test):
    assert "failures_flat_in_load" not in said(replace(stress_test, tools=False))
    quiet = said(replace(stress_test, quotations=()))["failures_flat_in_load"]
    assert quiet.confidence == "possible" and "tool" not in quiet.claim


def test_latency_that_grows_as_the_users_do_fits_no_slots(stress_test):
    assert "queueing_behind_slots" not in said(level_of(stress_test, 32, latency_s=3.5 * 32))
    assert "queueing_behind_slots" not in said(level_of(stress_test, 32, latency_s=None))


def test_a_card_that_is_half_empty_hides_no_pool(stress_test):
    assert "memory_reserved_not_used" not in said(replace(stress_test, memory_used_bytes=2.0e10))
    assert "memory_reserved_not_used" not in said(replace(stress_test, memory_used_bytes=None))


def test_controls_one_subject_or_no_subject_confound_nothing(stress_test):
    assert "subject_and_load_confounded" not in said(replace(stress_test, controls=2))
    assert "subject_and_load_confounded" not in said(level_of(stress_test, 16, subject="English"))
    assert "subject_and_load_confounded" not in said(level_of(stress_test, 16, subject=None))


def test_items_that_are_many_or_unknown(stress_test):
    for items in (500, None):
        test = stress_test
        for users in (1, 3, 16, 32):
            test = level_of(test, users, items=items)
        assert "too_few_items" not in said(test)


def test_a_supported_language_or_no_key_given(stress_test):
    assert "wrong_language" not in said(replace(stress_test, languages=("en",)))
    assert "key_given_to_teaching" not in said(replace(stress_test, contradictions=None))
