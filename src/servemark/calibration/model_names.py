"""Models under the names that measured tables give them, from the catalogue or a folder of config.json files."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

from msgspec.structs import replace

from servemark.catalogue.architectures import find_model, model_catalogue
from servemark.catalogue.huggingface import read_config
from servemark.domain.model import ModelArch
from servemark.errors import InputError, UnknownName, fold_name

_TAIL = re.compile(
    r"[-_ .]?(instruct|chat|it|hf|base|bf16|fp16|fp8|fp4|nvfp4|mxfp4|int4|int8|awq|gptq|w4a16|w8a8|dynamic|"
    r"quantized|kv|meta|\d{4})$",
    re.IGNORECASE,
)
"""What a name may carry behind the architecture's: tuning, format, precision, release date."""
_HEAD = re.compile(r"^(meta|nvidia|amd|redhatai|unsloth)[-_ ](?=\w)", re.IGNORECASE)


def model_finder(folder: Path | None = None) -> Callable[[str], ModelArch]:
    """A look-up by name; it raises `UnknownName` for names it does not know, and never uses the network.

    The catalogue comes first, then the folder (`DIR/<name>/config.json` or `DIR/<name>.json`); each time
    the name as written (case, spaces, `-`, `_` and the maker's name do not matter), then without what a
    name carries behind the architecture's: `-Instruct`, `-hf`, `-FP8`, `-2507`. A config.json that cannot
    be read is refused when a row asks for it.

    Raises:
        InputError: the folder is none.
    """
    own = _folder_files(folder) if folder else {}

    @cache
    def find(name: str) -> ModelArch:
        for each in spellings(name):
            key = fold_name(each)
            if key in _catalogue_keys():
                return find_model(_catalogue_keys()[key])
            if key in own:
                return _own_model(own[key])
        known = [*model_catalogue(), *own]
        raise UnknownName("model", kind="a model", name=name, known=known)

    return find


def spellings(name: str) -> Iterator[str]:
    """The name, then shorter and shorter readings of it."""
    short = name.strip().rsplit("/", 1)[-1]
    yield short
    while True:
        cut = _TAIL.sub("", short)
        if cut == short or not cut:
            break
        yield cut
        short = cut
    headless = _HEAD.sub("", name.strip().rsplit("/", 1)[-1])
    if headless != name.strip().rsplit("/", 1)[-1]:
        yield from spellings(headless)


@cache
def _catalogue_keys() -> dict[str, str]:
    """Key by folded key, name, alias, and name on the hub."""
    keys: dict[str, str] = {}
    for key, model in model_catalogue().items():
        hub = (model.hub_id or key).rsplit("/", 1)[-1]
        keys |= {fold_name(each): key for each in (hub, model.name, *model.aliases, key)}
    return keys


def _folder_files(folder: Path) -> dict[str, Path]:
    """The config of each model of a folder, by every spelling of its name."""
    if not folder.is_dir():
        raise InputError("models", expected="a folder of config.json files", found=folder)
    found: dict[str, Path] = {}
    for file in [*sorted(folder.rglob("config.json")), *sorted(folder.glob("*.json"))]:
        for each in spellings(_own_name(file)):
            found.setdefault(fold_name(each), file)
    return found


def _own_name(file: Path) -> str:
    return file.resolve().parent.name if file.name == "config.json" else file.stem


def _own_model(file: Path) -> ModelArch:
    return replace(read_config(file), key=_own_name(file), name=_own_name(file))
