"""The README is true: its command lines run, in order, in an empty folder; its Python runs too."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", README, re.S)


def test_command_lines_run(tmp_path):
    lines = [line for block in blocks("console") for line in block.splitlines() if line]
    assert len(lines) >= 8
    for line in lines:
        words = shlex.split(line)
        assert words[0] == "servemark"
        done = subprocess.run(
            [sys.executable, "-m", *words], cwd=tmp_path, capture_output=True, text=True, timeout=120
        )
        assert done.returncode == 0, f"{line}: {done.stderr}"
        assert done.stdout
    assert (tmp_path / "report.html").stat().st_size < 2_000_000


def test_python_runs(tmp_path):
    for block in blocks("python"):
        done = subprocess.run(
            [sys.executable, "-c", block], cwd=tmp_path, capture_output=True, text=True, timeout=60
        )
        assert done.returncode == 0, done.stderr


def test_links_and_pictures_exist():
    for target in re.findall(r"\]\(([^)#:]+)\)", README):
        assert (ROOT / target).exists(), target
