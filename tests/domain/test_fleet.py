from msgspec.structs import replace

import servemark as sm
from servemark.domain.fleet import (
    DisaggregatedPools,
    MixedPools,
    SinglePool,
    SplitPools,
    fleet_deployments,
    fleet_gpus,
)

ONE = sm.fit("llama-3.1-8b", gpu="l40s").deployment
THREE = replace(ONE, replicas=3)


def test_the_deployments_of_every_kind_in_order():
    assert fleet_deployments(SinglePool(deployment=THREE)) == (THREE,)
    assert fleet_deployments(SplitPools(short=ONE, long=THREE, threshold_tokens=9)) == (ONE, THREE)
    apart = DisaggregatedPools(prefill=ONE, decode=THREE, transfer_bytes_per_s=1e9)
    assert fleet_deployments(apart) == (ONE, THREE)
    assert fleet_gpus(apart) == 4
    assert fleet_gpus(MixedPools(deployments=(ONE, THREE, THREE))) == 7
