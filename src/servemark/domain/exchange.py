"""What is asked and what came back."""

from __future__ import annotations

from typing import Literal

from servemark.domain.record import Record


class Message(Record, frozen=True, kw_only=True):
    """One chat message."""

    role: Literal["system", "user", "assistant"]
    content: str


class Item(Record, frozen=True, kw_only=True):
    """One question of a suite."""

    id: str
    messages: tuple[Message, ...]
    key: str | None = None
    """The right choice or answer, where there is one."""
    expected_language: str | None = None
    """ISO 639-1 code."""
    answer: str | None = None
    """A complete right answer."""
    tags: tuple[str, ...] = ()
