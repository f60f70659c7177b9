import inspect

import pytest

from servemark.api.plan_options import (
    SERVING,
    TRAINING,
    fleet_kinds,
    parse_budget,
    parse_engines,
    parse_gpus,
    parse_headroom,
    parse_names,
    parse_precisions,
    peak_demand,
)
from servemark.api.plans import TRACE_REQUESTS, plan
from servemark.domain.workload import FixedLength, Rate, Replay, Users, Workload
from servemark.errors import InputError, UnknownName


@pytest.mark.parametrize(
    ("text", "usd"),
    [("5000usd/month", 5000.0), ("5000", 5000.0), (5000, 5000.0), ("$5,000/month", None), ("$5000/mo", 5000.0),
     ("2usd/hour", 1460.0), ("$2/h", 1460.0), ("48usd/day", 1460.0), ("12000usd/year", 1000.0), (None, None)],
)  # fmt: skip
def test_budgets(text, usd):
    if usd is None and text is not None:
        with pytest.raises(InputError, match="5000usd/month"):
            parse_budget(text)
    else:
        assert parse_budget(text) == (None if usd is None else pytest.approx(usd))


@pytest.mark.parametrize("text", ["5000eur/month", "5000usd/week", "lots", "0", "-5usd/month", "usd"])
def test_impossible_budgets(text):
    with pytest.raises(InputError, match="budget: expected an amount such as 5000usd/month"):
        parse_budget(text)


def test_lists():
    assert parse_names("a, b,a") == ("a", "b")
    assert parse_names(["a", "b"]) == ("a", "b")
    assert parse_names(None) == ()
    assert parse_precisions("int4, FP8,awq", "dtype") == ("int4", "fp8")
    assert parse_engines(None) == ("vllm",)
    assert {each.key for each in parse_gpus("l40s,h100")} >= {"l40s", "h100-sxm", "h100-pcie"}
    assert len(parse_gpus(None)) >= 31


def test_headroom():
    assert parse_headroom("20%") == pytest.approx(0.2)
    assert parse_headroom(None) == 0
    with pytest.raises(InputError, match="headroom"):
        parse_headroom("2000%")


def test_fleets_are_tried_where_prompts_spread():
    fixed = Workload(input=FixedLength(tokens=5))
    assert fleet_kinds(None, False, fixed) == ()
    assert fleet_kinds("disaggregated", False, fixed) == ("disaggregated",)
    assert fleet_kinds("split", True, fixed) == ("mixed",)
    with pytest.raises(UnknownName, match="fleet: expected one, split, disaggregated or all"):
        fleet_kinds("spilt", False, fixed)


def demand(**given):
    empty = dict.fromkeys(("users", "rate", "input", "output", "traffic", "trace"))
    return peak_demand(**{**empty, "think_s": 0.0, **given})


def test_the_peak():
    assert demand(users=100)[1] == Users(users=100)
    assert demand(users="100", think_s=20.0)[1] == Users(users=100, think_s=20.0)
    assert demand(rate="3/s")[1] == Rate(per_s=3.0)


def test_a_profile_at_a_rate_keeps_its_uneven_arrivals():
    _, load, _ = demand(rate="11.06/s", traffic="azure-conversation")
    assert load == Replay(name="azure-conversation", time_scale=pytest.approx(2.0))


