"""The page is written by the command, not typed."""

import importlib.util
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "scripts" / "guide_page.py"


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location("guide_page", SCRIPT)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_section_is_on_the_page(script):
    text = script.PAGE.read_text(encoding="utf-8")
    new = script.rewritten(text)
    # figures follow the prices and coefficients that ship; the sections do not
    heads = [line.split(".")[0] for line in new.splitlines() if line.startswith("**")]
    assert len(heads) == 12
    assert heads == [line.split(".")[0] for line in text.splitlines() if line.startswith("**")]


def test_a_page_without_marks_is_refused(script):
    with pytest.raises(SystemExit, match="marks"):
        script.rewritten("# Guide")
