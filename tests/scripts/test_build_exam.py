"""The exam that ships is the one that its source makes."""

import importlib.util
import json
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "scripts" / "build_exam.py"


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location("build_exam", SCRIPT)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_exam_is_of_its_source(script):
    _, *shipped = [json.loads(line) for line in script.EXAM.read_text(encoding="utf-8").splitlines()]
    assert shipped == script.build(), "run scripts/build_exam.py"


@pytest.mark.parametrize("language", ["en", "ms"])
def test_reasons_are_sentences_and_options_differ(script, language):
    for question in script.read_questions(language):
        assert question["why"].endswith("."), question["id"]
        assert len(question["why"].split()) >= 9, question["id"]
        assert len(set(question["options"])) == len(question["options"]) >= 4
