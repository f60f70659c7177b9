"""Tango's or Newcombe's interval of a paired difference? Coverage of both at the sizes of an experiment.

    python benchmarks/paired_intervals.py [--write]

Exact: every table of broken and healed pairs weighed by its chance (for Newcombe the pairs that agree split as
expected). `--write` puts the table into docs/statistics.md.
"""

import argparse
import math
from pathlib import Path

import numpy as np
from scipy.stats import binom

from servemark.stats.pairs import difference_interval

PAGE = Path(__file__).parents[1] / "docs" / "statistics.md"
MARKERS = ("<!-- coverage: begin -->", "<!-- coverage: end -->")
TRUTHS = ((0.01, 0.01), (0.03, 0.0), (0.05, 0.0), (0.06, 0.01), (0.05, 0.05), (0.10, 0.05))
SIZES = (60, 120, 240)
RIGHT = 0.8
Z = 1.959963984540054


def wilson(hits, n):
    p = hits / n
    middle = (p + Z * Z / (2 * n)) / (1 + Z * Z / n)
    half = Z * math.sqrt(p * (1 - p) / n + Z * Z / (4 * n * n)) / (1 + Z * Z / n)
    return p, middle - half, middle + half


def newcombe(broke, healed, n):
    """Method 10 of R. G. Newcombe, Statistics in Medicine 17 (1998), of the loss (broke - healed) / n."""
    both = round(RIGHT * n) - broke
    neither = n - both - broke - healed
    if both < 0 or neither < 0:
        return None
    p, low_p, high_p = wilson(both + broke, n)
    q, low_q, high_q = wilson(both + healed, n)
    product = (both + broke) * (healed + neither) * (both + healed) * (broke + neither)
    cross = both * neither - broke * healed
    cross = max(cross - n / 2, 0) if cross > 0 else cross
    phi = cross / math.sqrt(product) if product else 0.0
    below = (p - low_p) ** 2 - 2 * phi * (p - low_p) * (high_q - q) + (high_q - q) ** 2
    above = (q - low_q) ** 2 - 2 * phi * (q - low_q) * (high_p - p) + (high_p - p) ** 2
    loss = (broke - healed) / n
    return loss - math.sqrt(max(below, 0.0)), loss + math.sqrt(max(above, 0.0))


def coverage(interval, n, broke, healed):
    """Chance that the interval holds the truth, and its mean width."""
    held = width = 0.0
    for b in range(n + 1):
        at_b = binom.pmf(b, n, broke)
        if at_b < 1e-7:
            continue
        chances = at_b * binom.pmf(np.arange(n - b + 1), n - b, healed / (1 - broke))
        for c in np.flatnonzero(chances > 1e-7).tolist():
            found = interval(b, c, n)
            if found is not None:
                held += chances[c] * (found[0] <= broke - healed <= found[1])
                width += chances[c] * (found[1] - found[0])
    return held, width


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--write", action="store_true", help="into docs/statistics.md")
    rows = [
        "| pairs | break, heal | Tango covers | mean width | Newcombe covers | mean width |",
        "| - | - | - | - | - | - |",
    ]
    for n in SIZES:
        for broke, healed in TRUTHS:
            cells = [
                f"{100 * held:.1f} % | {100 * width:.1f} points"
                for held, width in (
                    coverage(each, n, broke, healed) for each in (difference_interval, newcombe)
                )
            ]
            rows.append(f"| {n} | {broke:.0%}, {healed:.0%} | {' | '.join(cells)} |")
            print(rows[-1], flush=True)
    if parser.parse_args().write:
        before, rest = PAGE.read_text("utf-8").split(MARKERS[0])
        after = rest.split(MARKERS[1])[1]
        table = "\n".join(rows)
        PAGE.write_text(f"{before}{MARKERS[0]}\n\n{table}\n\n{MARKERS[1]}{after}", "utf-8")


if __name__ == "__main__":
    main()
