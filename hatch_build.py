"""Build hook: bundles the chart JavaScript into the package.

Vega, Vega-Lite and Vega-Embed come out of `vl-convert-python` (a build requirement) as one script; it is
written to `src/servemark/reports/data/vega-bundle.js`, which git ignores and wheels carry. In a checkout
without an editable install, `python hatch_build.py` does the same.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import vl_convert

try:
    from hatchling.builders.hooks.plugin.interface import BuildHookInterface
except ImportError:  # run by hand, without hatchling
    BuildHookInterface = object  # type: ignore[assignment, misc]

BUNDLE = Path("src/servemark/reports/data/vega-bundle.js")
LICENCE = BUNDLE.with_name("vega-licence.txt")


class BundleHook(BuildHookInterface):
    """Writes the bundle before every build, editable ones included."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        write_bundle(Path(self.root))
        build_data["artifacts"].append(f"/{BUNDLE.as_posix()}")


def write_bundle(root: Path) -> Path:
    """Writes the bundle under `root` unless this version of it is there; returns its path."""
    target = root / BUNDLE
    head = f"/* vl-convert-python {vl_convert.__version__}\n{(root / LICENCE).read_text('utf-8')}*/\n"
    if not target.exists() or not target.read_text("utf-8").startswith(head):
        target.write_text(head + vl_convert.javascript_bundle().strip() + "\n", "utf-8")
    return target


if __name__ == "__main__":
    print(write_bundle(Path(__file__).resolve().parent))
