"""Secrets of a request: sent in headers, never written anywhere else."""

from __future__ import annotations

import re
from collections.abc import Mapping

from servemark.errors import InputError

API_KEY_VARIABLE = "SERVEMARK_API_KEY"
"""Environment variable that the faces read the key from; named in the error for 401."""
_SHORTEST_VALUE = 8
_HIDDEN = "***"
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")


class Credentials:
    """An API key and extra headers; prints as nothing but a count.

    White space around the key (the end of the line it was read from) is no part of it.

    Raises:
        InputError: a key, or a header's name or value, that no header can carry; never quoted.
    """

    def __init__(self, api_key: str | None = None, headers: Mapping[str, str] | None = None) -> None:
        self._headers = dict(headers or {})
        api_key = (api_key or "").strip()
        for name, value in self._headers.items():
            if not _HEADER_NAME.fullmatch(name):
                raise InputError(
                    "headers", expected="names as HTTP has them", found="one with another sign"
                )
            _require_one_line(value, f"headers.{name}")
        _require_one_line(api_key, "api_key")
        if api_key:
            self._headers["Authorization"] = f"Bearer {api_key}"
        values = [value.split() for value in self._headers.values()]
        secrets = {words[-1] for words in values if words and len(words[-1]) >= _SHORTEST_VALUE}
        self._secrets = sorted(secrets | ({api_key} if api_key else set()), key=len, reverse=True)

    def __repr__(self) -> str:
        return f"Credentials({len(self._headers)} headers)"

    def headers(self) -> dict[str, str]:
        """Headers to send with every request."""
        return dict(self._headers)

    def redact(self, text: str) -> str:
        """The text with every secret replaced by `***`: servers echo keys in their errors."""
        for secret in self._secrets:
            if secret in text:
                text = text.replace(secret, _HIDDEN)
        return text


def _require_one_line(value: str, path: str) -> None:
    if any(ord(sign) < 0x20 or ord(sign) == 0x7F for sign in value):
        raise InputError(path, expected="one line of text", found="a value with a control character")
