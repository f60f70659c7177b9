"""What the rules for a published test share."""

from __future__ import annotations

from typing import NamedTuple

from servemark.domain.coefficients import Coefficients
from servemark.domain.deployment import Deployment
from servemark.domain.finding import Evidence
from servemark.domain.published_test import PublishedLevel, PublishedTest


class Case(NamedTuple):
    """A published test beside what our own physics knows of its model and GPU."""

    test: PublishedTest
    deployment: Deployment
    coefficients: Coefficients


def deciding_command(test: PublishedTest) -> str:
    """The measurement that decides: the same items at every load, in random blocks, with controls."""
    users = ",".join(str(each.users) for each in sorted(test.levels, key=lambda each: each.users))
    return f"servemark measure URL --suite exam --users {users} --blocks 6 --margin 3%"


def at_users(test: PublishedTest, level: PublishedLevel) -> int:
    """Position of a level in the test."""
    return test.levels.index(level)


def reported(text: str, level: int | None = None) -> Evidence:
    """A figure of the report."""
    return Evidence(text=text, source="reported", level=level)


def worked_out(text: str) -> Evidence:
    """Arithmetic on such figures."""
    return Evidence(text=text, source="arithmetic")


def users_words(users: int) -> str:
    """`1 user`, `32 users`."""
    return f"{users} user{'' if users == 1 else 's'}"
