"""Write docs/accuracy.md from what `servemark accuracy` computes.

    python scripts/write_accuracy_page.py          # some CPU minutes: every protocol, and the recalibration
    python scripts/write_accuracy_page.py --fast   # without the refits: to look at the page

The page carries a stamp of the rows and coefficients behind it; a test compares it with what ships.
"""

from __future__ import annotations

import hashlib
import sys
from datetime import date
from pathlib import Path

from servemark.api.accuracies import accuracy
from servemark.domain.score import Accuracy
from servemark.reports.errors import error_tables
from servemark.reports.markdown import markdown_table
from servemark.version import __version__

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "accuracy.md"
TEXT = ROOT / "scripts" / "accuracy_page.md"
DATA = ROOT / "src" / "servemark" / "catalogue" / "data"
POINTS = 3


def main() -> None:
    fast = "--fast" in sys.argv[1:]
    errors = accuracy(protocol="in-sample" if fast else "all", on_step=say)
    recalibrated = accuracy(recalibrate=POINTS, on_step=say)
    PAGE.write_text(page(TEXT.read_text(encoding="utf-8"), errors, recalibrated), encoding="utf-8")
    say(f"wrote {PAGE}")


def page(text: str, errors: Accuracy, recalibrated: Accuracy) -> str:
    """The page: the text of `accuracy_page.md` with its `{...}` replaced."""
    return (
        text.replace("{stamp}", stamp())
        .replace("{version}", __version__)
        .replace("{date}", date.today().isoformat())
        .replace("{errors}", tables(errors))
        .replace("{recalibrated}", tables(recalibrated, most=2))
    )


def tables(errors: Accuracy, most: int | None = None) -> str:
    return "\n\n".join(markdown_table(table) for table in error_tables(errors)[:most])


def stamp() -> str:
    """Of the measured rows and of the coefficients: changes when either does."""
    files = sorted([*DATA.glob("coefficients*"), *(DATA / "measured").iterdir()])
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()[:12]


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
