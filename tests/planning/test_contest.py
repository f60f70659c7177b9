import pytest
from plan_questions import offer, requirements, search_of

from servemark.domain.capacity import SloVerdict, Verdict
from servemark.domain.run import Level
from servemark.planning import contest as module
from servemark.planning.contest import Grower, contest, holds
from servemark.planning.prospects import prospects_of, stock_of
from servemark.planning.shapes import replica_shapes
from servemark.planning.sieve import columns


def level(asked, word, margin=0.1):
    slos = tuple(
        SloVerdict(slo=slo, value=slo.limit * (1 - margin), verdict=word, margin=margin)
        for slo in asked.slos
    )
    return Level(load=asked.load, requests_sent=1000, outcomes={"complete": 1000}, metrics={}, output_tokens_per_s=1.0,
                 requests_per_s=1.0, verdict=Verdict(word=word, slos=slos))  # fmt: skip


class Engine:
    """A simulator that says what it is told, and remembers what it was asked."""

    def __init__(self, asked, keeps):
        self.asked, self.keeps, self.played = asked, keeps, []

    def __call__(self, prospect):
        self.played.append(prospect)
        kept = self.keeps(prospect)
        return level(self.asked, "holds" if kept else "breaks", 0.1 if kept else -0.2)


@pytest.fixture(scope="module")
def scene():
    asked = requirements()
    shapes = replica_shapes(search_of(asked, ["l40s", "h100-sxm"])).fitting
    forms = columns(shapes, asked.load, asked.workload)
    stock = stock_of([offer("l40s", 1.0), offer("h100-sxm", 2.5)])
    return (
        asked,
        prospects_of(shapes, forms, asked, asked.load, stock),
        Grower(forms, asked, asked.load, stock),
    )


def ranked(prospects):
    return sorted((*prospects.holding, *prospects.doubtful), key=lambda each: each.rank)


def counted(prospects, outcome):
    """Everything that went in comes out once, and what was grown beside it."""
    into = len(prospects.holding) + len(prospects.doubtful)
    return (outcome.choice is not None) + len(outcome.alternatives) + len(outcome.rejected) - into


def test_the_cheapest_is_tried_first_and_wins_when_it_holds(scene):
    asked, prospects, grower = scene
    engine = Engine(asked, lambda prospect: True)
    outcome = contest(prospects, grower, engine)
    assert outcome.choice == ranked(prospects)[0] == engine.played[0]
    assert counted(prospects, outcome) == 0


def test_what_breaks_is_rejected_with_what_it_breaks_and_the_next_is_tried(scene):
    asked, prospects, grower = scene
    first = ranked(prospects)[0]
    engine = Engine(asked, lambda prospect: prospect.row != first.row)
    outcome = contest(prospects, grower, engine)
    assert engine.played[0] == first
    assert outcome.choice.row != first.row
    (lost,) = [each for each in outcome.rejected if each.deployment == first.deployment]
    assert (lost.reason, lost.method) == ("slo", "simulation")
    assert lost.detail.endswith("over its 2.00 s")
    assert lost.excess_ratio == pytest.approx(0.2)


def test_one_replica_more_queues_again_at_its_price(scene):
    asked, prospects, grower = scene
    holding = {(each.row, each.replicas) for each in prospects.holding}
    engine = Engine(
        asked, lambda prospect: (prospect.row, prospect.replicas) not in holding and prospect.worst < 1
    )
    outcome = contest(prospects, grower, engine)
    grown = outcome.choice
    assert (grown.row, grown.replicas - 1) in holding
    assert grown.bill.gpus_used == grown.deployment.gpus
    assert counted(prospects, outcome) > 0


def test_prices_rise_while_the_choice_is_looked_for(scene):
    asked, prospects, grower = scene
    engine = Engine(asked, lambda prospect: prospect.shape.deployment.node.gpu.key == "h100-sxm")
    outcome = contest(prospects, grower, engine)
    upto = engine.played[: engine.played.index(outcome.choice) + 1]
    prices = [each.usd_per_month for each in upto]
    assert prices == sorted(prices)


def test_the_closed_form_alone_rejects_what_it_doubts(scene):
    _, prospects, grower = scene
    outcome = contest(prospects, grower, None)
    assert outcome.levels == {}
    assert outcome.choice == min(prospects.holding, key=lambda each: each.rank)
    assert counted(prospects, outcome) == 0


def test_after_so_many_trials_the_closed_form_decides(scene, monkeypatch):
    asked, prospects, grower = scene
    monkeypatch.setattr(module, "CHOICE_TRIALS", 3)
    engine = Engine(asked, lambda prospect: False)
    outcome = contest(prospects, grower, engine)
    assert outcome.choice is not None
    assert (outcome.choice.row, outcome.choice.replicas) not in outcome.levels
    assert outcome.choice.worst <= 1


def test_nothing_holds(scene):
    asked, prospects, grower = scene
    none = prospects._replace(holding=(), doubtful=())
    outcome = contest(none, grower, Engine(asked, lambda prospect: True))
    assert (outcome.choice, outcome.alternatives, outcome.rejected) == (None, (), ())


def test_the_dominated_name_what_is_better(scene):
    asked, prospects, grower = scene
    outcome = contest(prospects, grower, Engine(asked, lambda prospect: True))
    dominated = [each for each in outcome.rejected if each.reason == "dominated"]
    assert dominated
    for each in dominated:
        assert "is at least as good in everything" in each.detail
        assert each.usd_per_month >= outcome.choice.usd_per_month


def test_open_promises_do_not_hold():
    asked = requirements()
    assert holds(level(asked, "holds"))
    assert not holds(level(asked, "undecided"))
    assert not holds(level(asked, "breaks"))
