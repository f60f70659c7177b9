"""The same engine, written to be read: one step at a time, one block at a time, one token at a time.

It shares no code with `servemark.simulation`. Times are integer picoseconds.
"""

import heapq
from dataclasses import dataclass, field

from servemark.domain.workload import Users

PS = 10**12


@dataclass
class Block:
    key: object = None
    users: int = 0


@dataclass(eq=False)
class Request:
    index: int
    user: int | None
    scheduled: int
    input: int
    asked: int
    output: int
    keys: list
    replica: int = -1
    blocks: list = field(default_factory=list)
    computed: int = 0
    token_times: list = field(default_factory=list)
    stalls: list = field(default_factory=list)
    preemptions: int = 0
    recomputing: bool = False
    cached: int | None = None
    outcome: str = ""
    end: int = -1

    @property
    def total(self):
        return self.input + len(self.token_times)

    @property
    def decodes(self):
        return bool(self.token_times) and not self.recomputing


@dataclass
class Step:
    """What one step did. `decodes` are the requests whose gap between two tokens is this very step."""

    replica: int
    start: int
    duration: int
    decodes: int
    prefill_tokens: int
    waiting: int
    used: int


class Engine:
    def __init__(self, number, step_time, config, kv_blocks):
        self.number = number
        self.step_time = step_time
        self.config = config
        self.slots = config.policy == "slots"
        self.chunked = config.enable_chunked_prefill or self.slots
        self.alone = config.prefill == "alone" and not self.slots
        self.ahead = self.alone or config.scheduler_reserve_full_isl or config.new_token_ratio > 0
        self.size = config.block_size
        self.total = kv_blocks
        if self.slots:
            context = config.context_tokens or kv_blocks * config.block_size
            shared = config.shared_context
            self.window = context if shared else context // config.max_num_seqs
            self.size = 1
            self.total = context if shared else 10**9
        self.caching = config.enable_prefix_caching and not self.slots
        self.waiting, self.running = [], []
        self.reset()
        self.plan = []
        self.busy_until = None
        self.steps = []

    def reset(self):
        self.free = [Block() for _ in range(self.total)] if self.total < 10**9 else None
        self.by_key = {}

    # what a request may ask for

    def refuses(self, tokens_in, tokens_out):
        if self.slots:
            limit = min(self.window, self.config.max_model_len or self.window)
            return tokens_in >= limit
        limits = [self.total * self.size]
        if self.config.max_model_len:
            limits.append(self.config.max_model_len)
        if not self.chunked:
            if tokens_in > self.config.max_num_batched_tokens:
                return True
            if self.config.policy != "no-evict":
                limits.append(self.config.max_num_batched_tokens)
        return any(tokens_in + tokens_out > limit for limit in limits)

    def grants(self, tokens_in, tokens_out):
        if not self.slots:
            return tokens_out
        return min(tokens_out, min(self.window, self.config.max_model_len or self.window) - tokens_in)

    # blocks

    def enough(self, blocks):
        return self.free is None or blocks <= len(self.free)

    def take(self, request, upto_blocks):
        while self.free is not None and len(request.blocks) < upto_blocks:
            block = self.free.pop(0)
            if block.key is not None:
                del self.by_key[block.key]
                block.key = None
            block.users = 1
            request.blocks.append(block)

    def give_back(self, request):
        for block in reversed(request.blocks):
            block.users -= 1
            if block.users == 0:
                self.free.append(block)
        request.blocks = []
        request.computed = 0

    def remember(self, request, tokens):
        if not self.caching:
            return
        for j in range(min(tokens // self.size, len(request.keys))):
            if request.blocks[j].key == request.keys[j]:
                continue
            if request.keys[j] in self.by_key:
                break
            request.blocks[j].key = request.keys[j]
            self.by_key[request.keys[j]] = request.blocks[j]

    def cached_blocks(self, request):
        found = []
        if self.caching:
            for key in request.keys[: (request.total - 1) // self.size]:
                if key not in self.by_key:
                    break
                found.append(self.by_key[key])
        return found

    # one step

    def blocks_for(self, tokens):
        return -(-tokens // self.size)

    def schedule(self, now):
        self.plan, self.preempted, self.broken = [], False, []
        if not self.alone:
            budget = self.run_running(now)
            if not self.preempted:
                self.admit(budget)
            return self.plan
        budget = self.config.max_num_batched_tokens
        for request in self.running:
            if not request.decodes:
                tokens = min(request.total - request.computed, budget)
                self.take(request, self.blocks_for(request.computed + tokens))
                self.remember(request, request.computed + tokens)
                self.plan.append((request, tokens))
                budget -= tokens
        self.admit(budget)
        if not self.plan:
            self.run_running(now)
        return self.plan

    def promised(self, request):
        """Blocks for all that a request may hold, as far as the engine looks ahead."""
        if self.config.policy == "no-evict" or self.config.new_token_ratio:
            return self.blocks_for(request.input + request.output)
        return self.blocks_for(request.total)

    def spoken_for(self):
        """Free blocks that running requests and the prompts of this step will want."""
        if (
            self.slots
            or self.config.policy == "no-evict"
            or not (self.alone or self.config.new_token_ratio)
        ):
            return 0
        prompts = [request for request, _ in self.plan if not request.decodes]
        decoding = [r for r in self.running if r not in prompts]
        to_come = sum(r.output - len(r.token_times) for r in decoding)
        kept = self.blocks_for(int(self.config.new_token_ratio * to_come))
        return kept + sum(self.promised(r) - len(r.blocks) for r in prompts)

    def run_running(self, now):
        budget = self.config.max_num_batched_tokens
        position = 0
        while position < len(self.running):
            request = self.running[position]
            tokens = min(request.total - request.computed, budget)
            need = self.blocks_for(request.computed + tokens)
            if not self.enough(need - len(request.blocks)):
                if self.slots:
                    self.break_all()
                    budget = self.config.max_num_batched_tokens
                    break
                victim = self.running.pop()
                victim.preemptions += 1
                victim.recomputing = bool(victim.token_times)
                self.give_back(victim)
                self.waiting.insert(0, victim)
                self.preempted = True
                continue
            self.take(request, need)
            if not request.decodes:
                self.remember(request, request.computed + tokens)
            self.plan.append((request, tokens))
            budget -= tokens
            position += 1
        return budget

    def break_all(self):
        self.broken += self.running
        self.running, self.plan = [], []
        self.reset()

    def admit(self, budget):
        while self.waiting and budget > 0 and len(self.running) < self.config.max_num_seqs:
            request = self.waiting[0]
            hits = self.cached_blocks(request)
            computed = len(hits) * self.size
            tokens = request.total - computed
            if tokens > budget:
                if not self.chunked:
                    return
                tokens = budget
            need = self.blocks_for(computed + tokens)
            if self.config.policy == "no-evict":
                need = self.blocks_for(request.input + request.output)
            wanted = need
            if not self.slots and self.ahead:
                wanted = max(need, self.promised(request))
            idle = sum(block.users == 0 for block in hits)
            if not self.enough(wanted - len(hits) + idle + self.spoken_for()):
                if not self.slots:
                    return
                self.running.append(self.waiting.pop(0))
                self.break_all()
                budget = self.config.max_num_batched_tokens
                continue
            self.running.append(self.waiting.pop(0))
            for block in hits:
                if block.users == 0:
                    self.free.remove(block)
                block.users += 1
                request.blocks.append(block)
            request.computed = computed
            if request.cached is None:
                request.cached = computed
            self.take(request, need)
            self.remember(request, computed + tokens)
            self.plan.append((request, tokens))
            budget -= tokens

    def start(self, now):
        self.schedule(now)
        for request in self.broken:
            request.outcome, request.end = "broken", now
        if not self.plan:
            self.busy_until = None
            return
        decodes = context = prefill = pairs = prompts = 0
        for request, tokens in self.plan:
            if request.decodes:
                decodes += 1
                context += request.computed
                continue
            prompts += 1
            prefill += tokens
            pairs += sum(at + 1 for at in range(request.computed, request.computed + tokens))
        if prompts:
            duration = self.step_time.mixed(decodes, context, prefill, pairs, prompts)
        else:
            duration = self.step_time.decode(decodes).at(context)
        used = 0 if self.free is None else self.total - len(self.free)
        self.steps.append(Step(self.number, now, duration, 0, prefill, len(self.waiting), used))
        self.busy_until = now + duration

    def finish(self, now):
        ended = []
        step = self.steps[-1]
        for request, tokens in self.plan:
            request.computed += tokens
            if request.computed < request.total:
                continue
            if request.token_times:
                gap = now - request.token_times[-1]
                if request.token_times[-1] == step.start and not request.recomputing:
                    step.decodes += 1
                else:
                    request.stalls.append(gap)
            request.recomputing = False
            request.token_times.append(now)
            if len(request.token_times) == request.output:
                request.outcome = "complete" if request.output == request.asked else "truncated"
                request.end = now
                ended.append(request)
        for request in ended:
            self.running.remove(request)
            if self.free is not None:
                self.give_back(request)
        return ended


def simulate(
    plan, *, step_time, engine, kv_blocks, request_overhead_s=0.0, replicas=1, router="round-robin",
    requests=None, duration_s=None, warmup=0,
):  # fmt: skip
    """Every request (by index) and every step (by start) of a level."""
    fleet = [Engine(number, step_time, engine, kv_blocks) for number in range(replicas)]
    overhead = round(request_overhead_s * PS)
    until = None if duration_s is None else round(duration_s * PS)
    if requests is None and duration_s is None:
        requests = max(0, len(plan.requests) - warmup)
    total = None if requests is None else warmup + requests
    closed = isinstance(plan.load, Users)
    think = round(plan.load.think_s * PS) if closed else 0
    arrivals, everyone, refusals, turn = [], [], 0, 0
    if closed:
        for user in range(plan.load.users):
            arrivals.append((user * think // plan.load.users + overhead, turn, user))
            turn += 1
    else:
        order = sorted((round(r.scheduled_s * PS), at) for at, r in enumerate(plan.requests))
        order = [(time, at) for time, at in order if until is None or time < until]
        arrivals = [(time + overhead, at, None) for time, at in order[:total]]
    heapq.heapify(arrivals)

    def send_again(user, now):
        nonlocal turn
        if user is not None:
            heapq.heappush(arrivals, (now + think + overhead, turn, user))
            turn += 1

    def next_arrival():
        if not arrivals:
            return None
        if closed:
            if len(everyone) == total or (until is not None and arrivals[0][0] - overhead >= until):
                return None
            if total is None and refusals >= len(plan.requests):
                return None
        return arrivals[0][0]

    while True:
        times = [e.busy_until for e in fleet if e.busy_until is not None]
        if (arrival := next_arrival()) is not None:
            times.append(arrival)
        if not times:
            break
        now = min(times)
        ready = [engine for engine in fleet if engine.busy_until == now]
        for each in ready:
            for request in each.finish(now):
                send_again(request.user, now)
        while next_arrival() == now:
            time, at, user = heapq.heappop(arrivals)
            index = len(everyone) if closed else plan.requests[at].index
            planned = plan.request(index) if closed else plan.requests[at]
            if router == "least-loaded":
                loads = [len(e.waiting) + len(e.running) for e in fleet]
                each = fleet[loads.index(min(loads))]
            else:
                each = fleet[len(everyone) % replicas]
            covered = min(len(planned.prefix_blocks) * planned.prefix_block_tokens, planned.input_tokens)
            keys = []
            for last in range(each.size - 1, covered, each.size):
                block, offset = divmod(last, planned.prefix_block_tokens)
                keys.append((planned.prefix_blocks[block], offset))
            request = Request(
                index, user, time - overhead, planned.input_tokens, planned.output_tokens,
                each.grants(planned.input_tokens, planned.output_tokens), keys, each.number,
            )  # fmt: skip
            everyone.append(request)
            if each.refuses(planned.input_tokens, planned.output_tokens):
                request.outcome, request.end = "refused", now
                refusals += 1
                send_again(user, now)
                continue
            refusals = 0
            each.waiting.append(request)
            if each.busy_until is None and each not in ready:
                ready.append(each)
        for each in sorted(ready, key=lambda e: e.number):
            each.start(now)
            for request in each.broken:
                send_again(request.user, now)
    steps = sorted((s for e in fleet for s in e.steps), key=lambda s: (s.start, s.replica))
    return sorted(everyone, key=lambda r: r.index), steps
