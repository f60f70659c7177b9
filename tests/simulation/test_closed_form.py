"""The closed form against the simulator, with one step time: what `benchmarks/closed_form_accuracy.py` prints,
for a few levels of each kind. Throughput and TPOT within 5 %, mean TTFT within 15 % below saturation.
"""

import importlib.util
from pathlib import Path

import pytest

from servemark.domain.workload import Rate, Users


@pytest.fixture(scope="module")
def accuracy():
    path = Path(__file__).parents[2] / "benchmarks" / "closed_form_accuracy.py"
    spec = importlib.util.spec_from_file_location("closed_form_accuracy", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", ["vllm", "vllm, no chunks", "sglang", "trtllm", "vllm V0"])
@pytest.mark.parametrize("shape", [(1000, 100, 0.0), (2000, 300, 0.6)], ids=["even", "spread"])
def test_engines(accuracy, name, shape):
    deployed, workload = accuracy.deployment(**accuracy.ENGINES[name]), accuracy.lengths(*shape)
    for load in (Users(users=32), Rate(per_s=0.6 * accuracy.carried(deployed, workload))):
        (carried, tpot, ttft, _, e2e), _, _ = accuracy.compare(deployed, load, workload)
        assert abs(carried) < 0.05
        assert abs(tpot) < 0.05
        assert abs(ttft) < 0.15
        assert abs(e2e) < 0.10


@pytest.mark.parametrize("shape", [(2000, 300, 0.6), (300, 600, 0.6), (4000, 200, 0.6)], ids=str)
def test_a_pool_that_overflows(accuracy, shape):
    """Preemption and recomputing included: within 5 %."""
    deployed, workload = accuracy.deployment(max_num_seqs=512), accuracy.lengths(*shape)
    errors, preempted, _ = accuracy.compare(deployed, Users(users=400), workload)
    assert preempted > 0.01
    assert abs(errors[0]) < 0.05
    assert abs(errors[1]) < 0.05


@pytest.mark.parametrize("shape", [(512, 128, 0.0), (2000, 300, 0.6), (300, 600, 0.6)], ids=str)
@pytest.mark.parametrize("share", [0.3, 0.6, 0.8])
def test_waiting_in_an_open_loop(accuracy, shape, share):
    deployed, workload = accuracy.deployment(), accuracy.lengths(*shape)
    load = Rate(per_s=share * accuracy.carried(deployed, workload))
    (_, tpot, ttft, _, _), _, _ = accuracy.compare(deployed, load, workload)
    assert abs(ttft) < 0.15
    assert abs(tpot) < 0.10
