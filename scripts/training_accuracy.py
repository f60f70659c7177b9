"""Rewrite the generated tables of docs/training.md: memory formulas against published runs, and utilizations.

    python scripts/training_accuracy.py [--check]

With `--check` nothing is written; the exit code is 1 where the page differs from what would be written.
"""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path

from servemark.catalogue.training_points import training_points
from servemark.catalogue.utilization import utilizations
from servemark.planning.training_scores import predictions, scores
from servemark.units import GB

PAGE = Path(__file__).parents[1] / "docs" / "training.md"


def score_table() -> str:
    lines = [
        "| rows | n | median error | mean error | bias | worst | inside the interval |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    lines += [
        f"| {each.group} | {each.points} | {each.median_error_ratio:.1%} | {each.mean_error_ratio:.1%} | "
        f"{each.bias_ratio:+.1%} | {each.worst_error_ratio:+.1%} | {each.inside_ratio:.0%} |"
        for each in scores(predictions())
    ]
    return "\n".join(lines)


def unused_table() -> str:
    counts = Counter(point.unused for point in training_points() if point.unused)
    rows = [f"| {reason} | {n} |" for reason, n in counts.most_common()]
    return "\n".join(["| not scored because | rows |", "| --- | ---: |", *rows])


def worst_table(most: int = 10) -> str:
    scored = [each for each in predictions() if not each.point.unused]
    worst = sorted(scored, key=lambda each: -abs(each.error_ratio))[:most]
    lines = [
        "| model | method | tokens | published GB | ours GB | error |",
        "| --- | --- | ---: | ---: | ---: | ---: |",
    ]
    for each in worst:
        point = each.point
        tokens = (point.sequence_tokens or 0) * point.layout.micro_batch
        lines.append(
            f"| {point.model} | {point.recipe.method}, {point.note or 'as described'} | {tokens:,} | "
            f"{point.measured_bytes / GB:.1f} | {each.predicted_bytes.value / GB:.1f} | {each.error_ratio:+.0%} |"
        )
    return "\n".join(lines)


def utilization_table() -> str:
    lines = ["| class | low | usual | high | source |", "| --- | ---: | ---: | ---: | --- |"]
    lines += [
        f"| {each.key} | {each.share.low:.0%} | {each.share.value:.0%} | {each.share.high:.0%} | {each.source} |"
        for each in utilizations()
    ]
    return "\n".join(lines)


TABLES = {
    "scores": score_table,
    "unused": unused_table,
    "worst": worst_table,
    "utilizations": utilization_table,
}


def rewritten(text: str) -> str:
    """The page with every table between its two marks replaced."""
    for name, table in TABLES.items():
        begin, end = f"<!-- {name} -->", f"<!-- end {name} -->"
        head, found, rest = text.partition(begin)
        _, closed, tail = rest.partition(end)
        if not found or not closed:
            raise SystemExit(f"{PAGE}: the marks {begin} and {end} are missing")
        text = f"{head}{begin}\n{table()}\n{end}{tail}"
    return text


def main() -> None:
    text = PAGE.read_text(encoding="utf-8")
    new = rewritten(text)
    overall = scores(predictions())[0]
    print(
        f"{overall.points} published single-GPU runs: median error {overall.median_error_ratio:.1%}, "
        f"mean {overall.mean_error_ratio:.1%}, {overall.inside_ratio:.0%} inside the interval"
    )
    if "--check" in sys.argv[1:]:
        raise SystemExit(int(new != text))
    PAGE.write_text(new, encoding="utf-8")


if __name__ == "__main__":
    main()
