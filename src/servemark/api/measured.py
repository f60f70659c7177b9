"""`measure`: load-test an OpenAI-compatible endpoint."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from servemark.api.listing import DEFAULT_RUNS
from servemark.api.loads import (
    Numbers,
    default_loads,
    existing_file,
    fixed_workload,
    parse_amount,
    parse_duration,
    parse_rates,
    parse_slos,
    parse_users,
)
from servemark.catalogue.gpu_types import find_gpu
from servemark.domain.exchange import Item
from servemark.domain.run import Run
from servemark.domain.workload import Load, Workload
from servemark.errors import InputError
from servemark.load.progress import Progress
from servemark.measurement.session import measure_endpoint
from servemark.traffic.profiles import find_profile
