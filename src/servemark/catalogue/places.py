"""Regions and cities: `data/places.csv` -> `Place`. Coordinates of cities; a region stands at its city."""

from __future__ import annotations

import csv
from functools import cache

from servemark.catalogue.tables import DATA
from servemark.domain.place import Place
from servemark.errors import UnknownName, fold_name


def find_place(name: str, *, path: str = "region") -> Place:
    """The region or city of that name (case, spaces, `-` and `_` ignored).

    Raises:
        UnknownName: there is none; carries the nearest.
    """
    places = _places()
    if fold_name(name) not in places:
        known = [each.name for each in places.values()]
        raise UnknownName(path, kind="a region or a city", name=name, known=known)
    return places[fold_name(name)]


@cache
def _places() -> dict[str, Place]:
    rows = csv.DictReader((DATA / "places.csv").read_text(encoding="utf-8").splitlines())
    places = [
        Place(
            name=row["name"],
            provider=row["provider"],
            place=row["place"],
            coordinates=(float(row["latitude"]), float(row["longitude"])),
        )
        for row in rows
    ]
    return {fold_name(each.name): each for each in places}
