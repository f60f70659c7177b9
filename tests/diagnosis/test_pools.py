import pytest
from made_runs import alter, clean_run, failing, level_quality, on_level, samples
from msgspec.structs import replace

from servemark.api.simulated import simulate
from servemark.diagnosis.causes import diagnose
from servemark.diagnosis.pools import (
    cliff_note,
    died_together,
    predicted_cliff,
    preemption_and_recompute,
    shared_kv_pool_exhausted,
    stalled_share,
    streams_broken_off,
)
from servemark.domain.engine_sample import EngineFacts
from servemark.domain.run import Distribution

POOL = EngineFacts(engine="llama.cpp", slots=8, kv_pool_tokens=512, shared_pool=True)
ERROR = "error event: Context size has been exceeded."


def broken(record, reason=ERROR, at_s=3.0):
    return failing(record, "broken", reason, 200, text_chunks=6, output_tokens=6, end_s=at_s)


def test_the_cliff_is_pool_over_tokens_per_request():
    assert predicted_cliff(512, 84) == pytest.approx(6.095, abs=1e-3)
    assert predicted_cliff(512, 0) is None
    assert cliff_note(512, 84).endswith("6.1 users fit at once")


def test_streams_that_die_together_over_an_empty_pool():
    # 60 + 21 = 81 tokens each: 512 / 81 = 6.3
    whole = alter(clean_run((1, 4, 6, 8), facts=POOL), 8, broken, range(30))
    seen = shared_kv_pool_exhausted(whole)
    assert seen.claim.startswith("The shared KV pool is exhausted, cliff predicted at 6 users: 30 of 40")
    assert (seen.confidence, seen.weight) == ("certain", 0.75)
    assert "30 of them together" in seen.evidence[0].text and seen.evidence[0].requests == (0, 1, 2, 3, 4)
    arithmetic = "512 tokens / 81 per request = 6.3 users; measured: none broke off up to 6, the first at 8"
    assert seen.evidence[2].text == arithmetic
    assert "--ctx-size 649" in seen.next_step
    assert not any("degradation" in each.claim for each in diagnose(whole))


def test_a_cliff_elsewhere_than_predicted_is_only_likely():
    whole = alter(clean_run((1, 2, 8), facts=POOL), 2, broken, range(30))
    assert shared_kv_pool_exhausted(whole).confidence == "likely"


def test_a_slot_that_was_not_full_betrays_the_pool():
    # 60 prompt tokens and 6 of the answer do not fill a slot of 512
    told = EngineFacts(engine="llama.cpp", slots=8, context_tokens_per_slot=512)
    seen = shared_kv_pool_exhausted(alter(clean_run((1, 4, 6, 8), facts=told), 8, broken, range(30)))
    assert seen.confidence == "certain" and "cliff predicted at 6 users" in seen.claim
    assert "a request that held 66 broke off for want of room" in seen.evidence[1].text
    full = EngineFacts(engine="llama.cpp", slots=8, context_tokens_per_slot=70)
    seen = shared_kv_pool_exhausted(alter(clean_run((1, 8), facts=full), 8, broken, range(30)))
    assert seen.confidence == "likely" and "predicted" not in seen.claim


def test_streams_that_broke_before_their_first_word_count_too():
    whole = alter(
        clean_run((1, 4, 6, 8), facts=POOL), 8, lambda r: replace(broken(r), text_chunks=0), range(30)
    )
    assert shared_kv_pool_exhausted(whole).weight == 0.75


def test_the_same_error_before_the_stream_counts_too():
    def refused(record):
        return failing(record, "refused", "HTTP 500: Context size has been exceeded.", 500)

    assert shared_kv_pool_exhausted(alter(clean_run(facts=POOL), 32, refused, range(30))).weight == 0.75

    # but a prompt that no slot takes is the request's own fault
    def too_long(record):
        return failing(record, "refused", "HTTP 400: exceeds the available context size", 400)

    assert shared_kv_pool_exhausted(alter(clean_run(facts=POOL), 32, too_long, range(30))) is None


def test_an_unknown_pool_is_named_without_a_cliff():
    seen = shared_kv_pool_exhausted(alter(clean_run(), 32, broken, range(30)))
    assert seen.confidence == "likely" and "predicted" not in seen.claim


def test_slots_with_a_share_of_their_own_share_no_pool():
    split = EngineFacts(slots=8, kv_pool_tokens=512, shared_pool=False)
    assert shared_kv_pool_exhausted(alter(clean_run(facts=split), 32, broken, range(30))) is None


