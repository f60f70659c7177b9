"""Servers below HTTP: what comes over the wire is written byte by byte."""

import asyncio
import contextlib

import pytest


@contextlib.asynccontextmanager
async def serve_raw(answer):
    """A TCP server; `answer(reader, writer, number)` handles each connection. Yields its base URL."""
    handling = set()

    async def handle(reader, writer):
        handling.add(asyncio.current_task())
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            await answer(reader, writer, len(handling))
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()

    listening = await asyncio.start_server(handle, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}/v1"
    finally:
        listening.close()
        await asyncio.gather(*handling)


@pytest.fixture
def raw_server():
    """Makes a TCP server of a function; see `serve_raw`."""
    return serve_raw
