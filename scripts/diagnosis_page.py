"""Rewrite the table of docs/diagnosis.md: the rows that the code itself reads.

python scripts/diagnosis_page.py
"""

from __future__ import annotations

from pathlib import Path

from servemark.diagnosis.causes import rows

PAGE = Path(__file__).parents[1] / "docs" / "diagnosis.md"
BEGIN, END = "<!-- causes -->", "<!-- end causes -->"
HEADINGS = ("row", "key", "symptom", "evidence that tells", "what would refute it", "next step", "basis")


def generated() -> str:
    """The table, one cause a line, and below it what each means for people."""
    lines = [_line(HEADINGS), _line(["---"] * len(HEADINGS))]
    for key, row in rows().items():
        cells = (
            f"{row.number}",
            f"`{key}`",
            row.symptom,
            row.evidence,
            row.refuted_by,
            row.next_step,
            row.basis,
        )
        lines.append(_line(cells))
    lines += ["", "Who would notice:", ""]
    lines += [f"- `{key}`: {row.consequence}" for key, row in rows().items()]
    return "\n".join(lines)


def _line(cells: tuple[str, ...] | list[str]) -> str:
    return f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |"


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
