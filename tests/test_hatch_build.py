"""The build hook, run on a copy of what it needs."""

import importlib.util
import shutil
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

pytestmark = pytest.mark.needs("vl_convert")


@pytest.fixture
def hook():
    spec = importlib.util.spec_from_file_location("hatch_build", ROOT / "hatch_build.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_bundle_carries_the_charts_and_their_licence(hook, tmp_path):
    data = tmp_path / hook.BUNDLE.parent
    data.mkdir(parents=True)
    shutil.copy(ROOT / hook.LICENCE, data)
    script = hook.write_bundle(tmp_path).read_text("utf-8")
    assert "University of Washington Interactive Data Lab" in script[:500]
    assert "window.vegaEmbed" in script and 700_000 < len(script) < 1_200_000
    assert "</script" not in script


def test_a_bundle_of_this_version_is_left_alone(hook, tmp_path):
    data = tmp_path / hook.BUNDLE.parent
    data.mkdir(parents=True)
    shutil.copy(ROOT / hook.LICENCE, data)
    before = hook.write_bundle(tmp_path).stat().st_mtime_ns
    assert hook.write_bundle(tmp_path).stat().st_mtime_ns == before
    (tmp_path / hook.BUNDLE).write_text("/* another version */", "utf-8")
    assert "window.vegaEmbed" in hook.write_bundle(tmp_path).read_text("utf-8")
