"""The right answers of a suite, found by the prompt that asks for them."""

from __future__ import annotations

from collections.abc import Sequence

from servemark.domain.exchange import Exchange, Item, Message, Suite
from servemark.quality.codes import codes_in, without_codes

Dialogue = Sequence[tuple[str, str]]
"""(role, content) of every message."""
_Key = tuple[tuple[str, str], ...]


class AnswerBook:
    """The items of a suite that carry an answer, by their prompt.

    A prompt is known by all its messages; else by its system message and its last user message, where only
    one item has these. Codes and white space make no difference.
    """

    def __init__(self, suite: Suite) -> None:
        self._whole: dict[_Key, Item] = {}
        self._ends: dict[_Key, Item | None] = {}
        for item in suite.items:
            if item.answer:
                prompt = _key([(each.role, each.content) for each in item.messages])
                self._whole.setdefault(prompt, item)
                ends = _ends(prompt)
                # two items with the same ends: neither is meant
                self._ends[ends] = item if ends not in self._ends else None

    def find(self, messages: Dialogue) -> Item | None:
        """The item that is asked, if any."""
        prompt = _key(messages)
        return self._whole.get(prompt) or self._ends.get(_ends(prompt))


def _key(messages: Dialogue) -> _Key:
    return tuple((role, " ".join(without_codes(content).split())) for role, content in messages)


def _ends(prompt: _Key) -> _Key:
    """Its system messages and its last user message."""
    users = [each for each in prompt if each[0] == "user"]
    return tuple(each for each in prompt if each[0] == "system") + tuple(users[-1:])


def exchange_as_sent(
    messages: Dialogue,
    item: Item | None,
    *,
    id: str,
    answer: str,
    max_tokens: int | None,
    prompt_tokens: int,
) -> Exchange:
    """A request and the good answer to it, with the codes that its messages carry.

    Args:
        messages: as they were sent.
        item: what they ask; None where they are no item of a suite.
        id: of the request.
        answer: the good answer.
        max_tokens: its cap.
        prompt_tokens: tokens of the whole prompt.
    """
    system = "\n".join(content for role, content in messages if role == "system")
    users = [content for role, content in messages if role == "user"]
    fields = {} if item is None else {name: getattr(item, name) for name in _ITEM_FIELDS}
    return Exchange(
        id=id,
        system=system,
        messages=tuple(
            Message(role="assistant" if role == "assistant" else "user", content=content)
            for role, content in messages
            if role != "system"
        ),
        answer=answer,
        expected_answer=None if item is None else item.answer,
        finish_reason="stop",
        max_tokens=max_tokens,
        prompt_tokens=prompt_tokens,
        alone_prompt_tokens=prompt_tokens,
        nonce=(codes_in(users[-1]) or ("",))[-1] if users else "",
        canary=(codes_in(system) or ("",))[-1],
        **fields,
    )


_ITEM_FIELDS = (
    "context",
    "options",
    "key",
    "expected_language",
    "eval_type",
    "format",
    "schema",
    "recalls",
)
