"""Makes the reference simulator and the workload strategies importable."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
