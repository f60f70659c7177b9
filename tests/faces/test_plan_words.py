import pytest
from msgspec.structs import replace

from servemark.api.plans import plan
from servemark.domain.bill import Spread
from servemark.domain.workload import Rate, Replay, Users
from servemark.faces.plan_words import (
    axis_value,
    band_words,
    cents,
    load_words,
    millions,
    money_words,
    price_words,
    sentence,
    short_words,
    traffic_words,
)


@pytest.fixture(scope="module")
def found():
    return plan(
        "llama-3.1-8b", users=40, input=1500, output=300, slo="ttft_p95=2s,tpot_p95=40ms", gpus="h100-sxm"
    )


def test_the_sentence_that_one_quotes(found):
    line, choice = sentence(found), found.choice
    users = choice.capacity.load.users
    assert line.startswith(f"{choice.deployment.title} carries up to {users} users (80 % band ")
    assert "within TTFT p95 ≤ 2 s and TPOT p95 ≤ 40 ms, for $" in line
    assert f"{money_words(choice.usd_per_month)}" in line
    assert " a month and $" in line
    assert "per 1M output tokens (" in line
    assert f"seen {choice.bill.offer.observed})." in line


def test_ranges_only_where_there_are_some(found):
    asked = replace(found.choice, monthly_usd=Spread(low_usd=1000.0, point_usd=2000.0, high_usd=3000.0))
    assert "for $2,000 ($1,000 to $3,000) a month" in sentence(replace(found, choice=asked))
    same = Spread(low_usd=2000.0, point_usd=2000.0, high_usd=2000.0)
    assert "for $2,000 a month" in sentence(replace(found, choice=replace(found.choice, monthly_usd=same)))


def test_without_a_price():
    unpriced = plan("llama-3.1-8b", users=10, gpus="mi300x", closed_form=True)
    assert sentence(unpriced).endswith("no offer covers this GPU, so there is no price.")


def test_nothing_holds():
    nothing = plan("llama-3.3-70b", users=50, gpus="rtx-4080", budget="10usd/month", closed_form=True)
    assert sentence(nothing).startswith(
        "No deployment of Llama 3.3 70B carries 50 users within TTFT p95 ≤ 2 s"
    )
    assert "for $10 a month: " in sentence(nothing)


def test_loads(found):
    asked = found.requirements
    assert load_words(Users(users=1), asked) == "1 user"
    assert load_words(Users(users=1500), asked) == "1,500 users"
    assert load_words(Rate(per_s=2.5), asked) == "2.5 requests a second"
    replay = replace(asked, load=Replay(name="mine", time_scale=0.5), replay_per_s=3.0)
    assert load_words(Replay(name="mine", time_scale=1.0), replay) == "6 requests a second"
    assert traffic_words(replay) == " of mine"
    assert traffic_words(asked) == ""
    assert axis_value(Replay(name="mine", time_scale=0.25), replay) == 1.5


def test_bands_stand_in_the_unit_of_the_load(found):
    capacity = replace(found.choice.capacity, band=(10.9, 20.2))
    candidate = replace(found.choice, capacity=capacity)
    assert band_words(candidate, found.requirements) == "10 to 20"
    assert band_words(candidate, replace(found.requirements, load=Rate(per_s=1.0))) == "10.9 to 20.2"
    replay = replace(found.requirements, load=Replay(name="m", time_scale=2.0), replay_per_s=1.0)
    assert band_words(candidate, replay) == "5.45 to 10.1"


def test_names_and_money(found):
    assert short_words(found.choice.deployment).startswith("1 x H100 SXM 80GB, ")
    assert (cents(1.5), millions(1.5e-7), money_words(None)) == ("$1.50", "$0.15", "–")
    offer = replace(found.choice.bill.offer, observed="undated <2026-10")
    assert "price undated <2026-10" in price_words(offer)
