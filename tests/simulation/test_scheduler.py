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
    scheduler = scheduler_of(enable_chunked_prefill=False, max_num_batched_tokens=24, max_num_seqs=4)
    first, second, third = request(8), request(20), request(5)
    scheduler.waiting.append(first)
    step(scheduler)
    scheduler.waiting.extend([second, third])
    before = scheduler.batch.step
    assert step(scheduler) == [(second, 20)]
    assert step(scheduler) == [(third, 5)]
    assert scheduler.batch.step == before


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
