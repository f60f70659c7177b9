from workloads import LinearStep

from servemark.domain.deployment import EngineConfig
from servemark.domain.step import DecodeCost
from servemark.domain.workload import ArrivalPlan, PlannedRequest, Rate
from servemark.simulation.replicas import play

PS = 10**12


def run(requests, step_time, kv_blocks=1000, **settings):
    plan = ArrivalPlan(
        load=Rate(per_s=1.0),
        seed=0,
        requests=tuple(
            PlannedRequest(index=i, scheduled_s=at, input_tokens=n, output_tokens=m)
            for i, (at, n, m) in enumerate(requests)
        ),
    )
    return play(plan, step_time=step_time, engine=EngineConfig(**settings), kv_blocks=kv_blocks)


class Flat:
    """One second a step."""

    def decode(self, decodes):
        return DecodeCost(PS, 0)

    def mixed(self, decodes, context_tokens, prefill_tokens, prefill_pairs, prompts):
        return PS


def test_one_request_by_hand():
    # 10 prompt tokens; 4 output tokens: one from the prompt's step, three from decode steps.
    step_time = LinearStep(base=1000, member=10, context=1, prefill=7, pair=1)
    played = run([(0.0, 10, 4)], step_time)
    prompt, decode = played.steps
    assert prompt.first_s == (1000 + 7 * 10 + 55 + 3) / PS
    assert (prompt.decodes, prompt.prefill_tokens, prompt.count) == (0, 10, 1)
    # The decode steps read 10, 11 and 12 cached tokens.
    assert (decode.count, decode.decodes) == (3, 1)
    assert (decode.first_s, decode.last_s) == (1020 / PS, 1022 / PS)
    (record,) = played.requests
    assert record.first_token_s == 1128 / PS
    assert record.last_token_s == record.end_s == (1128 + 1020 + 1021 + 1022) / PS
    assert (record.output_tokens, record.outcome, record.finish_reason) == (4, "complete", "length")


def test_an_arrival_joins_at_the_next_step_boundary():
    # Steps end at 1, 2, 3 ...; a request that arrives at 3.5 is computed from 4 to 5.
    played = run([(0.0, 10, 100), (3.5, 10, 2)], Flat())
    assert played.requests[1].first_token_s == 5.0
    assert [(s.start_s, s.count, s.decodes) for s in played.steps] == [
        (0.0, 1, 0), (1.0, 3, 1), (4.0, 1, 1), (5.0, 1, 2), (6.0, 94, 1),
    ]  # fmt: skip


def test_an_arrival_at_a_step_boundary_is_in_the_step_that_starts_there():
    played = run([(0.0, 10, 100), (3.0, 10, 2)], Flat())
    assert played.requests[1].first_token_s == 4.0


def test_a_stretch_ends_at_the_kink_of_the_step_time():
    step_time = LinearStep(base=1000, member=0, context=1, kink=12, late=5)
    played = run([(0.0, 10, 8)], step_time)
    gaps = [(s.count, round(s.first_s * PS), round(s.last_s * PS)) for s in played.steps[1:]]
    # Contexts 10, 11, 12 at one picosecond a token; 13 to 16 at five.
    assert gaps == [(3, 1010, 1012), (4, 1017, 1032)]


def test_the_gap_of_a_preempted_request_is_a_stall_and_no_step():
    # Five blocks of four tokens; both prompts take two, and both need a third at their first decode step.
    # The second returns its blocks at 1 s, waits until the first is done, and is computed in one step more.
    played = run([(0.0, 8, 6), (0.0, 8, 6)], Flat(), kv_blocks=5, block_size=4, max_num_seqs=4)
    first, second = played.requests
    assert first.preemptions == 0
    assert (second.preemptions, second.stalls_s) == (1, (6.0,))
    assert first.end_s == 6.0
    assert sum(s.count * s.decodes for s in played.steps) + 1 == 5 + 5


def test_decoding_that_pauses_for_a_prompt_has_one_long_gap():
    played = run([(0.0, 10, 5), (1.5, 10, 2)], Flat(), prefill="alone", enable_chunked_prefill=False)
    first, second = played.requests
    # Tokens of the first at 1, 2, then (the prompt from 2 to 3) at 4, 5, 6.
    assert first.stalls_s == (2.0,)
    assert first.end_s == 6.0
    assert (second.first_token_s, second.end_s) == (3.0, 4.0)
    assert [(s.start_s, s.count, s.decodes) for s in played.steps] == [
        (0.0, 1, 0), (1.0, 1, 1), (2.0, 1, 0), (3.0, 1, 1), (4.0, 2, 1),
    ]  # fmt: skip


def test_memory_does_not_grow_with_the_tokens_generated():
    played = run([(0.0, 10, 100_000)], Flat(), kv_blocks=10_000)
    assert len(played.steps) == 2
    assert sum(s.count * s.decodes for s in played.steps) == 99_999
