import pytest
from made_runs import boards, clean_run, on_level, samples
from msgspec.structs import replace
from test_queueing import loaded

from servemark.api.fitting import fit
from servemark.diagnosis.boards import gpu_idle, memory_reserved_not_used
from servemark.domain.run import CpuShare
from servemark.units import MIB


@pytest.fixture(scope="module")
def fitted():
    return fit("llama-3.1-8b", gpu="l40s")


def full_card(fitted, users=1, used=42055, **gauges):
    shown = boards(memory_used_bytes=used * MIB)
    whole = clean_run(memory=fitted.memory, deployment=fitted.deployment)
    return on_level(whole, users, samples=shown, engine=samples(1, **gauges))


def test_the_card_looks_full_and_the_pool_is_empty(fitted):
    seen = memory_reserved_not_used(full_card(fitted))
    assert "42,055 MiB of 46,068 MiB" in seen.claim and "(15,317 MiB)" in seen.claim
    assert (seen.confidence, seen.weight) == ("certain", 0.0)
    assert "15,317 MiB weights" in seen.evidence[1].text and "blocks" in seen.evidence[1].text


def test_a_pool_in_use_a_card_half_empty_or_an_unknown_gauge(fitted):
    assert memory_reserved_not_used(full_card(fitted, kv_used_ratio=0.9)) is None
    assert memory_reserved_not_used(full_card(fitted, used=20000)) is None
    assert memory_reserved_not_used(full_card(fitted, kv_used_ratio=None)) is None


def idle(**fields):
    return on_level(
        loaded(3.1, 4.0, samples(32, running=3)), 32, samples=boards(utilization_ratio=0.2, **fields)
    )


def test_slow_while_the_card_has_nothing_to_do():
    seen = gpu_idle(idle())
    assert seen.confidence == "likely" and round(seen.weight, 3) == 0.8
    assert "3 of 32 users' requests ran" in seen.evidence[1].text
    busy = on_level(idle(), 32, cpu=CpuShare(client_cores=0.1, engine_cores=7.5, machine_cores=8))
    assert "7.5 of 8 processor cores" in gpu_idle(busy).evidence[2].text


def test_a_card_at_its_power_limit_is_not_idle(fitted):
    hot = replace(idle(power_w=330.0), deployment=fitted.deployment)
    assert gpu_idle(hot) is None
    assert gpu_idle(replace(idle(power_w=90.0), deployment=fitted.deployment)) is not None


def test_boards_that_were_not_sampled_say_nothing():
    assert gpu_idle(on_level(idle(), 32, samples=())) is None
    assert gpu_idle(on_level(clean_run(), 32, samples=boards(utilization_ratio=0.2))) is None
