"""`guide`: what can be done with some money."""

from __future__ import annotations

import re
from collections.abc import Sequence

from servemark.api.training_questions import names_of
from servemark.catalogue.architectures import find_model
from servemark.catalogue.gpu_types import find_gpu_types, gpu_catalogue
from servemark.catalogue.offers import offers
from servemark.domain.bill import MONTH_HOURS
from servemark.domain.guidance import TOPICS, Guide, GuideQuestion, Topic
from servemark.domain.model import ModelArch
from servemark.errors import InputError, UnknownName
from servemark.planning.guidance import guide_of
from servemark.units import parse

BRIEF: tuple[Topic, ...] = ("graphics", "genome", "rules")
"""Of these only the findings are shown unless they are asked for."""
PERIODS_HOURS = {"h": 1.0, "hour": 1.0, "day": 24.0, "week": 168.0, "month": MONTH_HOURS, "year": 8760.0}


def guide(
    *,
    budget: str | float | None = None,
    model: str | None = None,
    for_: str | Sequence[str] | None = None,
    gpus: str | Sequence[str] | None = None,
    providers: str | Sequence[str] | None = None,
) -> Guide:
    """What can I do with this money? Serving, training, images, speech, and the rules behind it.

    Args:
        budget: dollars per month (500usd/month), or per h, day, week, year; without one, one GPU of each type.
        model: only this model, e.g. llama-3.1-8b; otherwise one of each usual size.
        for_: only these topics: serving, training, images, speech, graphics, genome, rules.
        gpus: only these GPU types.
        providers: only their prices, e.g. aws,runpod.

    Raises:
        InputError: an unknown name or an impossible quantity.
    """
    found = find_gpu_types(names_of(gpus), path="gpus") if gpus else tuple(gpu_catalogue().values())
    question = GuideQuestion(
        budget_usd_per_month=monthly_dollars(budget),
        model=None if model is None else _decoder(model),
        topics=_topics(for_),
        brief=BRIEF if for_ is None else (),
        gpus=found,
        offers=offers(
            names_of(providers) if providers else None, [gpu.key for gpu in found], None, ["on-demand"]
        ),
    )
    return guide_of(question)


def _decoder(name: str) -> ModelArch:
    model = find_model(name)
    if model.kind != "decoder":
        raise InputError("model", expected="a model that generates", found=model.key)
    return model


def monthly_dollars(value: str | float | None, path: str = "budget") -> float | None:
    """`500usd/month`, `0.5usd/h`, or a number of dollars per month.

    Raises:
        InputError: no amount above 0, or an unknown period.
    """
    if value is None:
        return None
    amount, slash, period = str(value).partition("/") if isinstance(value, str) else (value, "", "")
    dollars = parse(amount, "usd", path=path)
    if slash and period.strip().lower() not in PERIODS_HOURS:
        raise InputError(path, expected=f"dollars per {', '.join(PERIODS_HOURS)}", found=repr(value))
    hours = PERIODS_HOURS[period.strip().lower()] if slash else MONTH_HOURS
    if dollars <= 0:
        raise InputError(path, expected="dollars above 0, e.g. 500usd/month", found=repr(value))
    return dollars * MONTH_HOURS / hours


def _topics(value: str | Sequence[str] | None) -> tuple[Topic, ...]:
    if value is None:
        return TOPICS
    wanted = [re.sub(r"\s", "", name.lower()) for name in names_of(value)]
    for name in wanted:
        if name not in TOPICS:
            raise UnknownName("for", kind=f"one of {', '.join(TOPICS)}", name=name, known=TOPICS)
    return tuple(topic for topic in TOPICS if topic in wanted)
