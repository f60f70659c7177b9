"""Errors as vLLM answers them (0.11 and later): `{"error": {"message", "type", "param", "code"}}`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from http import HTTPStatus

import msgspec
from aiohttp import web

_RESPONSES: dict[int, type[web.HTTPError]] = {
    400: web.HTTPBadRequest,
    404: web.HTTPNotFound,
    429: web.HTTPTooManyRequests,
    500: web.HTTPInternalServerError,
    503: web.HTTPServiceUnavailable,
}
_TYPES = {
    400: "BadRequestError",
    404: "NotFoundError",
    429: "RateLimitError",
    500: "InternalServerError",
    503: "ServiceUnavailableError",
}


def error_body(status: int, message: str, param: str | None = None) -> str:
    """The JSON body of an error response."""
    kind = _TYPES.get(status) or HTTPStatus(status).phrase.replace(" ", "")
    error = {"message": message, "type": kind, "param": param, "code": status}
    return msgspec.json.encode({"error": error}).decode()


def refusal(status: int, message: str, param: str | None = None) -> web.HTTPError:
    """An error response to raise; `param` is the field of the request that is at fault."""
    text = error_body(status, message, param)
    return _RESPONSES[status](text=text, content_type="application/json")


@web.middleware
async def error_shape(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """Give the framework's own errors (unknown path, wrong method) the same shape."""
    try:
        return await handler(request)
    except web.HTTPException as error:
        if error.content_type == "application/json":
            raise
        text = error_body(error.status, error.reason)
        return web.Response(status=error.status, text=text, content_type="application/json")
