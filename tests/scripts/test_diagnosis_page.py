"""docs/diagnosis.md has the table that the rules read."""

import importlib.util
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "scripts" / "diagnosis_page.py"


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location("diagnosis_page", SCRIPT)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_is_up_to_date(script):
    text = script.PAGE.read_text(encoding="utf-8")
    assert script.rewritten(text) == text, "run scripts/diagnosis_page.py"
    assert text.count("| `") >= 30


def test_a_page_without_its_marks_is_refused(script):
    with pytest.raises(SystemExit, match="marks"):
        script.rewritten("no marks here")
