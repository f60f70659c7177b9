import json

import pytest

from servemark.faces.cli import main


class Ran:
    """What one command printed, and its exit code."""

    def __init__(self, code, out, err):
        self.code, self.out, self.err = code, out, err

    @property
    def document(self):
        lines = self.out.splitlines()
        assert len(lines) == 1, f"not exactly one JSON object on stdout: {self.out!r}"
        return json.loads(lines[0])


@pytest.fixture
def servemark(capsys, tmp_path, monkeypatch):
    """Run a command line in this process, in an empty folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SERVEMARK_RUNS", raising=False)

    def run(line, *more):
        with pytest.raises(SystemExit) as done:
            main([*line.split(), *more])
        captured = capsys.readouterr()
        return Ran(done.value.code, captured.out, captured.err)

    return run
