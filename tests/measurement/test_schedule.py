import pytest

from servemark.domain.workload import FixedLength, PlannedRequest, Rate, Replay, Users, Workload
from servemark.errors import InputError
from servemark.load.driver import Extent
from servemark.measurement.schedule import default_remarks, plan_levels
from servemark.traffic.traces import Trace

WORKLOAD = Workload(input=FixedLength(tokens=100), output=FixedLength(tokens=8))


def levels(*loads, **fields):
    asked = {"requests": None, "duration_s": None, "warmup": None, "trace": None} | fields
    return plan_levels(loads, WORKLOAD, seed=0, **asked)


def test_ten_requests_per_user_and_at_least_a_hundred_after_one_warmup_request_per_user():
    extents = [extent for _, extent in levels(Users(users=4), Users(users=32), Rate(per_s=2.0))]
    assert extents == [
        Extent(warmup=4, requests=100),
        Extent(warmup=32, requests=320),
        Extent(warmup=1, requests=100),
    ]


def test_an_open_loop_is_planned_with_its_warmup():
    ((plan, extent),) = levels(Rate(per_s=2.0), requests=10, warmup=5)
    assert (len(plan.requests), extent) == (15, Extent(warmup=5, requests=10))


def test_a_duration_replaces_the_number_of_requests():
    ((plan, extent),) = levels(Rate(per_s=10.0, process="constant"), duration_s=3.0)
    assert (len(plan.requests), extent) == (30, Extent(warmup=1, duration_s=3.0))


def test_a_trace_is_replayed_whole_and_without_warmup():
    rows = tuple(
        PlannedRequest(index=i, scheduled_s=float(i), input_tokens=9, output_tokens=9) for i in range(7)
    )
    trace = Trace(name="seven", format="servemark", requests=rows)
    ((plan, extent),) = levels(Replay(name="seven"), trace=trace)
    assert (len(plan.requests), extent) == (7, Extent())
    assert default_remarks(None, None, trace) == ()


def test_every_level_has_the_same_lengths():
    workload = Workload(profile="x")
    both = plan_levels(
        [Users(users=1), Users(users=8)],
        workload,
        seed=3,
        requests=5,
        duration_s=None,
        warmup=0,
        trace=None,
    )
    assert both[0][0].requests == both[1][0].requests


@pytest.mark.parametrize("field", ["requests", "warmup"])
def test_impossible_quantities(field):
    with pytest.raises(InputError, match=f"{field}: expected at least"):
        levels(Users(users=1), **{field: -1})
