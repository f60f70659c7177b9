"""A verb that stays: the twin listens until it is told to stop, or dies."""

from __future__ import annotations

import signal
import sys
import threading
from typing import Any

from servemark.faces.documents import encode


def stay(twin: Any, *, as_json: bool) -> int:
    """Say where the twin listens and wait; the exit code."""
    if as_json:
        document = {"schema": "servemark.twin/1", "base_url": twin.base_url, "pid": twin.pid}
        print(encode(document), flush=True)
    else:
        print(f"twin ready: {twin.base_url}  (Ctrl-C stops it)", flush=True)
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    with twin:
        while not stop.wait(0.5):
            if not twin.is_running():
                print(
                    f"servemark: the twin ended by itself; the end of its log:\n{twin.log_tail()}",
                    file=sys.stderr,
                )
                return 1
    return 0
