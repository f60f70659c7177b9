"""Rows of a small measured table."""

import pytest

from servemark.calibration.rows import COLUMNS, parse_rows

CELLS = {
    "source": "own", "source_version": "v1", "gpu": "H100", "num_gpus": "1", "tp": "1", "pp": "1",
    "model": "llama-3.1-8b", "weight_dtype": "bf16", "kv_dtype": "bf16", "engine": "vllm", "isl": "1024",
    "osl": "256", "concurrency_or_batch": "8", "metric": "tpot_mean", "unit": "ms", "value": "9.5",
}  # fmt: skip


def table(*changes, columns=COLUMNS):
    """The text of a table whose rows differ from `CELLS` by `changes`."""
    rows = [{**CELLS, **change} for change in changes]
    return "\n".join([",".join(columns), *(",".join(row[c] for c in columns) for row in rows)]) + "\n"


@pytest.fixture
def make_rows():
    """Rows that differ from `CELLS` as told."""

    def make(*changes):
        return parse_rows(table(*changes).splitlines(keepends=True), "own.csv")

    return make
