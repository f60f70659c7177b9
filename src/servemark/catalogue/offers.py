"""Prices: `data/prices.csv` -> `Offer`, and `GpuPrice` where a row prices no instance."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from itertools import groupby

from servemark.catalogue.gpu_types import find_gpu_types
from servemark.catalogue.price_rows import read_price_rows
from servemark.catalogue.tables import DATA
from servemark.domain.offer import PURCHASES, GpuPrice, Offer
from servemark.errors import UnknownName, fold_name


def offers(
    providers: Iterable[str] | None = None,
    gpus: Iterable[str] | None = None,
    regions: Iterable[str] | None = None,
    purchases: Iterable[str] | None = None,
    *,
    history: bool = False,
) -> tuple[Offer, ...]:
    """The shipped offers of instances with whole GPUs that can be rented, cheapest first per GPU.

    Of one instance, region and way to pay only the newest price counts; a price without a date gives way
    to any with one.

    Args:
        providers: only these, e.g. aws,runpod.
        gpus: only these GPUs; a family name gives all its members.
        regions: only these; `unstated` keeps those whose source names none.
        purchases: only these ways to pay, e.g. on-demand,spot.
        history: superseded and withdrawn offers and shares of GPUs as well.

    Raises:
        UnknownName: a provider, GPU, region or way to pay that no row has.
    """
    rows = _offers()
    keys = None if gpus is None else {gpu.key for gpu in find_gpu_types(gpus, path="gpus")}
    wanted = {
        "provider": _known(providers, (each.provider for each in rows), "providers", "a provider"),
        "region": _known(regions, (each.region for each in rows), "regions", "a region"),
        "purchase": _known(purchases, PURCHASES, "purchases", "a way to pay"),
        "gpu": keys,
    }
    kept = [
        each
        for each in (rows if history else _current())
        if all(names is None or getattr(each, field) in names for field, names in wanted.items())
    ]
    return tuple(sorted(kept, key=lambda each: (each.gpu, each.price_usd_per_hour / each.gpus)))


def gpu_prices(gpus: Iterable[str] | None = None) -> tuple[GpuPrice, ...]:
    """Averages and medians per GPU that sources print without an instance: context, never an offer.

    Raises:
        UnknownName: no such GPU.
    """
    keys = None if gpus is None else {gpu.key for gpu in find_gpu_types(gpus, path="gpus")}
    prices = (each for each in _rows() if isinstance(each, GpuPrice))
    return tuple(each for each in prices if keys is None or each.gpu in keys)


@cache
def _rows() -> tuple[Offer | GpuPrice, ...]:
    text = (DATA / "prices.csv").read_text(encoding="utf-8")
    return tuple(read_price_rows(text, path="prices.csv"))


@cache
def _offers() -> tuple[Offer, ...]:
    return tuple(each for each in _rows() if isinstance(each, Offer))


@cache
def _current() -> tuple[Offer, ...]:
    whole = [each for each in _offers() if not each.withdrawn and each.gpu_share_ratio == 1]
    return tuple(newest(whole))


def newest(rows: Sequence[Offer]) -> Iterator[Offer]:
    """The offers without those that a newer price of the same thing replaces.

    The same thing: provider, instance, GPU, number of GPUs, way to pay, and region (a row without a region
    is replaced by one of any). Prices of the same day all stay: they are a range.
    """

    def thing(each: Offer) -> tuple[object, ...]:
        return each.provider, each.instance, each.gpu, each.gpus, each.purchase

    for _, group in groupby(sorted(rows, key=thing), key=thing):
        same = list(group)
        for each in same:
            rivals = (other for other in same if each.region in (other.region, "unstated"))
            if not any(_newer(other, each) for other in rivals):
                yield each


def _newer(other: Offer, each: Offer) -> bool:
    return other.dated and (not each.dated or other.observed > each.observed)


def _known(
    names: Iterable[str] | None, known: Iterable[str], path: str, kind: str
) -> frozenset[str] | None:
    """The names as the rows spell them; None stays None."""
    if names is None:
        return None
    by_fold = {fold_name(each): each for each in known}
    for name in (names := tuple(names)):
        if fold_name(name) not in by_fold:
            raise UnknownName(path, kind=kind, name=name, known=sorted(set(by_fold.values())))
    return frozenset(by_fold[fold_name(name)] for name in names)
