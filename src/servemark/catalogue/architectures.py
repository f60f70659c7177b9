"""The models: `data/models/*.toml`, a config.json, or a hub id -> `ModelArch`."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import msgspec

from servemark.catalogue.hub import download_config
from servemark.catalogue.huggingface import parse_config, read_config
from servemark.catalogue.tables import read_table, table_names
from servemark.domain.model import ModelArch
from servemark.errors import InputError, UnknownName, fold_name

_HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")


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
    """Key by folded key, name, alias and hub id."""
    return {
        fold_name(each): model.key
        for model in model_catalogue().values()
        for each in (model.key, model.name, *model.aliases, model.hub_id or model.key)
    }


def _all_names() -> list[str]:
    return [each for model in model_catalogue().values() for each in (model.key, *model.aliases)]


@cache
def _model(key: str) -> ModelArch:
    table = read_table("models", key)
    path = f"models/{key}.toml"
    model = parse_config(table.pop("config"), key=key, name=table.pop("name"), path=path)
    table["aliases"] = tuple(table.get("aliases", ()))
    known = ("aliases", "hub_id", "published_params", "unserved_params", "source", "date")
    unknown = set(table) - set(known)
    if unknown:
        raise InputError(path, expected=f"only {', '.join(known)}", found=", ".join(sorted(unknown)))
    return msgspec.structs.replace(model, **table)
