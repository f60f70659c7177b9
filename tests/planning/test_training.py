"""The ranked training plan: what is counted, why others lost, what would help."""

from collections import Counter

import pytest
from msgspec.structs import replace

from servemark.api.training_questions import training_question
from servemark.domain.offer import Offer
from servemark.errors import InputError
from servemark.planning.training import training_plan
from servemark.planning.training_ranking import ranked
from servemark.planning.training_settings import settings


def plan(model="llama-3.1-8b", train="lora", **options):
    return training_plan(training_question(model, train, {"tokens": "50M", **options}))


def offer(gpu, gpus, price, observed="2026-11-01"):
    return Offer(
        provider="here",
        instance=f"{gpus} x {gpu}",
        gpu=gpu,
        gpus=gpus,
        price_usd_per_hour=price,
        observed=observed,
        source="a price list",
    )


EXAMPLE = plan(gpus="rtx-4090,l40s", max_hours="8")


def test_every_way_is_counted_once():
    held = (EXAMPLE.choice is not None) + len(EXAMPLE.alternatives)
    assert EXAMPLE.candidates_evaluated == held + len(EXAMPLE.rejected)
    expected = sum(len(list(settings(EXAMPLE.question, count))) for count in EXAMPLE.question.counts)
    assert EXAMPLE.candidates_evaluated == 2 * expected
    assert {each.reason for each in EXAMPLE.rejected} <= {
        "does_not_fit",
        "slo",
        "budget",
        "unsupported",
        "dominated",
    }


def test_the_choice_is_the_cheapest_that_keeps_the_hours():
    choice = EXAMPLE.choice
    assert choice is not None and choice.cost_usd is not None and choice.bill is not None
    assert choice.total_s.value <= 8 * 3600
    for other in EXAMPLE.alternatives:
        assert other.cost_usd is not None
        assert other.cost_usd.value >= choice.cost_usd.value
        faster = other.total_s.value < choice.total_s.value
        assert faster or (other.safe and not choice.safe)
    hours = choice.total_s.value / 3600
    assert choice.cost_usd.value == pytest.approx(hours * choice.bill.usd_per_hour)


def test_start_up_is_paid_for():
    choice = EXAMPLE.choice
    assert choice is not None
    assert choice.total_s.value == pytest.approx(choice.time.duration_s.value + 300)


def test_too_slow_is_said_with_hours():
    found = plan(gpus="l4", count="1", max_hours="4")
    assert found.choice is None
    lost = next(each for each in found.rejected if each.reason == "slo")
    assert "over 4 h" in lost.detail
    assert found.nearest == lost
    assert any("allow" in remedy for remedy in found.remedies)


def test_too_dear_is_said_with_dollars():
    found = plan(gpus="h100-sxm", count="1", budget="1usd")
    assert found.choice is None
    assert found.nearest is not None and found.nearest.reason == "budget"
    assert found.remedies == (f"allow ${1 + found.nearest.excess_ratio:,.2f}",)


def test_70b_full_on_one_server_of_eight_80_gb_cards_does_not_fit():
    found = plan("llama-3.1-70b", "full", gpus="a100-sxm-80gb,h100-sxm", count="8")
    assert found.choice is None
    assert {each.reason for each in found.rejected} == {"does_not_fit"}
    assert found.nearest is not None
    assert "1,129 GB on all 8" in found.nearest.detail
    assert any("32 x" in remedy for remedy in found.remedies)
    assert any("LoRA" in remedy for remedy in found.remedies)


def test_one_24_gb_card_cannot_qlora_a_70b():
    found = plan("llama-3.1-70b", "qlora", gpus="rtx-4090,rtx-3090,a10", count="1", sequence="512")
    assert found.choice is None
    assert {each.reason for each in found.rejected} == {"does_not_fit"}
    assert any(remedy.startswith(("2 x", "4 x")) for remedy in found.remedies)


def test_qlora_fits_where_lora_does_not():
    assert plan("llama-3.1-70b", "lora", gpus="h100-sxm", count="1").choice is None
    assert plan("llama-3.1-70b", "qlora", gpus="h100-sxm", count="1").choice is not None


