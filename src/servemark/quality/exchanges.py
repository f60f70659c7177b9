"""Measured requests as exchanges for the checks."""

from __future__ import annotations

from servemark.domain.exchange import Exchange, Item
from servemark.domain.run import RequestRecord

_EMPTY = "200 without"
"""How the client starts its words of a 200 that holds nothing: that is an empty answer, not a cut one."""


def exchange_of(
    item: Item,
    record: RequestRecord,
    *,
    id: str | None = None,
    max_tokens: int | None = None,
    alone_prompt_tokens: int | None = None,
    canary: str = "",
) -> Exchange:
    """One measured request for the checks.

    Args:
        item: the question; its messages may be with or without codes.
        record: the answer and its counts; `record.nonce` is the code of this request.
        id: default: the item's. Exchanges of one prompt may share an id.
        max_tokens: the cap that was sent; default: the item's own.
        alone_prompt_tokens: the server's count of the same prompt (with codes) asked alone.
        canary: the code in the system prompt; left out where the item has no system message.
    """
    systems = [each.content for each in item.messages if each.role == "system"]
    failed = record.outcome not in ("complete", "truncated") and not record.reason.startswith(_EMPTY)
    return Exchange(
        id=item.id if id is None else id,
        system="\n".join(systems),
        messages=tuple(each for each in item.messages if each.role != "system"),
        context=item.context,
        options=item.options,
        key=item.key,
        expected_language=item.expected_language,
        eval_type=item.eval_type,
        format=item.format,
        schema=item.schema,
        recalls=item.recalls,
        answer=record.text,
        reasoning=record.reasoning or None,
        thoughts=bool(record.reasoning),
        expected_answer=item.answer,
        finish_reason=record.finish_reason,
        max_tokens=item.max_tokens if max_tokens is None else max_tokens,
        completion_tokens=record.output_tokens or None,
        prompt_tokens=record.input_tokens,
        alone_prompt_tokens=alone_prompt_tokens,
        nonce=record.nonce,
        canary=canary if systems else "",
        error=record.reason if failed else "",
    )
