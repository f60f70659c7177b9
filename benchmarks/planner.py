"""Seconds and configurations per second of a whole plan, in closed form and with its survivors simulated.

python benchmarks/planner.py
"""

import os
import platform
import time
from datetime import date

import numpy as np

import servemark
from servemark.api.plans import plan
from servemark.api.quantities import parse_slos
from servemark.catalogue.architectures import find_model
from servemark.catalogue.gpu_types import gpu_catalogue
from servemark.domain.workload import FixedLength, Users, Workload
from servemark.planning.shapes import Search, replica_shapes
from servemark.planning.sieve import columns, figured

QUESTIONS = {
    "8B, 100 users": ("llama-3.1-8b", {"users": 100}),
    "70B, 3 requests a second": ("llama-3.3-70b", {"rate": 3}),
    "671B, 200 users": ("deepseek-v3", {"users": 200}),
}
PEERS = (
    ("aiconfigurator 0.12.0, sweep (2026-11-20, shared 2-core machine)", 418, 30.9),
    ("aiconfigurator 0.12.0, one estimate (2026-11-20, same machine)", 1, 1.9),
    ("GenZ 0.0.16, prefill and decode pair (2026-11-20, same machine)", 1, 0.2),
)
"""Configurations and seconds, as run by us."""
SLOS = parse_slos("ttft_p95=2s,tpot_p95=40ms")


def whole_plan(model, demand, *, closed_form):
    """CPU seconds and the plan; the second run, so that nothing is loaded any more."""
    for _ in range(2):
        start = time.process_time()
        found = plan(model, input=1500, output=300, slo=SLOS, closed_form=closed_form, **demand)
        seconds = time.process_time() - start
    return seconds, found


def sieve_rate(seconds=1.0):
    """Configurations per CPU second of the sieve alone, all shapes of one model at one load each."""
    search = Search(find_model("llama-3.1-8b"), tuple(gpu_catalogue().values()), sequence_tokens=1800)
    shapes = replica_shapes(search).fitting
    workload = Workload(input=FixedLength(tokens=1500), output=FixedLength(tokens=300))
    load = Users(users=100)
    forms, users = columns(shapes, load, workload), np.full(len(shapes), 100.0)
    figured(forms, SLOS, load, users)
    start, runs = time.process_time(), 0
    while time.process_time() - start < seconds:
        figured(forms, SLOS, load, users)
        runs += 1
    return runs * len(shapes) / (time.process_time() - start)


def main():
    print(f"machine   {platform.platform()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    print(f"date      {date.today()}   servemark {servemark.__version__}   numpy {np.__version__}")
    print(f"sieve     {sieve_rate():12,.0f} configurations per CPU second\n")
    print(
        f"{'whole plan over ' + str(len(gpu_catalogue())) + ' GPUs':66}{'deployments':>12}{'CPU s':>8}{'per s':>9}"
    )
    for name, (model, demand) in QUESTIONS.items():
        for words, closed_form in (("closed form", True), ("survivors simulated", False)):
            seconds, found = whole_plan(model, demand, closed_form=closed_form)
            count = found.candidates_evaluated
            print(f"{name + ', ' + words:66}{count:12,}{seconds:8.2f}{count / seconds:9,.0f}")
    for name, count, seconds in PEERS:
        print(f"{name:66}{count:12,}{seconds:8.2f}{count / seconds:9,.1f}")


if __name__ == "__main__":
    main()
