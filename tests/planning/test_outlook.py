import pytest
from msgspec.structs import replace
from plan_questions import offer, requirements

from servemark.catalogue.places import find_place
from servemark.domain.bill import Bill
from servemark.domain.capacity import SloVerdict, Verdict
from servemark.domain.run import Level
from servemark.domain.workload import Rate, Users, load_value
from servemark.planning.outlook import REACH, capacity_and_outlook, trip_to

TTFT = requirements().slos[0]


def breaking_at(limit):
    """Levels that keep their promise below a load."""
    asked = []

    def probe(load):
        asked.append(load_value(load))
        kept = load_value(load) < limit
        word = "holds" if kept else "breaks"
        slo = SloVerdict(slo=TTFT, value=1.0, verdict=word, margin=0.1 if kept else -0.1)
        return Level(load=load, requests_sent=1, outcomes={}, metrics={}, output_tokens_per_s=1.0, requests_per_s=1.0,
                     verdict=Verdict(word=word, slos=(slo,)))  # fmt: skip

    return probe, asked


def outlook_of(limit, asked):
    probe, seen = breaking_at(limit)
    level = probe(asked.load)
    seen.clear()
    capacity, outlook = capacity_and_outlook(probe, level, asked, lambda load, found: 3)
    return capacity, outlook, seen


def test_capacity_is_found_to_a_user():
    capacity, outlook, seen = outlook_of(137, requirements())
    assert capacity.load == Users(users=136)
    assert capacity.first_broken == Users(users=137)
    assert outlook.at_break.load == Users(users=137)
    assert outlook.doubled.load == Users(users=200)
    assert outlook.doubled_holds_with == 3
    assert len(seen) == len(set(seen))
    assert 100 not in seen


def test_a_rate_is_found_to_a_share():
    capacity, _, _ = outlook_of(5.0, requirements(load=Rate(per_s=3.0)))
    assert 5.0 / 1.03 <= capacity.load.per_s < 5.0


def test_nothing_breaks_within_reach():
    capacity, outlook, _ = outlook_of(1e9, requirements())
    assert capacity.load == Users(users=int(100 * REACH))
    assert capacity.first_broken is None
    assert outlook.at_break is None


def test_few_users_are_looked_at_further():
    capacity, _, _ = outlook_of(50, requirements(load=Users(users=1)))
    assert capacity.load == Users(users=49)


def test_headroom_is_where_the_search_begins():
    capacity, outlook, seen = outlook_of(160, requirements(headroom_ratio=0.5))
    assert min(each for each in seen if each != 100) >= 150
    assert outlook.at_peak.load == Users(users=100)
    assert capacity.load == Users(users=159)


def test_round_trips_are_known_where_both_ends_are():
    frankfurt = find_place("frankfurt")
    here = Bill(offer=offer("l40s", 1.0, region="us-east-1"), instances=1, gpus_used=1)
    low, usual, high = trip_to(here, frankfurt)
    # 6,500 km of fibre there and back take 64 ms
    assert 0.06 < low < usual < high < 0.25
    assert trip_to(here, None) is None
    assert trip_to(replace(here, offer=offer("l40s", 1.0)), frankfurt) is None
    assert trip_to(None, frankfurt) is None


@pytest.mark.parametrize("limit", [101, 250])
def test_the_choice_itself_holds(limit):
    capacity, _, _ = outlook_of(limit, requirements())
    assert capacity.load.users >= 100
