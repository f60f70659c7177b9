"""Calibration files: `<runs>/calibrations/0003-l40s-bf16-vllm.json`, one `Calibration` each."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
from msgspec.structs import replace

from servemark.domain.calibration import CALIBRATION_SCHEMA, Calibration
from servemark.errors import StoreError

FOLDER = "calibrations"
LAST = "last"
_NAME = re.compile(r"^(\d{4,})-.+\.json$")


def keep_calibration(
    root: Path, calibration: Calibration, output: Path | None = None
) -> tuple[Calibration, Path]:
    """Write a calibration under the next number, or to `output`; its `id` becomes the file's name.

    Raises:
        StoreError: the file cannot be written.
    """
    path = output or root / FOLDER
    try:
        if output is None:
            return _numbered(path, calibration)
        kept = replace(calibration, id=output.stem)
        partial = output.with_name(f".{output.name}")
        partial.write_bytes(_encoded(kept))
        partial.replace(output)
        return kept, output
    except OSError as error:
        found = f"{path}: {error.strerror}"
        raise StoreError("calibration", expected="a file that can be written", found=found) from None


def find_calibration(root: Path, reference: str | Path) -> Path:
    """The file that a reference means: a path, or `last`, the one with the highest number under `root`.

    Raises:
        StoreError: there is none.
    """
    if str(reference) != LAST:
        return Path(reference)
    kept = _kept(root / FOLDER)
    if kept:
        return kept[max(kept)]
    found = f"none in {root / FOLDER}; `servemark calibrate` makes one"
    raise StoreError("calibration", expected="a calibration", found=found)


def read_calibration(path: Path) -> Calibration:
    """Read one file.

    Raises:
        StoreError: it cannot be read, or is no calibration.
    """
    try:
        content = path.read_bytes()
        schema = msgspec.json.decode(content, type=_Schema).schema
        if schema != CALIBRATION_SCHEMA:
            raise StoreError(
                "calibration", expected=f"schema {CALIBRATION_SCHEMA}", found=f"{schema!r} in {path}"
            )
        return msgspec.json.decode(content, type=Calibration)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        found = f"{path} ({error})"
        raise StoreError(
            "calibration", expected="a file that `servemark calibrate` wrote", found=found
        ) from None
    except OSError as error:
        found = f"{path} ({error.strerror})"
        raise StoreError("calibration", expected="a readable file, or `last`", found=found) from None


class _Schema(msgspec.Struct):
    schema: str


def _numbered(folder: Path, calibration: Calibration) -> tuple[Calibration, Path]:
    """The next free number; the file is claimed by making it, which only one process can."""
    folder.mkdir(parents=True, exist_ok=True)
    number = 1 + max(_kept(folder), default=0)
    while True:
        kept = replace(calibration, id=f"{number:04d}-{_slug(calibration)}")
        path = folder / f"{kept.id}.json"
        if number not in _kept(folder):
            try:
                with path.open("xb") as file:
                    file.write(_encoded(kept))
                return kept, path
            except FileExistsError:
                pass
        number += 1


def _slug(calibration: Calibration) -> str:
    dtypes = "-".join(each.dtype for each in calibration.coefficients)
    engine = calibration.coefficients[0].engine
    return re.sub(r"[^a-z0-9.]+", "-", f"{calibration.device.key}-{dtypes}-{engine}".lower())


def _kept(folder: Path) -> dict[int, Path]:
    """Files by number."""
    if not folder.is_dir():
        return {}
    found = ((_NAME.match(path.name), path) for path in folder.iterdir())
    return {int(match[1]): path for match, path in found if match}


def _encoded(calibration: Calibration) -> bytes:
    return msgspec.json.format(msgspec.json.encode(calibration), indent=1) + b"\n"
