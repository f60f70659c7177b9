"""The prompts of a measured run: from the plan, a suite or a trace, as long as the server counts them."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from typing import Any

from msgspec.structs import replace

from servemark.client.chat import prepare_chat
from servemark.client.protocol import Prepared
from servemark.domain.exchange import Item, Message
from servemark.domain.run import RequestRecord, Run
from servemark.domain.workload import ArrivalPlan, PlannedRequest
from servemark.traffic.prompts import synthetic_messages

_LONGEST_CALIBRATION_TOKENS = 1024
"""Of the preflight's prompt: long enough to tell, short enough to cost nothing."""


class TokenScale:
    """How many tokens the server makes of a synthetic prompt: `overhead + slope x words`, least squares.

    The overhead is the chat template. One point, or several of one length, give the ratio alone.
    """

    def __init__(self) -> None:
        self._points: list[tuple[int, int]] = []

    def add(self, words: int, tokens: int) -> None:
        """One prompt: words sent, tokens counted."""
        self._points.append((words, tokens))

    def tokens_per_word(self, input_tokens: float) -> float:
        """Ratio that makes a prompt of `input_tokens` come out right, template included."""
        if not self._points:
            return 1.0
        n = len(self._points)
        mean_words = sum(words for words, _ in self._points) / n
        mean_tokens = sum(tokens for _, tokens in self._points) / n
        spread = sum((words - mean_words) ** 2 for words, _ in self._points)
        shared = sum((words - mean_words) * (tokens - mean_tokens) for words, tokens in self._points)
        slope = shared / spread if spread else 0.0
        overhead = mean_tokens - slope * mean_words
        if slope <= 0 or overhead < 0 or input_tokens <= overhead:
            return max(mean_tokens, 1.0) / max(mean_words, 1.0)
        return slope * input_tokens / (input_tokens - overhead)


class PromptSource:
    """Prepares the requests of one run.

    Texts differ from run to run and from level to level, so that a prefix cache finds nothing that the
    plan does not share: their seed is made of the run's seed, its start and the level. Their length
    is settled before the first measured request, from the server's counts until then, and stays.
    """

    def __init__(
        self, run: Run, *, items: Sequence[Item] = (), extra_body: Mapping[str, Any] | None = None
    ) -> None:
        self.scale = TokenScale()
        self._model = run.endpoint.model if run.endpoint else ""
        self._seed, self._started = run.provenance.seed, run.provenance.started
        self._items, self._extra_body = items, extra_body
        self._ratio: float | None = None
        self._words: dict[int, int] = {}
        self._text_seed = self._seed
        self._mean_tokens = 1.0
        self._warmup = 0

    def start(self, level: int, plan: ArrivalPlan, warmup: int) -> None:
        """The next requests belong to this level."""
        self._text_seed = zlib.crc32(f"{self._seed} {self._started} {level}".encode())
        self._mean_tokens = mean_input_tokens(plan)
        self._warmup = warmup
        self._words.clear()

    def prepare(self, request: PlannedRequest) -> Prepared:
        """Encode one request of the level."""
        if self._items:
            item = self._items[request.index % len(self._items)]
            request = replace(request, natural_stop=True, item=item.id, messages=item.messages)
        messages = request.messages or self._synthesised(request)
        return prepare_chat(
            request, messages, model=self._model, seed=self._seed, extra_body=self._extra_body
        )

    def learn(self, record: RequestRecord) -> None:
        """Take in what the server counted for a warm-up prompt."""
        words = self._words.pop(record.index, None)
        if words is not None and record.input_tokens and self._ratio is None:
            self.scale.add(words, record.input_tokens)

    def _synthesised(self, request: PlannedRequest) -> tuple[Message, ...]:
        ratio = self._ratio or self.scale.tokens_per_word(self._mean_tokens)
        if request.index >= self._warmup:
            self._ratio = ratio
        messages = synthetic_messages(request, seed=self._text_seed, tokens_per_word=ratio)
        if self._ratio is None:
            self._words[request.index] = word_count(messages)
        return messages


def calibration_messages(items: Sequence[Item], plan: ArrivalPlan, seed: int) -> tuple[Message, ...]:
    """Prompt of the preflight's completion: the first item of the suite, or a synthetic one.

    That one is as long as the plan's prompts on average: one point gives only a ratio, in which the
    chat template weighs the more, the shorter the prompt is.
    """
    if items:
        return items[0].messages
    tokens = min(round(mean_input_tokens(plan)), _LONGEST_CALIBRATION_TOKENS)
    request = PlannedRequest(index=0, input_tokens=tokens, output_tokens=1)
    return synthetic_messages(request, seed=seed)


def mean_input_tokens(plan: ArrivalPlan) -> float:
    """Mean prompt length of a plan."""
    return sum(each.input_tokens for each in plan.requests) / len(plan.requests)


def word_count(messages: Sequence[Message]) -> int:
    """Words of a prompt, over all messages."""
    return sum(len(message.content.split()) for message in messages)
