"""The rows of a price file -> `Offer` (the price of an instance) or `GpuPrice` (a price per GPU).

A CSV with the columns of `data/prices.csv`. A row fills exactly one of `price_usd_per_hour`, the price of the
whole instance with its `gpus`, and `usd_per_gpu_hour`, an average that nobody can rent: neither can be
written for the other. `sold_in` (`1 2 4 8`) is for providers that sell by the GPU: the row's price is that of
one GPU, and as many offers come of it. RAM is in GiB, as providers print it.
"""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Iterator
from typing import Any, TypeVar

import msgspec
from msgspec.structs import replace

from servemark.domain.offer import PURCHASES, GpuPrice, Offer
from servemark.errors import InputError, UnknownName, nearest_names
from servemark.units import GIB

T = TypeVar("T", Offer, GpuPrice)
COLUMNS = (
    "provider", "instance", "region", "gpu", "variant", "gpus", "sold_in", "gpu_share", "vcpu", "ram_gib",
    "price_usd_per_hour", "usd_per_gpu_hour", "currency", "purchase", "observed", "source", "confidence",
    "withdrawn", "note",
)  # fmt: skip
_NEEDED = ("provider", "gpu", "purchase", "observed", "source")
_DAY = r"\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])"
_MONTH = r"\d{4}-(0[1-9]|1[0-2])"
_OBSERVED = re.compile(f"{_DAY}|{_MONTH}|undated( (>=|<){_MONTH})?")
_FIELDS = {"gpu_share": "gpu_share_ratio", "ram_gib": "ram_bytes"}
"""Columns that the record calls otherwise."""


def read_price_rows(text: str, *, path: str) -> Iterator[Offer | GpuPrice]:
    """The prices of one file, row by row; the GPU's name stays as written.

    Args:
        text: content of the file, header first.
        path: its name, for errors.

    Raises:
        InputError: an unknown or missing column, or an impossible value; names file, line and field.
    """
    reader = csv.DictReader(text.splitlines())
    header = reader.fieldnames or ()
    for name in header:
        if name not in COLUMNS:
            raise UnknownName(f"{path}: header", kind="a column", name=name, known=COLUMNS)
    for name in _NEEDED:
        if name not in header:
            raise InputError(f"{path}: header", expected=f"a column {name}", found=", ".join(header))
    for row in reader:
        cells = {key: value.strip() for key, value in row.items() if key and value and value.strip()}
        yield from _row(cells, f"{path}:{reader.line_num}")


def _row(cells: dict[str, str], path: str) -> Iterator[Offer | GpuPrice]:
    _require(cells, path)
    fields: dict[str, Any] = {_FIELDS.get(key, key): value for key, value in cells.items()}
    fields["variant_stated"] = fields.pop("variant", "") != "unstated"
    counts = fields.pop("sold_in", "1").split()
    if "usd_per_gpu_hour" in cells:
        yield _convert({k: v for k, v in fields.items() if k in GpuPrice.__struct_fields__}, GpuPrice, path)
        return
    offer = _convert({"instance": "", **fields}, Offer, path)
    if offer.ram_bytes is not None:
        offer = replace(offer, ram_bytes=offer.ram_bytes * GIB)
    for count in counts:
        if not count.isdecimal() or not int(count) or (offer.gpus > 1 and count != "1"):
            raise InputError(f"{path}: sold_in", expected="GPU counts of a row with one GPU", found=count)
        yield _times(offer, int(count))


def _times(offer: Offer, count: int) -> Offer:
    """The offer of `count` GPUs where the price is that of one."""
    if count == 1:
        return offer
    return replace(
        offer,
        instance=f"{offer.instance} x{count}".strip(),
        gpus=count,
        vcpu=offer.vcpu and offer.vcpu * count,
        ram_bytes=offer.ram_bytes and offer.ram_bytes * count,
        price_usd_per_hour=offer.price_usd_per_hour * count,
        note="; ".join(filter(None, (offer.note, f"{count} x the price of one GPU"))),
    )


def _require(cells: dict[str, str], path: str) -> None:
    """What msgspec cannot say: needed cells, one price, a date that is one, numbers above 0."""
    for name in _NEEDED:
        if name not in cells:
            raise InputError(f"{path}: {name}", expected="a value", found="nothing")
    if ("price_usd_per_hour" in cells) == ("usd_per_gpu_hour" in cells):
        raise InputError(
            f"{path}: price_usd_per_hour",
            expected="the price of the instance here, or of one GPU as usd_per_gpu_hour",
            found="both" if "usd_per_gpu_hour" in cells else "neither",
        )
    if not _OBSERVED.fullmatch(cells["observed"]):
        expected = "a day, a month, or undated (with >=YYYY-MM or <YYYY-MM)"
        raise InputError(f"{path}: observed", expected=expected, found=repr(cells["observed"]))
    if cells["purchase"] not in PURCHASES:
        known = nearest_names(cells["purchase"], PURCHASES) or PURCHASES
        raise InputError(
            f"{path}: purchase", expected="a way to pay", found=repr(cells["purchase"]), nearest=known
        )
    if cells.get("currency", "USD") != "USD":
        raise InputError(f"{path}: currency", expected="USD", found=repr(cells["currency"]))
    for name in ("price_usd_per_hour", "usd_per_gpu_hour", "gpus", "gpu_share", "vcpu", "ram_gib"):
        try:
            value = float(cells.get(name, "1"))
        except ValueError:
            value = math.nan
        if not 0 < value < math.inf:
            raise InputError(f"{path}: {name}", expected="a number above 0", found=repr(cells[name]))


def _convert(fields: dict[str, Any], kind: type[T], path: str) -> T:
    try:
        return msgspec.convert(fields, kind, strict=False)
    except msgspec.ValidationError as error:
        expected, _, where = str(error).partition(" - at `$.")
        raise InputError(
            f"{path}: {where.rstrip('`')}", expected=expected.lower(), found=fields.get(where.rstrip("`"))
        ) from None
