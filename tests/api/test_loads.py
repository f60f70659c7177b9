import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from servemark.api.loads import fixed_workload, parse_rates, parse_users
from servemark.api.quantities import parse_amount, parse_duration, parse_extent, parse_factor, parse_slos
from servemark.domain.workload import Rate, Slo, Users
from servemark.errors import InputError, UnknownName


def test_users_in_rising_order_once_each():
    assert parse_users("8,1,2,8") == (Users(users=1), Users(users=2), Users(users=8))
    assert parse_users([4, 2]) == (Users(users=2), Users(users=4))
    assert parse_users(3) == (Users(users=3),)
    assert parse_users(np.array([2, 1])) == parse_users({1, 2}) == (Users(users=1), Users(users=2))


@pytest.mark.parametrize(
    ("text", "path"),
    [("1,-2", "users[1]"), ("0", "users[0]"), ("two", "users[0]"), ("1.5", "users[0]"), (",", "users")],
)
def test_impossible_users_are_refused_with_their_place(text, path):
    with pytest.raises(InputError) as refused:
        parse_users(text)
    assert refused.value.path == path


def test_rates():
    assert parse_rates("2,0.5/s") == (Rate(per_s=0.5), Rate(per_s=2.0))
    assert parse_rates("30/min", "constant") == (Rate(per_s=0.5, process="constant"),)
    with pytest.raises(InputError, match=r"rate\[0\]"):
        parse_rates("0")
    with pytest.raises(UnknownName, match="nearest: poisson"):
        parse_rates("1", "poison")


def test_slos():
    assert parse_slos("ttft_p95=2s, tpot=50ms,failures=1%") == (
        Slo(metric="ttft_s", statistic="p95", limit=2.0),
        Slo(metric="tpot_s", statistic="p95", limit=0.05),
        Slo(metric="failures_ratio", statistic="value", limit=0.01),
    )
    assert parse_slos("stall_max_p99=1s")[0].metric == "stall_max_s"
    assert parse_slos("output_tokens=500")[0] == Slo(
        metric="output_tokens_per_s", statistic="value", limit=500.0
    )
    assert parse_slos(None) == ()
    promise = Slo(metric="ttft_s", statistic="p95", limit=2.0)
    assert (
        parse_slos({"ttft_p95": "2s"}) == parse_slos(["ttft_p95=2"]) == parse_slos([promise]) == (promise,)
    )


@pytest.mark.parametrize(
    ("text", "path"),
    [("ttfb_p95=2s", "slo.ttfb_p95"), ("ttft_p95", "slo.ttft_p95"), ("ttft_p95=fast", "slo.ttft_p95"),
     ("failures=200%", "slo.failures"), ("failures=1", "slo.failures"),
     ("failures_p95=1%", "slo.failures_p95"), ("ttft_p95=-1s", "slo.ttft_p95"),
     ("ttft_p90=1s", "slo.ttft_p90"), ("ttft_p95=0", "slo.ttft_p95")],
)  # fmt: skip
def test_bad_slos_are_refused_with_their_name(text, path):
    with pytest.raises(InputError) as refused:
        parse_slos(text)
    assert refused.value.path == path


def test_unknown_metric_names_the_nearest():
    with pytest.raises(UnknownName) as refused:
        parse_slos("ttftp95=2s")
    assert "ttft_p95" in refused.value.nearest


def test_lengths_default_and_refusal():
    workload = fixed_workload(None, None)
    assert (workload.input.tokens, workload.output.tokens) == (512, 128)
    with pytest.raises(InputError, match="output"):
        fixed_workload(None, 0)


def test_duration():
    assert parse_duration("2min") == 120.0
    assert parse_duration(None) is None
    with pytest.raises(InputError, match="duration"):
        parse_duration("0s")


@pytest.mark.parametrize("value", [0, -1, 1.5, "10", True, None])
def test_amounts_are_whole_numbers(value):
    if value is None:
        assert parse_amount(value, "requests", minimum=1) is None
        return
    with pytest.raises(InputError, match="requests: expected a whole number, at least 1"):
        parse_amount(value, "requests", minimum=1)


def test_a_level_has_one_extent():
    assert parse_extent(np.int64(5), None) == (5, None)
    assert parse_extent(None, "2min") == (None, 120.0)
    with pytest.raises(InputError, match="either --requests or --duration"):
        parse_extent(5, "2min")


@pytest.mark.parametrize("value", [0, -1.0, float("nan"), float("inf"), "2"])
def test_factors_are_finite_and_above_0(value):
    with pytest.raises(InputError, match="time_factor"):
        parse_factor(value, "time_factor")


@given(st.text(max_size=30))
def test_any_text_is_parsed_or_refused_in_one_line(text):
    for parse in (parse_users, parse_rates, parse_slos):
        try:
            parse(text)
        except InputError as refused:
            assert "\n" not in str(refused)
