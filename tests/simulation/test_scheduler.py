from servemark.domain.deployment import EngineConfig
from servemark.simulation.prefixes import Prefix
from servemark.simulation.scheduler import Scheduler
from servemark.simulation.sequence import Sequence


def scheduler_of(kv_blocks=100, **settings):
    return Scheduler(EngineConfig(block_size=4, **settings), kv_blocks)


def request(input_tokens, output_tokens=10, prefix=None):
    return Sequence(input_tokens=input_tokens, output_tokens=output_tokens, prefix=prefix)


def step(scheduler):
    """One step; returns the prompt tokens computed for each sequence."""
    prompts = scheduler.schedule()
    if prompts:
        scheduler.prefilled(prompts)
    else:
        scheduler.decoded(1)
    return [(seq, tokens) for seq, tokens in prompts]


def test_a_prompt_is_cut_to_the_budget_left_by_decoding_sequences():
    scheduler = scheduler_of(max_num_batched_tokens=16, max_num_seqs=4)
    first, second = request(10), request(20)
    scheduler.waiting.extend([first, second])
    assert step(scheduler) == [(first, 10), (second, 6)]
    assert step(scheduler) == [(second, 14)]
    assert scheduler.partial is None
    assert step(scheduler) == []
    assert scheduler.running == 2


def test_sequences_are_admitted_first_come_first_served_up_to_max_num_seqs():
    scheduler = scheduler_of(max_num_batched_tokens=100, max_num_seqs=2)
    sequences = [request(4) for _ in range(3)]
    scheduler.waiting.extend(sequences)
    assert [seq for seq, _ in step(scheduler)] == sequences[:2]
    assert list(scheduler.waiting) == sequences[2:]


def test_a_large_head_of_the_queue_blocks_smaller_ones_behind_it():
    scheduler = scheduler_of(kv_blocks=10, max_num_batched_tokens=100, max_num_seqs=4)
    large, small = request(24, 9), request(4, 9)
    scheduler.waiting.extend([request(24, 9), large, small])
    assert len(step(scheduler)) == 1
    assert step(scheduler) == []
    assert list(scheduler.waiting) == [large, small]


def test_the_newest_is_preempted_goes_to_the_front_and_is_computed_anew():
    scheduler = scheduler_of(kv_blocks=4, max_num_batched_tokens=100, max_num_seqs=4)
    old, new, late = request(8, 9), request(8, 9), request(1)
    scheduler.waiting.extend([old, new])
    step(scheduler)  # two blocks each, all four taken
    scheduler.waiting.append(late)
    step(scheduler)  # `old` needs a third block: `new` gives its two back
    assert scheduler.preempted == [new]
    assert list(scheduler.waiting) == [new, late]
    assert scheduler.pool.free == 1
    assert (new.generated, new.computed, new.preemptions) == (1, 0, 1)
    while old.generated < 9:
        assert step(scheduler) == []
    assert step(scheduler)[0] == (new, 9)  # its prompt and the token it had


def test_nothing_is_evicted_when_all_blocks_are_reserved_at_admission():
    scheduler = scheduler_of(kv_blocks=9, policy="no-evict", max_num_batched_tokens=100, max_num_seqs=4)
    first, second = request(8, 12), request(8, 12)  # five blocks each
    scheduler.waiting.extend([first, second])
    assert step(scheduler) == [(first, 8)]
    assert scheduler.pool.free == 4
    for _ in range(11):
        assert step(scheduler) == []
    assert scheduler.pool.free == 9
    assert step(scheduler) == [(second, 8)]


def test_without_chunked_prefill_decoding_pauses_while_prompts_are_computed():
    scheduler = scheduler_of(
        prefill="alone", enable_chunked_prefill=False, max_num_batched_tokens=24, max_num_seqs=4
    )
    first, second, third = request(8), request(20), request(5)
    scheduler.waiting.append(first)
    step(scheduler)
    scheduler.waiting.extend([second, third])
    before = scheduler.batch.step
    assert step(scheduler) == [(second, 20)]
    assert step(scheduler) == [(third, 5)]
    assert scheduler.batch.step == before


def test_sglang_cuts_prompts_and_computes_them_before_any_decode():
    scheduler = scheduler_of(prefill="alone", max_num_batched_tokens=24, max_num_seqs=4)
    first, second = request(8), request(60)
    scheduler.waiting.append(first)
    assert step(scheduler) == [(first, 8)]
    scheduler.waiting.append(second)
    before = scheduler.batch.step
    assert [step(scheduler) for _ in range(3)] == [[(second, 24)], [(second, 24)], [(second, 12)]]
    assert scheduler.batch.step == before
    assert step(scheduler) == []
    assert scheduler.batch.step == before + 1


