"""docs/accuracy.md belongs to the rows and coefficients that ship."""

import importlib.util
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "scripts" / "write_accuracy_page.py"


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location("write_accuracy_page", SCRIPT)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_is_of_what_ships(script):
    text = script.PAGE.read_text(encoding="utf-8")
    assert f"`{script.stamp()}`" in text, "run scripts/write_accuracy_page.py"


def test_the_page_has_what_the_command_prints(script):
    text = script.PAGE.read_text(encoding="utf-8")
    assert "{" not in text.replace("{...}", "")
    for title in (
        "fitted on all rows",
        "leave a fifth of the curves out",
        "leave one model out",
        "leave one GPU out",
        "leave one engine version out",
        "after a few points of each curve",
    ):
        assert f"Errors on the shipped rows: {title}" in text
    heads = [
        line.strip("# ")
        for line in script.TEXT.read_text(encoding="utf-8").splitlines()
        if line[:2] == "##"
    ]
    assert all(f"## {head}" in text for head in heads)
    columns = (
        "metric",
        "rows",
        "not predicted",
        "MAPE (%)",
        "median (%)",
        "bias (%)",
        "worst (%)",
        "in band (%)",
    )
    assert f"| {' | '.join(columns)} | noise (%) |" in text
