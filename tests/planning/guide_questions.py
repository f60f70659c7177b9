"""Offers and questions for the guide."""

from servemark.catalogue.gpu_types import find_gpu
from servemark.domain.guidance import TOPICS, GuideQuestion
from servemark.domain.offer import Offer


def offer(gpu, gpus, price, observed="2026-11-01"):
    return Offer(
        provider="here",
        instance=f"{gpus} x {gpu}",
        gpu=gpu,
        gpus=gpus,
        price_usd_per_hour=price,
        observed=observed,
        source="a price list",
    )


OFFERS = (
    offer("l40s", 1, 1.0),
    offer("l40s", 4, 4.0),
    offer("rtx-4090", 1, 0.4),
    offer("h100-sxm", 1, 3.0),
    offer("h100-sxm", 8, 20.0),
    offer("a10", 1, 0.1, observed="undated"),
)
GPUS = tuple(find_gpu(key) for key in ("l40s", "rtx-4090", "h100-sxm", "a10"))


def asked(budget=None, topics=TOPICS, model=None):
    return GuideQuestion(budget_usd_per_month=budget, model=model, topics=topics, gpus=GPUS, offers=OFFERS)


def section(found, key):
    return next(each for each in found.sections if each.key == key)