def test_the_whole_prompt_has_to_find_room_where_prompts_are_computed_alone():
    # 12 blocks of 4: the first request holds 5 and grows; 32 tokens are 8 blocks, of which 7 are free
    scheduler = scheduler_of(kv_blocks=12, prefill="alone", max_num_batched_tokens=16, max_num_seqs=4)
    first, second = request(18, 3), request(32, 2)
    scheduler.waiting.extend([first, second])
    assert step(scheduler) == [(first, 16)]
    assert step(scheduler) == [(first, 2)]
    assert step(scheduler) == []
    assert scheduler.partial is None
    while first.generated < 3:
        assert step(scheduler) == []
    assert step(scheduler) == [(second, 16)]


def test_reserving_the_full_prompt_keeps_a_first_part_from_being_admitted_alone():
    for reserve, admitted in ((False, 13), (True, 0)):
        scheduler = scheduler_of(
            kv_blocks=8, max_num_batched_tokens=14, max_num_seqs=4, scheduler_reserve_full_isl=reserve
        )
        old, new = request(12, 10), request(24, 8)
        scheduler.waiting.append(old)
        step(scheduler)
        scheduler.waiting.append(new)
        assert sum(tokens for _, tokens in step(scheduler)) == admitted


def test_a_share_of_the_output_to_come_is_kept_free():
    # pages of one token: 40 in all; the first holds 10 of input and will write 20
    def admitted(ratio):
        scheduler = Scheduler(
            EngineConfig(block_size=1, new_token_ratio=ratio, max_num_batched_tokens=100, max_num_seqs=4),
            40,
        )
        scheduler.waiting.append(request(10, 20))
        step(scheduler)
        scheduler.waiting.append(request(10, 9))
        return step(scheduler) != []

    # after a step 29 are free; wanted are 19 and the share of the 18 to come
    assert admitted(0.5)
    assert not admitted(0.6)


def test_tensorrt_llm_lets_a_whole_prompt_share_a_step_with_decodes():
    scheduler = scheduler_of(enable_chunked_prefill=False, max_num_batched_tokens=24, max_num_seqs=4)
    first, second, third = request(8), request(20), request(5)
    scheduler.waiting.append(first)
    step(scheduler)
    scheduler.waiting.extend([second, third])
    before = scheduler.batch.step
    assert step(scheduler) == [(second, 20)]  # 24 - 1 decode; the third has to wait for a step that fits
    assert scheduler.batch.step == before + 1
    assert step(scheduler) == [(third, 5)]


def test_cached_prompt_blocks_are_not_computed_but_for_the_last_token():
    scheduler = scheduler_of(max_num_batched_tokens=100, max_num_seqs=4)
    first, second = request(12, prefix=Prefix((1,), 3, 3)), request(12, prefix=Prefix((1,), 3, 3))
    scheduler.waiting.append(first)
    assert step(scheduler) == [(first, 12)]
    scheduler.waiting.append(second)
    assert step(scheduler) == [(second, 4)]
    assert second.cached == 8
    assert (scheduler.prefix_queries, scheduler.prefix_hits) == (24, 8)


def test_a_shared_context_that_runs_out_breaks_everything_in_flight():
    scheduler = scheduler_of(
        policy="slots", shared_context=True, context_tokens=20, max_num_batched_tokens=100, max_num_seqs=2
    )
    first, second, third = request(9), request(9), request(3)
    scheduler.waiting.extend([first, second, third])
    step(scheduler)
    step(scheduler)  # 20 tokens cached
    assert step(scheduler) == [(third, 3)]
    assert scheduler.broken == [first, second]
    assert [seq.generated for seq in scheduler.broken] == [2, 2]
    assert scheduler.pool.free == 20 - 3


def test_a_dropped_sequence_returns_its_blocks_wherever_it_is():
    scheduler = scheduler_of(max_num_batched_tokens=16, max_num_seqs=2)
    decoding, partial, waiting = request(8), request(30), request(5)
    scheduler.waiting.extend([decoding, partial, waiting])
    step(scheduler)
    for seq in (waiting, partial, decoding):
        scheduler.drop(seq)
    assert scheduler.pool.free == 100
    assert scheduler.running == 0
    assert not scheduler.waiting
