"""What each request is answered: words without meaning, the right answer of a suite, or a fault's."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, cast

import numpy as np

from servemark.domain.exchange import Exchange, Item
from servemark.traffic.lengths import sample_tokens
from servemark.twins.answers import AnswerBook, exchange_as_sent
from servemark.twins.chunks import FinishReason
from servemark.twins.damage import damaged
from servemark.twins.fault_log import FaultLog, StruckRequest
from servemark.twins.faults import Fault, struck
from servemark.twins.payloads import Asked
from servemark.twins.settings import TwinSettings
from servemark.twins.tokens import answer_words, pieces, spaced

DEFAULT_OUTPUT_TOKENS = 128


class Arrival(NamedTuple):
    """When a request came, and as which."""

    number: int
    """From 0, in the order of their coming."""
    id: str
    in_flight: int
    """Requests in flight, this one included."""
    at_s: float
    """In simulated seconds."""


@dataclass(slots=True, kw_only=True)
class Reply:
    """One answer, decided in full before its first token is due."""

    words: Iterator[str]
    """Its tokens, white space included; an empty one is sent to nobody."""
    output_tokens: int
    reason: FinishReason | None
    """None where the stream is cut."""
    prompt_tokens: int
    """That the model gets to see."""
    reported_tokens: int
    """Of the prompt, as the server counts them."""
    item: Item | None = None
    fault: Fault | None = None
    begun: bool = False
    """Its first token has left."""

    def text(self) -> str:
        """The whole answer; takes the words."""
        return "".join(itertools.islice(self.words, self.output_tokens))

    def say(self, text: str) -> None:
        """Say something else in the same number of tokens."""
        words, most = pieces(text), self.output_tokens
        last = "".join(words[most - 1 :])
        self.words = iter([*words[: most - 1], *[""] * (most - 1 - len(words)), last])


class _Speech(NamedTuple):
    """A request and the good answer to it."""

    at: Arrival
    exchange: Exchange
    reply: Reply


class Replies:
    """Answers by the settings of one twin.

    Raises:
        OSError: the fault log cannot be written.
    """

    def __init__(self, settings: TwinSettings) -> None:
        self._settings = settings
        self._book = AnswerBook(settings.suite) if settings.suite else None
        self._plan = settings.faults
        self.log = FaultLog(Path(settings.fault_log) if settings.fault_log else None)
        self._crosses = self._plan is not None and any(
            each.kind == "crossed_answers" for each in self._plan.fault
        )
        self._speaking: dict[int, _Speech] = {}
        """Good answers under way, while answers can be crossed."""

    def reply(self, asked: Asked, limit: int, at: Arrival) -> Reply:
        """What a request is answered, of which the answer may have `limit` tokens."""
        good = self._good(asked, limit, at.number)
        if self._plan is None:
            return good
        seed = self._settings.seed
        faults = list(struck(self._plan, seed=seed, number=at.number, in_flight=at.in_flight))
        if not faults and not self._crosses:
            return good
        speech = _Speech(at, self._exchange(good, asked, limit, at), good)
        for position, fault, draw in faults:
            other = self._other(speech) if fault.kind == "crossed_answers" else None
            bad = damaged(speech.exchange, fault, draw=draw, other=other.exchange if other else None)
            if bad is not None:
                self._note(speech, fault, position, other)
                if other:
                    self._cross_back(other, speech, fault, position, draw)
                return _as_reply(bad, good, fault)
        if self._crosses:
            self._speaking[at.number] = speech
        return good

    def ended(self, number: int) -> None:
        """That request is no longer in flight."""
        self._speaking.pop(number, None)

    def _good(self, asked: Asked, limit: int, number: int) -> Reply:
        prompt_tokens = len(asked.tokens)
        item = self._book.find(asked.messages) if self._book and not asked.ignore_eos else None
        if item is not None:
            words = pieces(item.answer or "")
            reason: FinishReason = "stop" if len(words) <= limit else "length"
            return Reply(
                words=iter(words), output_tokens=min(len(words), limit), reason=reason,
                prompt_tokens=prompt_tokens, reported_tokens=prompt_tokens, item=item,
            )  # fmt: skip
        output_tokens, reason = self._drawn_length(asked, limit, number)
        return Reply(
            words=spaced(answer_words(self._settings.seed, number)), output_tokens=output_tokens,
            reason=reason, prompt_tokens=prompt_tokens, reported_tokens=prompt_tokens,
        )  # fmt: skip

    def _drawn_length(self, asked: Asked, limit: int, number: int) -> tuple[int, FinishReason]:
        """How long an answer without meaning gets, and why it ends there."""
        length = self._settings.output
        if asked.ignore_eos or (length is None and asked.max_tokens is not None):
            return limit, "length"
        if length is None:
            drawn = DEFAULT_OUTPUT_TOKENS
        else:
            rng = np.random.default_rng((self._settings.seed, number))
            drawn = int(sample_tokens(length, rng, 1)[0])
        drawn = max(drawn, asked.min_tokens)
        return (drawn, "stop") if drawn <= limit else (limit, "length")

    def _exchange(self, good: Reply, asked: Asked, limit: int, at: Arrival) -> Exchange:
        words = itertools.islice(answer_words(self._settings.seed, at.number), good.output_tokens)
        return exchange_as_sent(
            asked.messages,
            good.item,
            id=at.id,
            answer=(good.item.answer or "") if good.item else " ".join(words),
            max_tokens=limit,
            prompt_tokens=good.prompt_tokens,
        )

    def _other(self, speech: _Speech) -> _Speech | None:
        """The latest request under way that asks something else."""
        for other in reversed(self._speaking.values()):
            alike = (other.reply.item is None) == (speech.reply.item is None)
            if alike and other.exchange.messages != speech.exchange.messages:
                return other
        return None

    def _cross_back(self, other: _Speech, speech: _Speech, fault: Fault, position: int, draw: int) -> None:
        """Give the other request this one's answer, unless it has begun to speak."""
        if other.reply.begun:
            return
        bad = damaged(other.exchange, fault, draw=draw, other=speech.exchange)
        if bad is not None:
            del self._speaking[other.at.number]
            other.reply.say(bad.answer or "")
            self._note(other, fault, position, speech)

    def _note(self, speech: _Speech, fault: Fault, position: int, other: _Speech | None) -> None:
        at, item = speech.at, speech.reply.item
        self.log.add(
            StruckRequest(
                request=at.number, id=at.id, kind=fault.kind, position=position, item=item.id if item else None,
                nonce=speech.exchange.nonce, in_flight=at.in_flight, at_s=at.at_s, other=other.at.id if other else "",
            )
        )  # fmt: skip


def _as_reply(bad: Exchange, good: Reply, fault: Fault) -> Reply:
    """A damaged exchange on its way out."""
    if fault.kind in ("late_error", "stall"):
        good.fault = fault
        return good
    words = pieces(bad.answer or "") or [""]  # the engine spends one token on saying nothing
    seen = good.prompt_tokens
    if fault.kind == "dropped_front":
        seen = max(1, round(seen * fault.kept_ratio))
    return Reply(
        words=iter(words),
        output_tokens=len(words),
        reason=cast("FinishReason | None", bad.finish_reason),
        prompt_tokens=seen,
        reported_tokens=bad.prompt_tokens or seen,
        item=good.item,
        fault=fault,
    )