def test_a_stream_that_ends_without_a_word_is_not_put_down_to_the_pool():
    def silent(record):
        return broken(record, "stream ended without finish reason after 6 chunks")

    whole = alter(clean_run(facts=POOL), 32, silent, range(3))
    assert shared_kv_pool_exhausted(whole) is None
    seen = streams_broken_off(whole)
    assert (seen.confidence, seen.weight) == ("possible", 3 / 40)


def test_a_connection_that_ends_in_mid_answer_broke_off_too():
    def dropped(record):
        took_s = 0.5 + 0.1 * record.index
        return failing(record, "transport", "ClientPayloadError", 200, took_s=took_s, text_chunks=6)

    seen = streams_broken_off(alter(clean_run(), 32, dropped, range(8)))
    assert "8 of 40 at 32 users; what ends them is not said" in seen.claim
    assert seen.evidence[0].text == "at 32 users: 8 times: ClientPayloadError"


def test_an_error_that_is_named_is_said():
    whole = alter(clean_run(), 32, lambda r: broken(r, "error event: the worker died"), range(8))
    seen = streams_broken_off(whole)
    assert "an error that the stream names ends them" in seen.claim and seen.confidence == "likely"


def test_streams_that_a_time_limit_ends_are_that_row():
    def given_up(record):
        return failing(record, "transport", "ClientPayloadError", 200, took_s=30.0, text_chunks=6)

    whole = alter(clean_run(), 32, given_up, range(20))
    assert streams_broken_off(whole) is None and diagnose(whole)[0].key == "timeout_while_queued"


def test_a_200_without_a_word_did_not_break_off():
    whole = alter(clean_run(), 32, lambda r: failing(r, "broken", "200 without text", 200), range(5))
    assert streams_broken_off(whole) is None


def test_died_together_counts_neighbours_in_time():
    class At:
        def __init__(self, end_s):
            self.record = self
            self.end_s = end_s

    assert died_together([At(1.0), At(1.1), At(9.0)]) == 2
    assert died_together([At(1.0)]) == 0


def preempting(count=112, kv=1.0, **fields):
    before, after = (
        samples(32, kv_used_ratio=kv, waiting=25),
        samples(32, kv_used_ratio=kv, preemptions=count),
    )
    return on_level(clean_run(**fields), 32, engine=(*before, *after))


def test_preemption_with_answers_unharmed():
    seen = preemption_and_recompute(preempting())
    assert seen.claim.endswith("112 times to compute them again, answers unharmed.")
    assert seen.claim.startswith("Queueing and preemption at 32 users")
    assert seen.confidence == "certain"
    assert "112 preemptions, the KV pool 100 % full, up to 25 requests waiting" in seen.evidence[0].text


def test_what_is_not_known_of_the_answers_is_not_said():
    seen = preemption_and_recompute(on_level(preempting(), 32, quality=None))
    assert "unharmed" not in seen.claim
    worse = on_level(preempting(), 32, quality=level_quality(broke=4))
    assert "unharmed" not in preemption_and_recompute(worse).claim


def test_a_counter_that_stands_still_or_is_unknown_says_nothing():
    assert preemption_and_recompute(preempting(count=0)) is None
    unknown = tuple(replace(each, preemptions=None) for each in samples(32))
    assert preemption_and_recompute(on_level(clean_run(), 32, engine=unknown)) is None


def test_a_counter_that_fell_back_is_a_restart_not_a_count():
    whole = on_level(clean_run(), 32, engine=(*samples(32, preemptions=90), *samples(32, preemptions=3)))
    assert preemption_and_recompute(whole) is None


def test_the_weight_is_the_stall_in_the_latency():
    level = preempting().levels[2]
    metrics = level.metrics | {
        "stall_max_s": Distribution(n=40, p95=1.5), "e2e_s": Distribution(n=40, p95=6.0)
    }  # fmt: skip
    assert stalled_share(replace(level, metrics=metrics)) == 0.25
    assert stalled_share(replace(level, metrics={})) == 0.0


def test_a_simulated_run_out_of_blocks_is_preempting():
    simulated = simulate(
        "llama-3.1-8b", gpu="l40s", users=[1, 32], input=256, output=256, requests=64,
        set_={"num_gpu_blocks_override": 512}, runs=None,
    )  # fmt: skip
    found = {each.key: each for each in diagnose(simulated)}
    assert found["preemption_and_recompute"].confidence == "certain"
    # 512 blocks of 16 tokens for 512 tokens a request
    assert "8,192 tokens and a request takes about 512: 16.0 users" in str(
        found["preemption_and_recompute"].evidence
    )
