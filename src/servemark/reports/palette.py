"""Colours: each with its counterpart on dark paper.

Charts are drawn in the light colours; the page's style sheet swaps them where the reader asks for
dark. Run colours are Okabe and Ito's (2008), told apart with any common colour blindness; they never
carry meaning alone.
"""

from __future__ import annotations

from typing import Final

PAPER: Final = "#ffffff"
INK: Final = "#1d232a"
MUTED: Final = "#59636e"
GRID: Final = "#e3e7eb"
REGION: Final = "#e8f1f8"
LIMIT: Final = "#a3341f"
RUNS: Final = ("#0067a5", "#c75300", "#00805e", "#a04a86", "#8a6d00", "#4a5560")
PARTS: Final = ("#0067a5", "#5b9bc4", "#9dbfd6", "#c3ccd4", "#8a949e", "#dde3e8")
"""Parts of one whole, from the most to the least of interest."""

DARK: Final[dict[str, str]] = {
    PAPER: "#14181d",
    INK: "#e4e8ec",
    MUTED: "#9aa5b1",
    GRID: "#2b323a",
    REGION: "#182b3a",
    LIMIT: "#f08a74",
    "#0067a5": "#5eb1e6",
    "#c75300": "#f0924a",
    "#00805e": "#3dc29b",
    "#a04a86": "#d99ac4",
    "#8a6d00": "#d9bd4a",
    "#4a5560": "#aab4be",
    "#5b9bc4": "#3f7fa8",
    "#9dbfd6": "#34607d",
    "#c3ccd4": "#4c5864",
    "#8a949e": "#74808c",
    "#dde3e8": "#37414b",
}
"""Light colour -> dark counterpart, for every colour a chart may use."""
