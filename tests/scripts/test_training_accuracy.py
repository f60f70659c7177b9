"""The page's tables are what the script writes."""

import importlib.util
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "scripts" / "training_accuracy.py"


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location("training_accuracy", SCRIPT)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_was_generated_and_not_typed(script):
    text = script.PAGE.read_text(encoding="utf-8")
    assert script.rewritten(text) == text


def test_a_page_without_marks_is_refused(script):
    with pytest.raises(SystemExit, match="marks"):
        script.rewritten("# Training")
