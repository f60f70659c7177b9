from made_runs import ITEMS, clean_run, level, on_level, request, run, samples
from msgspec.structs import replace

from servemark.api.simulated import simulate
from servemark.diagnosis.causes import diagnose
from servemark.diagnosis.queueing import (
    gap_key,
    queueing_behind_slots,
    running_flat_at,
    slowed,
    slower_steps,
    waiting_for_first_token,
)
from servemark.domain.capacity import SloVerdict, Verdict
from servemark.domain.engine_sample import EngineFacts
from servemark.domain.run import Lag
from servemark.domain.workload import Slo


def loaded(ttft_s, e2e_s, engine=(), facts=None, **fields):
    """One user: 0.1 s to the first token, 1 s in all. 32 users: as given."""
    low = level(1, [request(i) for i in range(ITEMS)], samples(1) if engine else ())
    high = level(32, [request(i, ttft_s=ttft_s, e2e_s=e2e_s) for i in range(ITEMS)], engine)
    return run(low, high, facts=facts, **fields)


QUEUE = tuple(
    replace(each, queue_s=(3.0 * k, k + 1)) for k, each in enumerate(samples(32, running=8, waiting=24))
)


def test_eight_run_and_the_others_wait():
    seen = queueing_behind_slots(loaded(3.1, 4.0, QUEUE))
    assert seen.claim == "Requests queue behind 8 slots: at 32 users 8 ran while up to 24 waited."
    # (3.1 - 0.1) / 4.0
    assert seen.confidence == "likely" and round(seen.weight, 3) == 0.75
    assert "ITL p50 45.0 ms to 45.0 ms" in seen.evidence[1].text and len(seen.evidence[1].requests) == 3


def test_certain_where_the_engine_says_so_too():
    seen = queueing_behind_slots(loaded(3.1, 4.0, QUEUE, EngineFacts(engine="llama.cpp", slots=8)))
    assert seen.confidence == "certain" and "--parallel" in seen.next_step


def test_the_number_that_runs_must_be_flat():
    wild = tuple(replace(each, running=4 + 4 * k) for k, each in enumerate(QUEUE))
    assert running_flat_at(loaded(3.1, 4.0, wild).levels[1]) is None
    assert queueing_behind_slots(loaded(3.1, 4.0, wild)) is None
    assert running_flat_at(clean_run().levels[2]) is None


def test_those_that_came_in_together_wait_for_a_moment():
    """At the start of a visit one runs and fifteen wait; a little later all run."""
    start = [replace(each, running=1, waiting=15) for each in QUEUE[:4]]
    later = [replace(each, running=16, waiting=0) for each in QUEUE[4:]]
    assert running_flat_at(loaded(3.1, 4.0, (*start, *later)).levels[1]) is None


def test_a_queue_behind_one_slot_would_take_as_many_rounds():
    """One ran while 31 waited, in every sample; but 32 rounds would take 32 times as long, not 4."""
    one = tuple(replace(each, running=1, waiting=31) for each in QUEUE)
    assert queueing_behind_slots(loaded(3.1, 4.0, one)) is None
    assert "behind 1 slot:" in queueing_behind_slots(loaded(31.0, 32.0, one)).claim


def test_the_engines_own_clock_says_that_nobody_waited():
    # 1 ms in the queue on average, of 4 s
    short = tuple(replace(each, queue_s=(0.001 * k, k + 1)) for k, each in enumerate(QUEUE))
    assert queueing_behind_slots(loaded(3.1, 4.0, short)) is None


def test_gaps_that_were_read_together_are_told_by_tpot():
    whole = loaded(0.8, 1.7)
    torn = whole.levels[1].metrics["itl_s"]
    metrics = whole.levels[1].metrics | {"itl_s": replace(torn, p50=0.0, together_ratio=0.6)}
    torn_run = replace(whole, levels=(whole.levels[0], replace(whole.levels[1], metrics=metrics)))
    assert gap_key(whole, 1) == "itl_s" and gap_key(torn_run, 1) == "tpot_s"
    # the first token comes 8 times later, and each token as fast as before
    assert "TPOT p50 45.0 ms to 45.0 ms" in waiting_for_first_token(torn_run).evidence[0].text


