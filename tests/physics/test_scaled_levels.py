import pytest
from hypothesis import given
from hypothesis import strategies as st

from servemark.capacity.similarity import stretched
from servemark.domain.deployment import Speculation
from servemark.domain.workload import FixedLength, Rate, Replay, Users, Workload
from servemark.errors import InputError
from servemark.physics.levels import closed_form_level
from servemark.physics.memory import require_fit
from servemark.physics.scaled_levels import scaled_cost, scaled_levels
from servemark.physics.step import coefficient_values, step_cost, step_seconds
from servemark.physics.work import step_work
from servemark.traffic.profiles import find_profile

WORKLOAD = Workload(input=FixedLength(tokens=1000), output=FixedLength(tokens=100))


@pytest.fixture
def ask(deploy, coefficients):
    """Levels of Llama 3.1 8B on one L40S, or another model, at factors on every time."""

    def asked(load, factors, model="llama-3.1-8b", workload=WORKLOAD, **options):
        deployment = deploy(model, "l40s", **options)
        budget = require_fit(deployment)
        exact = closed_form_level(deployment, coefficients(), budget, load, workload)
        return exact, scaled_levels(deployment, coefficients(), budget, workload, load, factors)

    return asked


def same(one, other, tolerance=1e-3):
    for key, found in one.metrics.items():
        for name in ("mean", "p50", "p95", "p99"):
            assert getattr(found, name) == pytest.approx(getattr(other.metrics[key], name), rel=tolerance)
    for key in ("requests_per_s", "output_tokens_per_s"):
        assert getattr(one, key) == pytest.approx(getattr(other, key), rel=tolerance)


@pytest.mark.parametrize(
    "load", [Users(users=1), Users(users=40, think_s=2.0), Rate(per_s=3.0), Rate(per_s=90.0)]
)
def test_factor_one_is_the_closed_form(ask, load):
    exact, (plain, _) = ask(load, (1.0, 1.2))
    same(plain, exact, 1e-9)


@pytest.mark.parametrize("model", ["llama-3.1-8b", "bert-base-uncased"])
def test_a_closed_loop_without_pauses_only_stretches(ask, model):
    workload = Workload(
        input=FixedLength(tokens=400), output=FixedLength(tokens=1 if "bert" in model else 100)
    )
    exact, found = ask(Users(users=24), (0.7, 1.4), model=model, workload=workload)
    for factor, level in zip((0.7, 1.4), found, strict=True):
        assert level.metrics["ttft_s"].p95 == pytest.approx(factor * exact.metrics["ttft_s"].p95, rel=1e-3)
        assert level.requests_per_s == pytest.approx(exact.requests_per_s / factor, rel=1e-3)


def test_drafting_stretches_with_the_rest(ask):
    drafted = Speculation(method="eagle", tokens=3, acceptance_ratio=0.7)
    exact, (slow,) = ask(Users(users=8), (1.4,), speculative=drafted)
    assert slow.metrics["tpot_s"].mean == pytest.approx(1.4 * exact.metrics["tpot_s"].mean, rel=1e-3)


def test_an_open_loop_is_the_denser_load_on_a_slower_clock(ask):
    _, (slow,) = ask(Rate(per_s=4.0), (1.25,))
    denser, _ = ask(Rate(per_s=5.0), (1.0,))
    same(slow, stretched(denser, 1.25))


def test_queueing_amplifies_an_error_of_the_step_time(ask):
    """Near saturation 10 % on the step is far more on the first token, and nothing on throughput below it."""
    exact, (slow,) = ask(Rate(per_s=7.5), (1.1,), max_num_seqs=48)
    assert slow.metrics["ttft_s"].p95 > 1.5 * exact.metrics["ttft_s"].p95
    exact, (slow,) = ask(Rate(per_s=1.0), (1.1,))
    assert slow.requests_per_s == pytest.approx(exact.requests_per_s)


@given(
    decodes=st.integers(0, 256), context=st.integers(0, 200_000), prefill=st.integers(0, 8192),
    factor=st.floats(0.3, 3.0), model=st.sampled_from(["llama-3.1-8b", "mixtral-8x7b", "gemma-2-9b"]),
)  # fmt: skip
def test_a_step_takes_factor_times_as_long(deploy, coefficients, decodes, context, prefill, factor, model):
    deployment = deploy(model, "h100", tp=4)
    cost = step_cost(step_work(deployment), coefficient_values(coefficients()))
    batch = (decodes, context, prefill, prefill * prefill / 2, 1.0 if prefill else 0.0)
    assert step_seconds(scaled_cost(cost, factor), *batch) == pytest.approx(
        factor * step_seconds(cost, *batch), rel=1e-6
    )


def test_a_trace_needs_the_simulator(deploy, coefficients):
    deployment = deploy("llama-3.1-8b", "l40s")
    with pytest.raises(InputError, match="simulate"):
        scaled_levels(
            deployment, coefficients(), require_fit(deployment), find_profile("azure-code").workload,
            Replay(name="azure-code"), (1.0,),
        )  # fmt: skip
