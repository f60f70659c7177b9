import json

import msgspec
import pytest
from plan_questions import offer, planned, requirements, spread_requirements

from servemark.api.deployments import build_deployment
from servemark.errors import InputError
from servemark.faces.documents import deployment_document
from servemark.planning.documents import (
    deployment_fields,
    deployment_of_fields,
    plan_document,
    plan_of_document,
    read_plan,
)


def again(plan):
    return plan_of_document(json.loads(msgspec.json.encode(plan_document(plan))))


def test_a_plan_comes_back_as_it_was(small_plan):
    assert again(small_plan) == small_plan


def test_what_others_read_is_at_the_top(small_plan):
    document = plan_document(small_plan)
    assert document["schema"] == "servemark.plan/1"
    counted = (document["choice"] is not None) + len(document["alternatives"]) + len(document["rejected"])
    assert document["candidates_evaluated"] == counted
    choice = document["choice"]
    assert choice["deployment"]["gpu"] in ("l40s", "h100-sxm")
    assert choice["usd_per_month"] == small_plan.choice.usd_per_month
    assert choice["usd_per_million_output_tokens"] == pytest.approx(
        1e6 * small_plan.choice.output_token_usd.point_usd
    )
    assert choice["capacity_at_most"] == small_plan.choice.capacity.load.users
    assert set(document["rejected"][0]) >= {"deployment", "reason", "detail"}


def test_a_deployment_is_enough_to_build_it_again(small_plan):
    document = plan_document(small_plan)["choice"]["deployment"]
    options = ("gpu", "tp", "pp", "ep", "replicas", "dtype", "kv_dtype", "engine")
    built = build_deployment(
        document["model"],
        {**{key: document[key] for key in options}, "set_": document["settings"]},
    )
    assert built == small_plan.choice.deployment


def test_a_deployment_has_the_fields_that_other_commands_print():
    built = build_deployment("llama-3.1-8b", {"gpu": "l40s", "tp": 2, "engine": "vllm@0.15.1"})
    fields, printed = deployment_fields(built), deployment_document(built)
    # the engine's own memory constants follow from its name
    assert {key: fields[key] for key in printed if key != "settings"} == {
        key: value for key, value in printed.items() if key != "settings"
    }
    assert set(fields["settings"]) == set(printed["settings"]) - {"memory", "speculative"}
    assert deployment_of_fields(fields, built.model) == built


def test_only_settings_that_differ_are_written_for_what_lost():
    built = build_deployment("llama-3.1-8b", {"gpu": "l40s", "set_": "max_num_seqs=64"})
    fields = deployment_fields(built, all_settings=False)
    assert fields["settings"] == {"max_num_seqs": 64}
    assert deployment_of_fields(fields, built.model) == built


def test_a_plan_without_a_choice_comes_back():
    plan = planned(requirements(budget_usd_per_month=100.0), ["l40s"], [offer("l40s", 1.0)])
    assert again(plan) == plan


def test_fleets_come_back():
    plan = planned(spread_requirements(), ["l40s"], [offer("l40s", 1.0)], fleets=("split", "disaggregated"))
    assert any(each.fleet is not None for each in (*plan.rejected, plan.choice, *plan.alternatives))
    assert again(plan) == plan


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ({"schema": "servemark.run/1"}, "a plan"),
        ({"schema": "servemark.plan/1"}, "requirements"),
        ({}, "no schema"),
    ],
)
def test_what_is_no_plan_is_refused(document, words):
    with pytest.raises(InputError, match=words):
        plan_of_document(document)


def test_a_plan_is_read_from_its_file(small_plan, tmp_path):
    file = tmp_path / "plan.json"
    file.write_bytes(msgspec.json.encode(plan_document(small_plan)))
    assert read_plan(file) == small_plan


@pytest.mark.parametrize("text", [None, "{", "[]", '{"schema": "servemark.run/1"}'])
def test_files_that_hold_no_plan(text, tmp_path):
    file = tmp_path / "plan.json"
    if text is not None:
        file.write_text(text)
    with pytest.raises(InputError, match=r"plan\.json"):
        read_plan(file)