def test_a_full_pool_is_another_row():
    full = tuple(replace(each, kv_used_ratio=1.0) for each in QUEUE)
    assert queueing_behind_slots(loaded(3.1, 4.0, full)) is None
    # but eight slots that are all taken are eight slots, however full
    assert queueing_behind_slots(loaded(3.1, 4.0, full, EngineFacts(slots=8))).confidence == "certain"


def test_without_metrics_the_latency_fits_slots_and_no_more_is_said():
    seen = queueing_behind_slots(loaded(7.1, 8.0))
    assert seen.confidence == "possible" and "as behind about 4.0 slots" in seen.claim
    # 1.7 times the latency for 32 times the users is no queue behind few slots
    assert queueing_behind_slots(loaded(0.8, 1.7)) is None


def test_first_tokens_late_and_gaps_unchanged():
    moving = tuple(replace(each, running=4 + 4 * k) for k, each in enumerate(samples(32, waiting=24)))
    seen = waiting_for_first_token(loaded(3.1, 4.0, moving))
    assert "31.0 times later at 32 users" in seen.claim and "wait for prompts before them" in seen.claim
    assert seen.confidence == "likely"
    queued = tuple(replace(each, queue_s=(2.5 * k, k)) for k, each in enumerate(moving))
    assert "waiting to be admitted" in waiting_for_first_token(loaded(3.1, 4.0, queued)).claim
    unknown = tuple(replace(each, queue_s=None) for each in moving)
    assert waiting_for_first_token(loaded(3.1, 4.0, unknown)).confidence == "possible"


def test_behind_slots_it_is_not_named_twice():
    assert waiting_for_first_token(loaded(3.1, 4.0, QUEUE)) is None


def test_slower_steps():
    seen = slower_steps(loaded(0.2, 3.2, samples(32)))
    # (3.2 - 0.2) - (1.0 - 0.1) of 3.2 s
    assert seen.confidence == "likely" and round(seen.weight, 2) == 0.66
    assert "from 45.0 ms to 150 ms at 32 users" in seen.claim
    assert waiting_for_first_token(loaded(0.2, 3.2, samples(32))) is None


def test_slower_steps_of_an_unknown_engine_are_only_possible():
    assert slower_steps(loaded(0.2, 3.2)).confidence == "possible"


def test_preemption_a_full_pool_or_a_late_client_explain_gaps_as_well():
    assert slower_steps(loaded(0.2, 3.2, samples(32, kv_used_ratio=1.0))) is None
    preempted = (*samples(32)[:5], *samples(32, preemptions=9)[5:])
    assert slower_steps(loaded(0.2, 3.2, preempted)) is None
    late = on_level(loaded(0.2, 3.2, samples(32)), 32, lag=Lag(send_p99_s=0.0, loop_p99_s=0.1))
    assert slower_steps(late) is None


def promised(word):
    """TTFT grew 31-fold, under a promise that holds or breaks."""
    slo = Slo(metric="ttft_s", statistic="p95", limit=5.0 if word == "holds" else 1.0)
    verdict = Verdict(word=word, slos=(SloVerdict(slo=slo, value=3.1, verdict=word),))
    return on_level(loaded(3.1, 4.0, QUEUE, slos=(slo,)), 32, verdict=verdict)


def test_slower_within_the_promise_is_no_finding():
    assert slowed(promised("breaks")) == 1 and slowed(promised("holds")) is None
    assert queueing_behind_slots(promised("holds")) is None


def test_a_simulated_queue_behind_slots():
    simulated = simulate(
        "llama-3.1-8b", gpu="l40s", users=[1, 32], input=256, output=64, requests=64,
        set_={"max_num_seqs": 4}, runs=None,
    )  # fmt: skip
    found = {each.key: each for each in diagnose(simulated)}
    assert found["queueing_behind_slots"].confidence == "certain"
    assert "behind 4 slots" in found["queueing_behind_slots"].claim
