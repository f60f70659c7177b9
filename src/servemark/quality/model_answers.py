"""The right answers of a suite, held against the checks that the answers of a model will meet."""

from __future__ import annotations

from collections.abc import Sequence

from servemark.domain.exchange import Exchange, Item
from servemark.quality.item_faults import SuiteProblem
from servemark.quality.judging import judge_all
from servemark.quality.suite_files import SuiteLine


def answered(item: Item, *, max_tokens: int) -> Exchange:
    """The item as if its own right answer had come back."""
    return Exchange(
        id=item.id,
        system="\n".join(each.content for each in item.messages if each.role == "system"),
        messages=tuple(each for each in item.messages if each.role != "system"),
        context=item.context,
        options=item.options,
        key=item.key,
        expected_language=item.expected_language,
        eval_type=item.eval_type,
        format=item.format,
        schema=item.schema,
        recalls=item.recalls,
        answer=item.answer,
        expected_answer=item.answer,
        finish_reason="stop",
        max_tokens=item.max_tokens or max_tokens,
    )


def answer_problems(lines: Sequence[SuiteLine], *, max_tokens: int) -> list[SuiteProblem]:
    """What the checks find wrong with the items' own answers; a line without answer is left alone.

    Args:
        lines: items that can be asked.
        max_tokens: cap of every answer that sets none.
    """
    told = [line for line in lines if line.item.answer is not None]
    problems: list[SuiteProblem] = []
    judgements = judge_all([answered(line.item, max_tokens=max_tokens) for line in told])
    for line, judgement in zip(told, judgements, strict=True):
        cap, words = line.item.max_tokens or max_tokens, len((line.item.answer or "").split())
        if words > cap:
            problems.append(
                SuiteProblem(
                    where=line.where,
                    field="max_tokens",
                    expected=f"room for an answer of {words} words",
                    found=str(cap),
                )
            )
        problems += [
            SuiteProblem(
                where=line.where,
                field="answer",
                expected="an answer that passes its own checks",
                found=f"{finding.check}, {finding.detail}"
                + (f": {finding.excerpt!r}" if finding.excerpt else ""),
            )
            for finding in judgement.findings
        ]
    return problems