def test_a_trace_at_a_rate_is_played_faster(tmp_path):
    file = tmp_path / "mine.csv"
    file.write_text("at_s,input_tokens,output_tokens\n0,100,10\n1,100,10\n2,100,10\n")
    _, load, recorded = demand(rate="3/s", trace=file)
    assert load == Replay(name="mine", time_scale=pytest.approx(3.0))
    assert len(recorded.requests) == 3


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({}, "users: expected the peak"),
        ({"users": "1,2"}, "users: expected one number, the peak"),
        ({"rate": "1,2"}, "rate: expected one number, the peak"),
        ({"rate": 1, "users": 1}, "either --users or --rate"),
        ({"rate": 1, "think_s": 2.0}, "think: expected users who think"),
        ({"users": 5, "traffic": "azure-conversation", "input": 5}, "lengths from --traffic"),
    ],
)
def test_demands_that_contradict_themselves(given, words):
    with pytest.raises(InputError, match=words):
        demand(**given)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"gpus": "l40z"}, "gpus: expected a GPU, found 'l40z'; nearest: l40"),
        ({"providers": "azzure"}, "providers: expected a provider.*nearest: azure"),
        ({"slo": "tfft_p95=2s"}, "slo.tfft_p95: expected a metric"),
        ({"budget": "5000usd/fortnight"}, "budget"),
        ({"dtype": "fp7"}, "dtype: expected a number format"),
        ({"engine": "vlm"}, "engine: expected an engine"),
        ({"purchase": "sport"}, "purchases: expected a way to pay.*nearest: spot"),
        ({"weights_from": "tape"}, "weights_from"),
        ({"users_in": "atlantis"}, "users_in: expected a region or a city"),
        ({"max_gpus": 0}, "max_gpus: expected a whole number, at least 1"),
        ({"spare": -1}, "spare"),
        ({"input": 200_000}, "input: expected input . output at most the model's 131072 tokens"),
    ],
)
def test_bad_input_is_refused_before_any_search(given, words):
    with pytest.raises(InputError, match=words):
        plan("llama-3.1-8b", users=10, **given)


def test_training_and_serving_options_do_not_mix():
    with pytest.raises(InputError, match="tokens: expected --train METHOD beside it, found 50M"):
        plan("llama-3.1-8b", users=10, tokens="50M")
    with pytest.raises(InputError, match="users: expected no --train beside it"):
        plan("llama-3.1-8b", users=10, train="lora", tokens="50M")


def test_every_option_is_of_serving_or_of_training_or_of_both():
    both = {"budget", "gpus", "providers", "regions", "purchase", "max_gpus", "seed", "train", "model"}
    assert set(inspect.signature(plan).parameters) == {*SERVING, *TRAINING, *both}


def test_models_that_cannot_be_planned_for():
    with pytest.raises(InputError, match="model: expected a model"):
        plan(users=10)
    with pytest.raises(InputError, match="a model that generates"):
        plan("bge-m3", users=10)
    with pytest.raises(UnknownName, match=r"nearest: llama-3\.1-8b"):
        plan("llama-3.1-8bb", users=10)


def test_promises_are_assumed_and_said_to_be():
    found = plan("llama-3.1-8b", users=20, gpus="l40s", closed_form=True)
    assert found.requirements.slos_assumed
    assert [each.name for each in found.requirements.slos] == ["ttft_p95", "tpot_p95"]


def test_answers_of_one_token_have_no_gaps():
    found = plan("llama-3.1-8b", users=20, output=1, gpus="l40s")
    assert [each.name for each in found.requirements.slos] == ["ttft_p95"]
    assert found.choice.capacity.load.users >= 20
    with pytest.raises(InputError, match="slo: expected a promise on answers of one token"):
        plan("llama-3.1-8b", users=20, output=1, slo="tpot_p95=50ms")


def test_named_consumer_cards_may_win():
    found = plan("llama-3.1-8b", users=20, gpus="rtx-4090,h100", closed_form=True)
    assert found.requirements.consumer
    assert found.choice.deployment.node.gpu.key == "rtx-4090"


def test_a_long_trace_is_planned_for_its_busiest_stretch(tmp_path):
    rows = [
        f"{i * (0.5 if 1000 <= i < 4000 else 1.0) + (500 if i >= 4000 else 0)},200,20" for i in range(5000)
    ]
    file = tmp_path / "long.csv"
    file.write_text("at_s,input_tokens,output_tokens\n" + "\n".join(rows))
    found = plan("llama-3.1-8b", trace=file, gpus="l40s", closed_form=True)
    assert (
        f"of the 5,000 recorded requests the busiest {TRACE_REQUESTS:,} in a row are played" in found.notes
    )
