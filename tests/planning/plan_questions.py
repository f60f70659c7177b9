"""Questions for the planner, and offers that it has never seen."""

import math

from servemark.catalogue.architectures import find_model
from servemark.catalogue.gpu_types import find_gpu_types
from servemark.domain.lengths import quantile_tokens
from servemark.domain.offer import Offer
from servemark.domain.plans import Requirements
from servemark.domain.workload import FixedLength, LognormalLength, Slo, Users, Workload
from servemark.planning.search import search_plan
from servemark.planning.shapes import Search

SLOS = (Slo(metric="ttft_s", statistic="p95", limit=2.0), Slo(metric="tpot_s", statistic="p95", limit=0.04))


def offer(gpu, usd, gpus=1, observed="2026-11-01", provider="cloud", **more):
    return Offer(
        provider=provider, instance=f"{gpus}x", gpu=gpu, gpus=gpus, price_usd_per_hour=usd, observed=observed,
        source="made up", confidence="high", **more,
    )  # fmt: skip


def requirements(model="llama-3.1-8b", load=None, input_tokens=1500, output_tokens=300, **more):
    workload = Workload(input=FixedLength(tokens=input_tokens), output=FixedLength(tokens=output_tokens))
    given = {"workload": workload, "slos": SLOS, **more}
    return Requirements(model=find_model(model), load=load or Users(users=100), **given)


def spread_requirements(**more):
    """Prompts and answers of very different lengths."""
    spread = Workload(
        input=LognormalLength(median_tokens=900, sigma=0.9, maximum_tokens=6000),
        output=LognormalLength(median_tokens=200, sigma=0.6, maximum_tokens=800),
    )
    return requirements(workload=spread, **more)


def search_of(asked, gpus, **more):
    parts = (asked.workload.input, asked.workload.output)
    tokens = sum(math.ceil(quantile_tokens(each, 0.999)) for each in parts)
    return Search(asked.model, find_gpu_types(gpus), sequence_tokens=tokens, **more)


def planned(asked, gpus, offers=(), search=None, **more):
    return search_plan(asked, search_of(asked, gpus, **(search or {})), offers, **more)
