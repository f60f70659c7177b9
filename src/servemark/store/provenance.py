"""How a run came to be: versions, machine, seed, the one wall-clock anchor."""

from __future__ import annotations

import os
import platform
import sys
from datetime import UTC, datetime

from servemark.domain.run import Provenance
from servemark.version import __version__


def provenance_now(seed: int, command: str = "") -> Provenance:
    """Provenance of a run that starts now on this machine."""
    return Provenance(
        servemark=__version__,
        started=datetime.now(UTC).isoformat(timespec="milliseconds"),
        seed=seed,
        python=platform.python_version(),
        platform=f"{sys.platform} {platform.machine()}",
        cores=os.cpu_count() or 0,
        load_average=round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None,
        command=command,
    )
