"""Runs the commands that stand in docs/planning.md and puts what they print below them.

python scripts/planning_examples.py
"""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from servemark.domain.workload import Replay, Workload
from servemark.traffic.arrivals import arrival_plan

PAGE = Path(__file__).parents[1] / "docs" / "planning.md"
BLOCK = re.compile(r"(?ms)^    \$ servemark (plan|guide)(.*?)\n(?=\n(?! {4})|\Z)")
WIDTH = "120"


def write_trace(path, requests=1500):
    """A recording as somebody might have it: conversations, a few minutes long."""
    plan = arrival_plan(Replay(name="azure-conversation"), Workload(), seed=3, requests=requests)
    rows = [f"{r.scheduled_s:.3f},{r.input_tokens},{r.output_tokens}" for r in plan.requests]
    path.write_text("at_s,input_tokens,output_tokens\n" + "\n".join(rows) + "\n")


def output_of(command, folder):
    """What a command prints, as on a terminal of `WIDTH` columns."""
    code = (
        "import sys\nfrom rich import console\n"
        f"wide = console.Console.__init__\n"
        f"console.Console.__init__ = lambda self, *a, **k: wide(self, *a, **{{**k, 'width': {WIDTH}}})\n"
        "from servemark.faces.cli import main\nmain(sys.argv[1:])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *shlex.split(command)],
        cwd=folder, capture_output=True, text=True, env={**os.environ, "COLUMNS": WIDTH}, check=False,
    )  # fmt: skip
    return (done.stdout if done.returncode in (0, 3) else done.stderr).rstrip()


def main():
    text = PAGE.read_text("utf-8")
    with TemporaryDirectory() as folder:
        write_trace(Path(folder) / "mine.csv")

        def renewed(match):
            command = match.group(0).splitlines()[0].removeprefix("    $ ")
            print(command)
            printed = output_of(command.removeprefix("servemark "), folder)
            lines = [f"    $ {command}", *(f"    {line}".rstrip() for line in printed.splitlines())]
            return "\n".join(lines) + "\n"

        PAGE.write_text(BLOCK.sub(renewed, text), "utf-8")


if __name__ == "__main__":
    main()
