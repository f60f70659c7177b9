"""A load test that somebody published: its figures as data. What it does not disclose is None."""

from __future__ import annotations

from typing import Literal

from servemark.domain.finding import Finding
from servemark.domain.record import Record


class PublishedLevel(Record, frozen=True, kw_only=True):
    """One load of it."""

    users: int
    failures_ratio: float | None = None
    latency_s: float | None = None
    """Typical time of an answer."""
    requests: int | None = None
    """Requests sent: the denominator of `failures_ratio`."""
    items: int | None = None
    """Questions asked."""
    subject: str | None = None
    """What they are about, where it is reported."""
    wrong_language: int | None = None
    """Answers reported as being in the wrong language."""


class Quotation(Record, frozen=True, kw_only=True):
    """A few words of an answer, as evidence, and what they are known from."""

    words: str
    known_from: str = ""
    source: str = ""


class Contradictions(Record, frozen=True, kw_only=True):
    """Answers said to contradict their explanation, by how they were asked."""

    answer: int = 0
    teaching: int = 0
    """The model explains a key that it was given."""
    unlabelled: int = 0


class PublishedTest(Record, frozen=True, kw_only=True):
    """The whole test."""

    key: str
    title: str
    source: str
    date: str | None = None
    model: str
    """Key of the catalogue."""
    gpu: str
    dtype: str | None = None
    engine: str | None = None
    max_num_seqs: int | None = None
    levels: tuple[PublishedLevel, ...]
    memory_used_bytes: float | None = None
    """As the board showed it before any user."""
    memory_total_bytes: float | None = None
    order: Literal["ascending", "random blocks"] | None = None
    sweeps: int | None = None
    controls: int | None = None
    """Loads measured twice."""
    retries: int | None = None
    """Of a failed request, by the client."""
    tools: bool | None = None
    """Answers come through a tool call or a schema."""
    sampling: str | None = None
    """How tokens are drawn: `temperature 0`."""
    timeout_s: float | None = None
    quotations: tuple[Quotation, ...] = ()
    contradictions: Contradictions | None = None
    languages: tuple[str, ...] = ()
    """Of the questions, ISO 639-1."""
    supported_languages: tuple[str, ...] = ()
    """Of the model, by its card."""


class Explanation(Record, frozen=True, kw_only=True):
    """The findings on one run, or on one published test."""

    title: str
    source: str
    """Id of the run, or where the test was published."""
    findings: tuple[Finding, ...]
    notes: tuple[str, ...] = ()
