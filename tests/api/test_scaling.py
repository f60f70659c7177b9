import pytest

from servemark.api.scaling import parse_policy, policy_text
from servemark.domain.elasticity import ScalingPolicy
from servemark.errors import InputError


def parse(text):
    return parse_policy(text, estimate_s=400.0)


def policy(signal, threshold, minimum, maximum, cold_start_s=400.0, **others):
    bounds = {"minimum": minimum, "maximum": maximum, "cold_start_s": cold_start_s}
    return ScalingPolicy(signal=signal, threshold=threshold, **bounds, **others)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("queue>4:1..6", policy("queue", 4.0, 1, 6)),
        ("queue>4:1..6,cold=90s", policy("queue", 4.0, 1, 6, 90.0)),
        ("load>0.7:2..8,cold=cold-start-estimate", policy("load", 0.7, 2, 8)),
        ("load > 24 : 2 .. 8 , cold=estimate, idle=10min, every=30s",
         policy("load", 24.0, 2, 8, idle_s=600.0, interval_s=30.0)),
        ("load>24:3..3,cold=0s", policy("load", 24.0, 3, 3, 0.0)),
    ],
)  # fmt: skip
def test_policies(text, expected):
    assert parse(text) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("often", "expected SIGNAL>THRESHOLD"),
        ("queue>4", "SIGNAL>THRESHOLD"),
        ("queu>4:1..6", "nearest: queue"),
        ("queue>4:6..1", "autoscale"),
        ("queue>4:0..6", "at least 1 replica"),
        ("queue>0:1..6", "above 0"),
        ("queue>.:1..6", "autoscale.threshold"),
        ("queue>4:1..6,cold=soon", "autoscale.cold: expected a quantity"),
        ("queue>4:1..6,cool=9s", "nearest: cold"),
        ("queue>4:1..6,cold", "cold="),
    ],
)
def test_what_is_no_policy_is_refused_in_one_line(text, message):
    with pytest.raises(InputError) as error:
        parse(text)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_back_to_text():
    assert policy_text(parse("queue>4:1..6,cold=90s")) == "queue>4:1..6,cold=90s"
