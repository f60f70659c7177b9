"""A model's config.json from the Hugging Face hub; needs the optional `huggingface_hub`."""

from __future__ import annotations

from pathlib import Path

from servemark.errors import InputError, MissingExtra

_TIMEOUT_S = 3.0


def download_config(hub_id: str, *, path: str) -> Path:
    """The config.json of a hub model, from the local cache or the network.

    Raises:
        MissingExtra: `huggingface_hub` is not installed.
        InputError: no such model, no access to it, or no network.
    """
    try:
        from huggingface_hub import hf_hub_download, try_to_load_from_cache
    except ImportError:
        raise MissingExtra("huggingface_hub", "hub") from None
    cached = try_to_load_from_cache(hub_id, "config.json")
    if isinstance(cached, str):
        return Path(cached)
    try:
        return Path(hf_hub_download(hub_id, "config.json", etag_timeout=_TIMEOUT_S))
    except Exception as error:  # its errors come from several HTTP libraries, by version
        first = str(error).strip().splitlines()
        raise InputError(
            path,
            expected="a model on the hub that can be reached",
            found=f"{hub_id!r}: {type(error).__name__}: {first[0] if first else ''}",
        ) from None
