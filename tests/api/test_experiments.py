"""Suites, margins and promises as people write them."""

import pytest

from servemark.api.experiments import build_experiment, needed_items, parse_margin, promises
from servemark.api.measured import measure
from servemark.api.quantities import parse_slos
from servemark.domain.exchange import Item, Message, Suite
from servemark.domain.workload import Users
from servemark.errors import InputError

LOADS = (Users(users=1), Users(users=8))
OWN = Suite(
    key="own",
    title="own",
    items=tuple(Item(id=f"q{i}", messages=(Message(role="user", content="?"),)) for i in range(60)),
)


def build(suite, **fields):
    fields = {"seed": 0, "blocks": None, "margin": None, "controls": True, "excluded": {}} | fields
    return build_experiment(suite, LOADS, **fields)


def test_the_defaults():
    experiment = build(OWN)
    assert (experiment.suite, experiment.blocks, experiment.margin_ratio) == (OWN, 6, 0.03)
    assert experiment.controls and build(None) is None


def test_the_margin_is_what_is_promised_of_the_loss_unless_given():
    promised = parse_slos("quality_loss=5%")
    assert build(OWN, slos=promised).margin_ratio == 0.05
    assert build(OWN, slos=promised, margin="2%").margin_ratio == 0.02
    assert build(OWN, slos=parse_slos("failures=2%")).margin_ratio == 0.03


def test_the_bank_of_the_model_that_ships_goes_without_codes():
    suite = build("tiny").suite
    assert (suite.key, suite.nonce, suite.canary, len(suite.items)) == ("tiny", False, False, 400)


@pytest.mark.parametrize(
    ("suite", "fields", "says"),
    [
        (None, {"blocks": 3}, "blocks: expected --suite"),
        (None, {"margin": "2%"}, "margin: expected --suite"),
        (None, {"controls": False}, "controls: expected --suite"),
        (OWN, {"blocks": 0}, "blocks: expected a whole number, at least 1"),
        (OWN, {"blocks": 61}, "blocks: expected at most its 60 items"),
        (OWN, {"margin": "100%"}, "margin: expected a share above 0"),
        (OWN, {"excluded": {"input": None, "requests": 5}}, "found --requests besides"),
        ("exma", {}, "nearest: exam"),
    ],
)
def test_what_means_nothing_is_refused(suite, fields, says):
    with pytest.raises(InputError, match=says):
        build(suite, **fields)


@pytest.mark.parametrize("option", ["input", "output", "requests", "duration", "traffic"])
def test_a_suite_brings_its_own_requests(option):
    given = {"traffic": "chat", "duration": "3s"}.get(option, 7)
    with pytest.raises(InputError, match=f"suite: expected a suite alone.* found --{option} besides"):
        measure("http://127.0.0.1:9/v1", suite=OWN, users=2, **{option: given})


def test_a_suite_promises_few_failures_and_no_loss():
    slos, (note,) = promises(parse_slos("ttft_p95=2s"), build(OWN, margin="2%"))
    assert [(slo.name, slo.limit) for slo in slos] == [
        ("ttft_p95", 2.0), ("failures", 0.01), ("quality_loss", 0.02),
    ]  # fmt: skip
    assert note == "promised besides, as a suite is asked: failures ≤ 1 %, quality loss ≤ 2 %"
    slos, notes = promises(parse_slos("failures=5%,quality_loss=1%,accuracy=90%,useful=100%"), build(OWN))
    assert [slo.limit for slo in slos] == [0.05, 0.01, 0.9, 1.0] and notes == ()


def test_answers_are_promised_only_where_they_are_judged():
    assert promises(parse_slos("failures=5%"), None) == (parse_slos("failures=5%"), ())
    with pytest.raises(InputError, match=r"slo\.accuracy: expected --suite"):
        promises(parse_slos("accuracy=95%"), None)
    with pytest.raises(InputError, match="expected a share"):
        parse_slos("accuracy=0%")


def test_margins():
    assert parse_margin("2.5%") == 0.025 and parse_margin(0.05) == 0.05 and parse_margin(None) == 0.03


def test_power_needs_no_endpoint():
    table = measure(power=True, suite=OWN, users="1,32", margin="5%")
    assert table == needed_items(OWN, (Users(users=1), Users(users=32)), seed=0, blocks=None, margin=0.05)
    assert (table.items, table.margin_ratio, table.in_flight, table.blocks) == (60, 0.05, 32, 5)
    assert all(row.question for row in table.rows) and len(table.rows) > 2
    with pytest.raises(InputError, match="url: expected a value, found nothing"):
        measure()
