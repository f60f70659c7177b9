"""An autoscaling policy as people write it: `queue>4:1..6,cold=90s`."""

from __future__ import annotations

import re
from typing import Any, Final, cast

from servemark.domain.elasticity import ScalingPolicy
from servemark.errors import InputError, UnknownName
from servemark.simulation.autoscaling import require_policy
from servemark.units import parse

_POLICY: Final = re.compile(r"^\s*([a-z]+)\s*>\s*([\d.]+)\s*:\s*(\d+)\s*\.\.\s*(\d+)\s*(.*)$")
_EXPECTED: Final = "SIGNAL>THRESHOLD:LEAST..MOST[,cold=90s][,idle=5min][,every=15s], e.g. queue>4:1..6"
SIGNALS: Final = ("queue", "load")
ESTIMATE: Final = ("estimate", "cold-start-estimate")
_TIMES: Final = {"cold": "cold_start_s", "idle": "idle_s", "every": "interval_s"}


def parse_policy(text: str, *, estimate_s: float) -> ScalingPolicy:
    """The policy of a text.

    `queue>4`: 4 waiting requests per replica; `load>24`: 24 requests in flight per replica; `load>0.7`: 70 %
    of `max_num_seqs`. `1..6`: at least one replica, at most six. `cold`: time from wanting a replica to its
    first request, `estimate` (the default) for the physics'. `idle`: how long less must have been enough
    before replicas go. `every`: how often it looks.

    Args:
        text: the policy.
        estimate_s: the physics' cold start.

    Raises:
        InputError: not of that form, an unknown signal or setting, or impossible numbers.
    """
    found = _POLICY.match(text)
    if found is None:
        raise InputError("autoscale", expected=_EXPECTED, found=repr(text))
    signal, threshold, least, most, rest = found.groups()
    if signal not in SIGNALS:
        raise UnknownName("autoscale", kind="queue or load", name=signal, known=SIGNALS)
    settings: dict[str, Any] = {"cold_start_s": estimate_s}
    for part in filter(None, (each.strip() for each in rest.split(","))):
        key, equals, value = (each.strip() for each in part.partition("="))
        if key not in _TIMES or not equals:
            raise UnknownName("autoscale", kind="cold=, idle= or every=", name=part, known=_TIMES)
        if key == "cold" and value in ESTIMATE:
            continue
        settings[_TIMES[key]] = parse(value, "s", path=f"autoscale.{key}")
    policy = ScalingPolicy(
        signal=cast("Any", signal),
        threshold=parse(threshold, "tokens", path="autoscale.threshold"),
        minimum=int(least),
        maximum=int(most),
        **settings,
    )
    require_policy(policy)
    return policy


def policy_text(policy: ScalingPolicy) -> str:
    """`queue>4:1..6,cold=90s`."""
    return (
        f"{policy.signal}>{policy.threshold:g}:{policy.minimum}..{policy.maximum},"
        f"cold={policy.cold_start_s:.0f}s"
    )
