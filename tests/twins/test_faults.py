import pytest

from servemark.domain.exchange import CHECKS
from servemark.errors import InputError
from servemark.twins.faults import (
    FAULT_KINDS,
    REVEALED_BY,
    Fault,
    FaultPlan,
    parse_fault_plan,
    read_fault_plan,
    struck,
)


def kinds(plan, **where):
    return [fault.kind for _, fault, _ in struck(plan, **where)]


def test_a_plan_is_read_from_toml(tmp_path):
    path = tmp_path / "plan.toml"
    path.write_text(
        '[[fault]]\nkind = "cut_stream"\nending = "done"\nafter_tokens = 7\n\n'
        '[[fault]]\nkind = "dropped_front"\nfrom_in_flight = 8\nrate = 0.5\nreported = false\n'
    )
    assert read_fault_plan(path) == FaultPlan(
        fault=(
            Fault(kind="cut_stream", ending="done", after_tokens=7),
            Fault(kind="dropped_front", from_in_flight=8, rate=0.5, reported=False),
        )
    )
    assert read_fault_plan(path).title == "faults: cut_stream, dropped_front 50 % from 8 in flight"


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ({}, "at least one table"),
        ({"fault": []}, "at least one table"),
        ({"faults": [{"kind": "loop"}]}, "nearest: fault"),
        (
            {"fault": [{"kind": "lop"}]},
            "fault 1: kind: expected a kind of fault, found 'lop'; nearest: loop",
        ),
        ({"fault": [{"rate": 0.5}]}, "expected a `kind`"),
        ({"fault": [{"kind": "loop"}, {"kind": "loop", "rat": 1}]}, "fault 2: rat: .*nearest: rate"),
        ({"fault": [{"kind": "loop", "delay_s": 1.0}]}, "a parameter of loop"),
        ({"fault": [{"kind": "loop", "rate": 1.5}]}, "rate: expected 0 to 1, found 1.5"),
        ({"fault": [{"kind": "loop", "rate": float("nan")}]}, "rate: expected 0 to 1, found nan"),
        ({"fault": [{"kind": "loop", "rate": "much"}]}, "expected a fault"),
        ({"fault": [{"kind": "stall", "after_tokens": 0}]}, "after_tokens: expected at least 1"),
        ({"fault": [{"kind": "cut_stream", "ending": "bang"}]}, "bang"),
        (
            {"fault": [{"kind": "stall", "delay_s": float("inf")}]},
            "delay_s: expected 0 to 86400, found inf",
        ),
    ],
)
def test_a_bad_plan_is_refused_in_one_line(table, words):
    with pytest.raises(InputError, match=words) as caught:
        parse_fault_plan(table)
    assert "\n" not in str(caught.value)


def test_a_missing_file_and_broken_toml_are_refused(tmp_path):
    with pytest.raises(InputError, match="No such file"):
        read_fault_plan(tmp_path / "absent.toml")
    (tmp_path / "broken.toml").write_text("[[fault\n")
    with pytest.raises(InputError, match="valid TOML"):
        read_fault_plan(tmp_path / "broken.toml")


def test_it_strikes_from_so_many_in_flight():
    plan = FaultPlan(fault=(Fault(kind="loop", from_in_flight=8),))
    assert kinds(plan, seed=0, number=0, in_flight=7) == []
    assert kinds(plan, seed=0, number=0, in_flight=8) == ["loop"]


def test_the_rate_is_met_and_depends_on_seed_and_number_alone():
    plan = FaultPlan(fault=(Fault(kind="loop", rate=0.25),))
    hit = [bool(kinds(plan, seed=3, number=i, in_flight=1)) for i in range(4000)]
    # 1000 expected, standard deviation 27
    assert 880 < sum(hit) < 1120
    assert hit == [bool(kinds(plan, seed=3, number=i, in_flight=5)) for i in range(4000)]
    assert hit != [bool(kinds(plan, seed=4, number=i, in_flight=5)) for i in range(4000)]


def test_faults_of_a_plan_are_drawn_independently():
    plan = FaultPlan(fault=(Fault(kind="loop", rate=0.5), Fault(kind="refusal", rate=0.5)))
    seen = [tuple(kinds(plan, seed=0, number=i, in_flight=1)) for i in range(400)]
    for each in ((), ("loop",), ("refusal",), ("loop", "refusal")):
        # 100 expected, standard deviation 9
        assert 60 < seen.count(each) < 140


def test_every_kind_says_what_reveals_it_and_every_check_is_met():
    assert set(REVEALED_BY) == set(FAULT_KINDS)
    assert {check for checks in REVEALED_BY.values() for check in checks} == set(CHECKS)
