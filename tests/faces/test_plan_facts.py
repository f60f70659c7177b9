import pytest
from msgspec.structs import replace

from servemark.api.plans import plan
from servemark.faces.plan_facts import facts


@pytest.fixture(scope="module")
def found():
    return plan("llama-3.1-8b", users=100, input=1500, output=300, slo="ttft_p95=2s,tpot_p95=40ms",
                gpus="l40s,h100,a100,rtx-4090,l4", users_in="frankfurt")  # fmt: skip


def text_of(plan, label):
    return [text for key, text in facts(plan) if key == label]


def test_the_facts_that_someone_who_signs_reads(found):
    labels = [label for label, _ in facts(found)]
    assert labels[0] == "deploy"
    assert {"headroom", "twice the peak", "breaks first", "cold start", "network", "price"} <= set(labels)


def test_headroom_and_what_breaks(found):
    outlook = found.outlook
    (headroom,) = text_of(found, "headroom")
    assert "the 100 users asked for; there TTFT p95 is" in headroom
    (breaks,) = text_of(found, "breaks first")
    assert f"at {outlook.at_break.load.users} users" in breaks
    (doubled,) = text_of(found, "twice the peak")
    assert doubled.startswith("200 users ")


def test_every_dollar_has_a_date_and_a_source(found):
    (price,) = text_of(found, "price")
    offer = found.choice.bill.offer
    assert offer.observed in price
    assert f"source: {offer.source}" in price


def test_an_old_price_says_so(found):
    aged = replace(found, date="2027-11-20")
    (price,) = text_of(aged, "price")
    assert "days old: ask again" in price


def test_less_precision_is_said_with_what_keeps_it(found):
    words = text_of(found, "precision")
    if found.choice.keeps_precision:
        assert words == []
    else:
        assert "instead of the checkpoint's bf16: answers may change a little" in words[0]


def test_uncertain_where_the_slow_end_carries_less(found):
    held = found.choice.capacity.load.users
    unsure = replace(found.choice, capacity=replace(found.choice.capacity, band=(60.0, held + 10.0)))
    (words,) = text_of(replace(found, choice=unsure), "certainty")
    assert words.startswith("at the slow end of the band it carries 60, less than asked for")
    sure = replace(found.choice, capacity=replace(found.choice.capacity, band=(101.0, held + 10.0)))
    assert text_of(replace(found, choice=sure), "certainty") == []


def test_what_would_hold():
    nothing = plan("llama-3.1-8b", users=100, gpus="l40s", budget="100usd/month", closed_form=True)
    labels = [label for label, _ in facts(nothing)]
    assert labels[:2] == ["nearest", "would hold with"]
    assert "over the budget" in text_of(nothing, "nearest")[0]


def test_the_closed_form_says_what_it_is():
    quick = plan("llama-3.1-8b", users=20, gpus="l40s", closed_form=True)
    assert text_of(quick, "method")
