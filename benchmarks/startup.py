"""CPU time of whole processes from start to end, and the size of what is installed.

    python benchmarks/startup.py [REPEATS]

CPU time is user + system of the process, the least of REPEATS (default 7): what else the machine does can
only add to it. The processes alternate, so that a noisy minute hurts all of them alike.
"""

import os
import platform
import subprocess
import sys
import tempfile
import tomllib
from datetime import date
from importlib.metadata import distribution
from pathlib import Path

from packaging.requirements import Requirement

import servemark

ASK = ("llama-3.1-8b", "--gpu", "l40s")
PROCESSES = {
    "bare interpreter": (("-c", "pass"), None),
    "import numpy": (("-c", "import numpy"), None),
    "import servemark": (("-c", "import servemark"), None),
    "servemark --help": (("-m", "servemark", "--help"), 0.200),
    "servemark fit": (("-m", "servemark", "fit", *ASK), 0.400),
    "servemark predict": (
        ("-m", "servemark", "predict", *ASK, "--users", "1,2,4,8,16,32", "--slo", "ttft_p95=2s"),
        0.400,
    ),
}
"""Arguments of the interpreter, and the CPU seconds they may take."""
INSTALLED_MB = 300


def cpu_s(arguments, folder):
    """User and system seconds of one process."""
    process = subprocess.Popen(
        (sys.executable, *arguments), cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    with process.stderr as stderr:
        said = stderr.read().decode()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    # 3 = a promise breaks at every load: an answer like any other
    if process.returncode not in (0, 3):
        raise SystemExit(f"{' '.join(arguments)} ended with exit code {process.returncode}:\n{said}")
    return usage.ru_utime + usage.ru_stime


def installed_bytes():
    """Bytes on disk of each distribution that `pip install servemark` brings, without extras."""
    project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())["project"]
    # this checkout may be installed in place: its source is counted, not the pointer to it
    source = Path(servemark.__file__).parent
    files = (path for path in source.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    sizes = {"servemark": sum(path.stat().st_size for path in files)}
    lines = list(project["dependencies"])
    while lines:
        requirement = Requirement(lines.pop())
        name = requirement.name.lower().replace("_", "-")
        if name in sizes or (requirement.marker and not requirement.marker.evaluate({"extra": ""})):
            continue
        found = distribution(name)
        paths = (Path(file.locate()) for file in found.files or ())
        sizes[name] = sum(path.stat().st_size for path in paths if path.is_file())
        lines += found.requires or ()
    return sizes


def main():
    repeats = int(sys.argv[1]) if len(sys.argv) > 1 else 7
    least_s = dict.fromkeys(PROCESSES, float("inf"))
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(repeats):
            for name, (arguments, _) in PROCESSES.items():
                least_s[name] = min(least_s[name], cpu_s(arguments, folder))
    print(f"machine   {platform.platform()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    print(
        f"date      {date.today()}   servemark {servemark.__version__}   Python {platform.python_version()}"
    )
    print(f"CPU time of the process, least of {repeats}")
    for name, (_, limit_s) in PROCESSES.items():
        limit = "" if limit_s is None else f"   (limit {limit_s * 1e3:.0f} ms)"
        print(f"  {name:<18}{least_s[name] * 1e3:7.0f} ms{limit}")
    sizes = installed_bytes()
    print(f"installed {sum(sizes.values()) / 1e6:.0f} MB without extras   (limit {INSTALLED_MB} MB)")
    for name, size in sorted(sizes.items(), key=lambda row: -row[1])[:6]:
        print(f"  {name:<18}{size / 1e6:7.1f} MB")


if __name__ == "__main__":
    main()
