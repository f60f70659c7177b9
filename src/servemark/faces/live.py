"""What a person sees on stderr while a level runs: one line that keeps up, or one line per level in a pipe."""

from __future__ import annotations

from rich.console import Console
from rich.status import Status

from servemark.domain.workload import load_label
from servemark.load.progress import Progress
from servemark.units import format_rate, format_seconds


class LiveLine:
    """Shows progress. In a terminal the line is rewritten; in a pipe each level gets one line."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._status: Status | None = None
        self._place: tuple[int, int | None] | None = None

    def __enter__(self) -> LiveLine:
        if self._console.is_terminal:
            self._status = self._console.status("starting")
            self._status.start()
        return self

    def __exit__(self, *raised: object) -> None:
        if self._status is not None:
            self._status.stop()

    def say(self, text: str) -> None:
        """One line that stays."""
        self._console.print(text, highlight=False, markup=False, soft_wrap=True)

    def show(self, level: int, progress: Progress) -> None:
        """The level in progress."""
        if self._status is not None:
            self._status.update(describe(progress))
        elif (level, progress.block) != self._place:
            self._console.print(f"measuring {_subject(progress)}", highlight=False)
        self._place = level, progress.block


def _subject(progress: Progress) -> str:
    """`8 users`, and of an experiment `block 2 of 6, 8 users`."""
    place = f"block {progress.block + 1} of {progress.blocks}, " if progress.block is not None else ""
    return place + load_label(progress.load)


def describe(progress: Progress) -> str:
    """`8 users: 40/108 ended, 8 in flight, 1,230 tok/s, 3.2 s`."""
    asked = f"/{progress.requests}" if progress.requests else ""
    rate = (
        format_rate(progress.output_tokens / progress.elapsed_s, "tok/s") if progress.elapsed_s > 0 else "-"
    )
    failed = f", {progress.failed} failed" if progress.failed else ""
    until = f" of {format_seconds(progress.duration_s)}" if progress.duration_s else ""
    return (
        f"{_subject(progress)}: {progress.ended}{asked} ended{failed}, {progress.in_flight} in flight, "
        f"{rate}, {format_seconds(progress.elapsed_s)}{until}"
    )
