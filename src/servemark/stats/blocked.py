"""Intervals of latencies whose requests came in blocks: what shares a block shares its fate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from servemark.domain.metrics import QUANTILES
from servemark.domain.run import Distribution, RequestRecord
from servemark.stats.resampling import (
    block_weights,
    bootstrap_interval,
    quantile_replicates,
    ratio_interval_over_blocks,
)


def over_blocks(
    metrics: dict[str, Distribution],
    samples: Mapping[str, NDArray[np.float64]],
    requests: Sequence[RequestRecord],
) -> dict[str, Distribution]:
    """The metrics with 95 % intervals by a bootstrap of whole blocks, where there are several.

    Where the number of requests allows no interval there is none by blocks either.

    Args:
        metrics: by key.
        samples: one value per request, by key, NaN where it has none; other metrics stay as they are.
        requests: whose they are.
    """
    names = sorted({each.block for each in requests})
    if len(names) < 2:
        return metrics
    block = np.searchsorted(names, [each.block for each in requests])
    weights = block_weights(len(names), 0)
    found = dict(metrics)
    for key, values in samples.items():
        told = ~np.isnan(values)
        drawn, owners = values[told], block[told]
        counts = np.bincount(owners, minlength=len(names)).astype(np.float64)
        sums = np.bincount(owners, drawn, minlength=len(names)).astype(np.float64)
        intervals = {"mean": ratio_interval_over_blocks(sums, counts, weights)} | {
            name: bootstrap_interval(
                quantile_replicates(drawn, owners, q, weights), int((counts > 0).sum())
            )
            for name, q in QUANTILES.items()
        }
        before = metrics[key].ci
        kept = {name: intervals[name] if interval else None for name, interval in before.items()}
        found[key] = replace(metrics[key], ci=kept)
    return found
