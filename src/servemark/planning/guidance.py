"""What can be done with some money: shares of hardware, and a section per topic."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from msgspec.structs import replace

from servemark.domain.guidance import Guide, GuideQuestion, GuideSection, Share, Topic
from servemark.planning.guidance_rules import rule_sections
from servemark.planning.guidance_serving import serving_section
from servemark.planning.guidance_shares import share_section, shares_of
from servemark.planning.guidance_training import training_section
from servemark.planning.guidance_workloads import (
    genome_section,
    graphics_section,
    image_section,
    speech_section,
)


def guide_of(question: GuideQuestion) -> Guide:
    """The guide: what the money buys, then every topic asked for."""
    shares = shares_of(question)
    sections = [share_section(question, shares)]
    for topic in question.topics:
        found = _SECTIONS[topic](question, shares)
        sections += (replace(each, brief=topic in question.brief) for each in found)
    priced = {share.gpu.key for share in shares}
    left = [gpu.key for gpu in question.gpus if gpu.key not in priced]
    notes = (f"no dated offer for {', '.join(left)}: left out of the tables with prices",) if left else ()
    return Guide(
        question=question,
        sentence=_sentence(sections),
        shares=shares,
        sections=tuple(sections),
        notes=notes,
    )


def _sentence(sections: Sequence[GuideSection]) -> str:
    """What the money buys, and the finding of the first topic that asks for it."""
    findings = [section.finding for section in sections if not section.brief]
    return " ".join(findings[:2])


_SECTIONS: dict[Topic, Callable[[GuideQuestion, Sequence[Share]], Sequence[GuideSection]]] = {
    "serving": lambda question, shares: (serving_section(question, shares),),
    "training": lambda question, shares: (training_section(question, shares),),
    "images": lambda question, shares: (image_section(shares),),
    "speech": lambda question, shares: (speech_section(shares),),
    "graphics": lambda question, shares: (graphics_section(question.gpus, shares),),
    "genome": lambda question, shares: (genome_section(shares),),
    "rules": lambda question, shares: rule_sections(question.gpus),
}