def test_a_count_that_no_offer_joins_is_unsupported():
    question = training_question("llama-3.1-8b", "lora", {"tokens": "1M", "gpus": "l40s", "count": "1,4"})
    found = training_plan(replace(question, offers=(offer("l40s", 1, 1.0),)))
    assert found.choice is not None and found.choice.gpus == 1
    reasons = {each.reason: each.detail for each in found.rejected if each.gpus == 4}
    assert "no offer joins 4" in reasons["unsupported"]


def test_a_budget_needs_a_price():
    found = plan(gpus="mi300x,l40s", count="1", budget="100usd")
    assert {each.gpu for each in found.rejected if each.reason == "unsupported"} == {"mi300x"}
    assert plan(gpus="mi300x", count="1").choice is not None


def test_superchips_train_alone():
    found = plan(gpus="gh200", count="1,2")
    assert found.choice is not None and found.choice.gpus == 1
    assert {each.reason for each in found.rejected if each.gpus == 2} == {"unsupported"}


def test_a_step_that_grows_with_the_gpus_is_marked():
    found = plan(gpus="l40s", count="64")
    assert found.choice is not None
    # 64 x 2,048 tokens instead of 65,536
    assert "steps of 131,072 tokens" in found.choice.marks


def test_linear_attention_is_refused_in_one_line():
    with pytest.raises(InputError, match="linear attention"):
        plan("qwen3-next-80b-a3b")


def test_odd_numbers_of_servers_are_unsupported():
    found = plan(gpus="l40s", count="12")
    assert found.choice is None
    assert {each.reason for each in found.rejected} == {"unsupported"}


def test_a_whole_instance_is_paid_for():
    question = training_question("llama-3.1-8b", "lora", {"tokens": "1M", "gpus": "l40s", "count": "2"})
    found = training_plan(replace(question, offers=(offer("l40s", 8, 16.0),)))
    assert found.choice is not None and found.choice.bill is not None
    assert found.choice.bill.gpus_paid == 8
    assert found.choice.bill.usd_per_hour == 16.0


def test_an_undated_price_never_wins_alone():
    question = training_question("llama-3.1-8b", "lora", {"tokens": "5M", "gpus": "l40s,l4", "count": "1"})
    undated = offer("l40s", 1, 0.1, observed="undated")
    found = training_plan(replace(question, offers=(undated, offer("l4", 1, 1.0))))
    assert found.choice is not None and found.choice.gpu == "l4"
    assert [each.marks for each in found.alternatives] == [("undated price",)]


def test_without_prices_gpu_hours_decide():
    question = training_question(
        "llama-3.1-8b", "lora", {"tokens": "5M", "gpus": "l40s,l4", "count": "1,2"}
    )
    found = training_plan(replace(question, offers=()))
    assert found.choice is not None
    assert (found.choice.gpu, found.choice.gpus) == ("l40s", 1)
    assert "no price known" in found.choice.marks


def test_nothing_risky_pushes_out_what_is_safe():
    risky, safe = EXAMPLE.choice, EXAMPLE.alternatives[0]
    assert risky is not None
    assert not risky.safe
    choice, alternatives, lost = ranked([replace(safe, total_s=risky.total_s), risky])
    assert choice == risky
    assert len(alternatives) == 1
    assert not lost


def test_a_published_run_and_what_it_implies():
    found = plan(
        "20B", "full", tokens="277B words", gpus="a100-sxm-80gb", count="560", took="20d", mfu="35%-45%"
    )
    assert found.implied is not None
    # 14.3 % by 6 P T; attention over 2,048 tokens adds 2.7 % of it
    assert found.implied.mfu_ratio == pytest.approx(0.143 * 1.027, abs=0.001)
    assert found.choice is not None
    days = found.choice.time.duration_s
    assert 6 < days.low / 86400 < days.high / 86400 < 8.5


def test_a_plan_over_all_gpus_judges_thousands():
    found = plan()
    assert found.candidates_evaluated > 5000
    assert Counter(each.reason for each in found.rejected)["dominated"] > 1000
    assert found.choice is not None


def test_more_tokens_never_cost_less():
    costs = [plan(tokens=tokens, gpus="l40s").choice.cost_usd.value for tokens in ("1M", "10M", "100M")]
    assert costs == sorted(costs)
