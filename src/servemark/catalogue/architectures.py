"""The models: `data/models/*.toml`, a config.json, or a hub id -> `ModelArch`."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Any

import msgspec

from servemark.catalogue.hub import download_config
from servemark.catalogue.huggingface import parse_config, read_config
from servemark.catalogue.tables import read_table, table_names
from servemark.domain.model import ModelArch
from servemark.domain.record import Record
from servemark.errors import UnknownName, fold_name

_HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")


class ModelSheet(Record, frozen=True, kw_only=True):
    """One file of `data/models/`: what is published of a model, and the fields of its config.json that
    its architecture follows from.
    """

    name: str
    aliases: tuple[str, ...] = ()
    hub_id: str
    published_params: float | None = None
    unserved_params: int = 0
    source: str
    date: str
    config: dict[str, Any]


def model_catalogue() -> dict[str, ModelArch]:
    """Every model of the catalogue by key, in order of the keys."""
    return {key: _model(key) for key in table_names("models")}


def find_model(name_or_path: str, *, path: str = "model") -> ModelArch:
    """The model of that key, alias or hub id of the catalogue; of a local folder or config.json; or of
    any hub id, when `huggingface_hub` is installed. Names match without regard to case, spaces, `-`, `_`.

    Raises:
        UnknownName: no such model; carries the nearest names.
        MissingExtra: a hub id that the catalogue does not know, without `huggingface_hub`.
        InputError: a config.json that cannot be read, or a hub that cannot be reached.
    """
    folded = fold_name(name_or_path)
    for key in table_names("models"):
        if fold_name(key) == folded:
            return _model(key)
    local = Path(name_or_path).expanduser()
    if name_or_path.endswith(".json") or name_or_path.startswith((".", "/", "~")):
        return read_config(local)
    if folded in _by_alias():
        return _model(_by_alias()[folded])
    if (local / "config.json").is_file():
        return read_config(local)
    if _HUB_ID.fullmatch(name_or_path):
        return _from_hub(name_or_path, path)
    raise UnknownName(path, kind="a model", name=name_or_path, known=_all_names())


def _from_hub(hub_id: str, path: str) -> ModelArch:
    model = read_config(download_config(hub_id, path=path))
    return msgspec.structs.replace(model, key=hub_id, name=hub_id.split("/")[1], hub_id=hub_id)


@cache
def _by_alias() -> dict[str, str]:
    """Key by folded key, name, alias, hub id, and alias under the maker's name on the hub."""
    keys: dict[str, str] = {}
    for model in model_catalogue().values():
        maker = (model.hub_id or "").partition("/")[0]
        names = (model.key, model.name, *model.aliases)
        for each in (*names, *(f"{maker}/{name}" for name in names), model.hub_id or model.key):
            keys[fold_name(each)] = model.key
    return keys


def _all_names() -> list[str]:
    return [each for model in model_catalogue().values() for each in (model.key, *model.aliases)]


@cache
def _model(key: str) -> ModelArch:
    sheet = msgspec.convert(read_table("models", key), ModelSheet)
    model = parse_config(sheet.config, key=key, name=sheet.name, path=f"models/{key}.toml")
    facts = {
        name: getattr(sheet, name) for name in sheet.__struct_fields__ if name not in ("name", "config")
    }
    return msgspec.structs.replace(model, **facts)
