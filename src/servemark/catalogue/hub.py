"""A model's config.json from the Hugging Face hub; needs the optional `huggingface_hub`."""

from __future__ import annotations

from pathlib import Path

from servemark.errors import InputError, MissingExtra

_TIMEOUT_S = 3.0


def download_config(hub_id: str, *, path: str) -> Path:
    """The config.json of a hub model, from the local cache or the network.

    Raises:
        MissingExtra: `huggingface_hub` is not installed.
        InputError: no such model, no access to it, or no network; said within seconds.
    """
    try:
        import huggingface_hub as hub  # pyright: ignore[reportMissingImports]
    except ImportError:
        raise MissingExtra("huggingface_hub", "hub") from None
    cached = hub.try_to_load_from_cache(hub_id, "config.json")
    if isinstance(cached, str):
        return Path(cached)
    try:
        # one plain request first: a download alone retries for half a minute without a network
        hub.HfApi().model_info(hub_id, timeout=_TIMEOUT_S)
        return Path(hub.hf_hub_download(hub_id, "config.json", etag_timeout=_TIMEOUT_S))
    except Exception as error:  # its errors come from several HTTP libraries, by version
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        expected = "a model of the catalogue, a local config.json, or a hub model that can be reached"
        raise InputError(path, expected=expected, found=f"{hub_id!r}: {reason}") from None
