"""Rewrite the generated part of docs/guide.md: what `servemark guide` answers today.

python scripts/guide_page.py
"""

from __future__ import annotations

from pathlib import Path

from servemark.api.guidance import guide
from servemark.faces.guidance_words import section_table
from servemark.reports.markdown import markdown_table

PAGE = Path(__file__).parents[1] / "docs" / "guide.md"
BUDGET = "500usd/month"
BEGIN, END = "<!-- guide -->", "<!-- end guide -->"


def generated() -> str:
    """Every section of the guide for `BUDGET`, and all rules."""
    found = guide(budget=BUDGET)
    lines = [f"`servemark guide --budget {BUDGET}`"]
    for section in found.sections:
        lines += ["", markdown_table(section_table(section))]
    return "\n".join((*lines, *("" if not line else f"\n{line}" for line in found.notes)))


def rewritten(text: str) -> str:
    """The page with what stands between its marks replaced."""
    head, found, rest = text.partition(BEGIN)
    _, closed, tail = rest.partition(END)
    if not found or not closed:
        raise SystemExit(f"{PAGE}: the marks {BEGIN} and {END} are missing")
    return f"{head}{BEGIN}\n{generated()}\n{END}{tail}"


def main() -> None:
    PAGE.write_text(rewritten(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
    print(PAGE)


if __name__ == "__main__":
    main()
