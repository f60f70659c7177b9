"""The address of an endpoint: what a person types, read strictly."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

from servemark.errors import EndpointError

_PATHS = ("/chat/completions", "/completions", "/models")
_EXPECTED = "the URL of an OpenAI-compatible API, such as http://127.0.0.1:8000/v1"


def base_url(text: str) -> str:
    """The API root without a trailing slash; the path of a single call (`/chat/completions`) is cut off.

    Raises:
        EndpointError: no scheme, no host, an impossible port, or credentials or a query in it.
    """
    url = text.strip().rstrip("/")
    if "://" not in url:
        raise EndpointError(
            "url", expected=_EXPECTED, found=f"{text!r}, without scheme", nearest=(f"http://{url}",)
        )
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https"):
        raise EndpointError("url", expected=_EXPECTED, found=f"scheme {parts.scheme!r}")
    try:
        usable = bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        usable = False
    if not usable:
        raise EndpointError("url", expected=_EXPECTED, found=repr(text))
    if parts.username is not None or parts.query or parts.fragment:
        raise EndpointError(
            "url",
            expected="a URL without credentials or query (they belong in headers)",
            found="one with",
        )
    for path in _PATHS:
        url = url.removesuffix(path)
    return url


def server_root(base: str) -> str:
    """Where `/health` stands: the API root without `/v1`."""
    return base.removesuffix("/v1")


def is_loopback(base: str) -> bool:
    """Whether the endpoint is on this machine, as its name shows."""
    host = urlsplit(base).hostname or ""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
