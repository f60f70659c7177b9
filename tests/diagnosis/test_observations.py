import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_runs import clean_run, on_level, samples
from msgspec.structs import replace
from statsmodels.stats.proportion import proportion_confint

from servemark.diagnosis.observations import (
    alone,
    growth,
    lowest,
    mean_growth_s,
    peak,
    preempted,
    request_tokens,
    requests,
    rises,
    rising,
    states,
    wilson,
)
from servemark.domain.run import StepRecord
from servemark.domain.workload import Rate


@given(st.integers(1, 500).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_is_the_published_interval(counts):
    hits, n = counts
    assert wilson(hits, n) == pytest.approx(proportion_confint(hits, n, method="wilson"), abs=1e-9)


def test_wilson_of_nothing_is_everything():
    assert wilson(0, 0) == (0.0, 1.0)
    assert [round(each, 2) for each in wilson(3, 4)] == [0.30, 0.95]


def test_levels_by_load():
    whole = clean_run((32, 1, 8))
    assert (rising(whole), lowest(whole), alone(whole)) == ([1, 2, 0], 1, 1)
    assert alone(clean_run((8, 32))) is None and lowest(clean_run(())) is None
    open_loop = on_level(clean_run((1,)), 1, load=Rate(per_s=0.1))
    assert alone(open_loop) is None


def test_warmup_does_not_count():
    level = clean_run((1,)).levels[0]
    warm = replace(level.requests[0], warmup=True)
    level = replace(level, requests=(warm, *level.requests[1:]))
    assert [each.position for each in requests(level)][:2] == [1, 2]


def test_what_is_unknown_is_none_and_never_0():
    level = replace(clean_run((1,)).levels[0], engine=())
    assert peak(level, "waiting") is None and growth(level, "preemptions") is None
    assert mean_growth_s(level, "queue_s") is None and preempted(level) is None and states(level) == []
    one = replace(level, engine=samples(1)[:1])
    assert growth(one, "preemptions") is None and peak(one, "waiting") == 0


def test_counters_and_histograms_grow_within_the_level():
    level = clean_run((1,)).levels[0]
    counted = tuple(
        replace(each, preemptions=100 + k, queue_s=(2.0 * k, 4 * k)) for k, each in enumerate(samples(1))
    )
    level = replace(level, engine=counted)
    # 9 steps of 2 s over 4 requests each
    assert growth(level, "preemptions") == 9 and mean_growth_s(level, "queue_s") == 0.5


def test_what_other_loads_add_between_two_visits_does_not_count():
    level = clean_run((1,)).levels[0]
    later = tuple(
        replace(each, block=1, scheduled_s=each.scheduled_s + 100, end_s=each.end_s + 100)
        for each in level.requests
    )
    first = samples(1, preemptions=3)
    second = tuple(
        replace(each, at_s=each.at_s + 100, preemptions=50 + k) for k, each in enumerate(samples(1))
    )
    level = replace(level, requests=level.requests + later, engine=first + second)
    assert growth(level, "preemptions") == 9


def test_decoding_steps_of_one_replica_speak_for_the_engine():
    def step(**fields):
        made = StepRecord(start_s=0.0, first_s=0.02, last_s=0.02, decodes=4, waiting=3, kv_used_ratio=0.5)
        return replace(made, **fields)

    level = replace(
        clean_run((1,)).levels[0], engine=(), steps=(step(), step(prefill_tokens=64, waiting=9))
    )
    assert peak(level, "waiting") == 3 and peak(level, "running") == 4
    assert states(replace(level, steps=(step(), step(replica=1)))) == []


def test_tokens_of_a_request_are_prompt_and_answer():
    assert request_tokens(clean_run()) == 60 + 21
    assert request_tokens(clean_run(())) is None


def test_rising_beyond_chance():
    whole = clean_run()
    assert rises(whole, lambda i: (0, 0, 12)[i])
    assert not rises(whole, lambda i: (10, 11, 12)[i])
    assert not rises(whole, lambda i: (0, 0, 2)[i])
    assert not rises(clean_run((1,)), lambda i: 40)
