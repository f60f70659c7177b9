"""Makes `plan_questions` importable by the tests beside it."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from plan_questions import offer, planned, requirements

from servemark.planning import contest, trials


@pytest.fixture(scope="session", autouse=True)
def few_trials():
    """Fewer alternatives are simulated than in earnest, with fewer requests (p95 needs 72)."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(contest, "FRONT_TRIALS", 3)
        patch.setattr(trials, "REQUESTS", 300)
        patch.setattr(trials, "REQUESTS_PER_USER", 2)
        patch.setattr(trials, "LEVEL_S", 20.0)
        yield


@pytest.fixture(scope="session")
def small_plan():
    """100 users on L40S or H100, both with a price."""
    return planned(requirements(), ["l40s", "h100-sxm"], [offer("l40s", 1.0), offer("h100-sxm", 2.5)])
