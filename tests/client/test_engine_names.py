"""The table of names agrees with the records and with the engines' sheets."""

import msgspec
import pytest

from servemark.catalogue.engine_defaults import engine_names, find_engine_sheet
from servemark.client.engine_names import ENGINES
from servemark.client.engine_samples import _KV_BLOCKS
from servemark.domain.engine_sample import EngineFacts, EngineSample

SAMPLE = {field.name for field in msgspec.structs.fields(EngineSample)} | {_KV_BLOCKS}
FACTS = {field.name for field in msgspec.structs.fields(EngineFacts)}


@pytest.mark.parametrize("engine", ENGINES, ids=lambda engine: engine.key)
def test_rows_fill_fields_that_are_there(engine):
    assert {row.field for row in engine.metrics} <= SAMPLE
    assert {row.field for row in engine.facts} <= FACTS
    assert engine.source and engine.date
    for row in (*engine.metrics, *engine.facts):
        assert all(name.startswith((engine.prefix, "process_", "nv_inference_")) for name in row.names)
        assert (row.reads in ("label", "counts")) == bool(row.by or row.word)


def test_every_sheet_with_metrics_has_its_names_here_under_the_same_prefix():
    sheets = {key: find_engine_sheet(key).metric_prefix for key in engine_names()}
    prefixes = {(engine.engine, engine.prefix) for engine in ENGINES}
    for key, prefix in sheets.items():
        assert not prefix or (key, prefix) in prefixes
    # TGI is read only: nothing is predicted for it
    assert {engine for engine, _ in prefixes} - {key for key, prefix in sheets.items() if prefix} == {"tgi"}
