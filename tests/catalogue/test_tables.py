"""Quantities written for people become fields in SI base units."""

import pytest

from servemark.catalogue.tables import in_si, read_table, table_names
from servemark.errors import InputError


def test_a_quantity_takes_its_unit_into_the_name():
    table = {"bandwidth": "864 GB/s", "dense": {"fp8": "733 TFLOPS"}, "name": "L40S"}
    assert in_si(table, {"bandwidth": "bytes_per_s", "dense": "flop_per_s"}, path="x") == {
        "bandwidth_bytes_per_s": 864e9,
        "dense_flop_per_s": {"fp8": 733e12},
        "name": "L40S",
    }


def test_a_wrong_unit_is_named_with_its_place():
    with pytest.raises(InputError, match=r"gpus/x\.toml\.tdp: expected a quantity such as 350W"):
        in_si({"tdp": "350 GB"}, {"tdp": "w"}, path="gpus/x.toml")


def test_tables_are_listed_by_name():
    assert "vllm" in table_names("engines")
    assert read_table("engines", "vllm")["name"] == "vLLM"
