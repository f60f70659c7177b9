"""Published defects of answers: how many there can be, and what the design made of them."""

from __future__ import annotations

from servemark.diagnosis.observations import percent
from servemark.diagnosis.proportions import zero_event_bound
from servemark.diagnosis.published_case import Case, at_users, deciding_command, reported, worked_out
from servemark.domain.finding import Finding

FEW_ITEMS = 100
LANGUAGES = {"en": "English", "ms": "Malay", "id": "Indonesian", "zh": "Chinese", "ta": "Tamil"}
"""Names for readers; another language is named by its code."""


def _language(code: str) -> str:
    return LANGUAGES.get(code, code)


def zero_events(case: Case) -> Finding | None:
    """What so few items a level can show."""
    known = [each.items for each in case.test.levels if each.items]
    if not known or max(known) >= FEW_ITEMS:
        return None
    items = max(known)
    bound = zero_event_bound(items)
    return Finding(
        key="too_few_items",
        claim=f"About {items} items a level show little: where no defect was seen, {percent(bound)} of answers can "
        "still have it.",
        confidence="certain",
        weight=bound,
        evidence=(
            reported(f"about {items} items at each load"),
            worked_out(
                f"1 - 0.05^(1/{items}) = {percent(bound)}: the 95 % bound when none of {items} is seen"
            ),
        ),
        refuted_by="More items at each load than reported.",
        next_step=f"{deciding_command(case.test)} --power says how many items a question takes.",
        consequence="A defect that meets one user in ten could have gone unseen, at any load.",
    )


def contradictions_by_design(case: Case) -> Finding | None:
    """Explanations of a given key that are read as contradictions."""
    seen = case.test.contradictions
    if seen is None or seen.teaching == 0:
        return None
    whole = seen.answer + seen.teaching + seen.unlabelled
    return Finding(
        key="key_given_to_teaching",
        claim=f"{seen.teaching} of {whole} contradictions stand in teaching answers, where the prompt gives the key: "
        "they argue for it whatever the model answered elsewhere.",
        confidence="likely",
        weight=seen.teaching / whole * _defect_share(case),
        evidence=(
            reported(
                f"contradictions: {seen.teaching} teaching, {seen.answer} answer, {seen.unlabelled} unlabelled"
            ),
        ),
        refuted_by="Answer and reason from one request, without the key in the prompt, that still disagree.",
        next_step="Ask for reason and answer in one request, the reason first, and keep the raw text.",
        consequence="Learners would read two answers, but from two prompts: no change of hardware unites them.",
    )


def _defect_share(case: Case) -> float:
    items = [each.items for each in case.test.levels if each.items]
    seen = case.test.contradictions
    whole = seen.answer + seen.teaching + seen.unlabelled if seen else 0
    return min(1.0, whole / sum(items)) if items else 0.0


def language_not_supported(case: Case) -> Finding | None:
    """Wrong language, in a language that the model is not made for."""
    test = case.test
    foreign = [
        each for each in test.languages if test.supported_languages and each not in test.supported_languages
    ]
    wrong = [each for each in test.levels if each.wrong_language]
    if not foreign or not wrong:
        return None
    shares = [(each.wrong_language or 0) / each.items for each in wrong if each.items]
    return Finding(
        key="wrong_language",
        claim=f"Wrong languages may need no load: {', '.join(map(_language, foreign))} is not among the "
        f"{len(test.supported_languages)} languages of the model's card, and no answer alone is shown beside them.",
        confidence="possible",
        weight=max(shares, default=0.0),
        evidence=(
            *(
                reported(
                    f"{each.wrong_language} of about {each.items} at {each.users} users",
                    at_users(test, each),
                )
                for each in wrong
            ),
            reported(f"model card: {', '.join(test.supported_languages)}"),
        ),
        refuted_by="The same items at one user, all in the right language.",
        next_step=f"End the prompt with 'Reply in <language>', without a condition, and ask the same items at 1 user: "
        f"{deciding_command(test)}",
        consequence="Users get an answer that they may not be able to read, at any load.",
    )
