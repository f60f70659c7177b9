"""One field under its several names."""

import pytest

from servemark.catalogue.fields import Fields
from servemark.errors import InputError


def test_other_names_and_defaults():
    fields = Fields({"n_embd": 8, "seq_length": 32, "n_inner": None}, path="c", defaults={
        "max_position_embeddings": 2048, "head_dim": 4,
    })  # fmt: skip
    assert fields.count("hidden_size") == 8
    assert fields.count("max_position_embeddings") == 32  # the config under another name, not the default
    assert fields.count("head_dim") == 4
    assert not fields.has("intermediate_size")
    assert fields.count("intermediate_size", 64) == 64


def test_a_whole_float_counts_and_a_truth_value_does_not():
    assert Fields({"a": 4.0}, path="c").count("a") == 4
    for value in (True, 4.5, "4", [], float("inf")):
        with pytest.raises(InputError, match="c: a: expected a whole number >= 1"):
            Fields({"a": value}, path="c").count("a")


def test_a_list_is_a_list():
    assert Fields({}, path="c").items("a") == []
    assert Fields({}, path="c").per_layer("a", 2) is None
    with pytest.raises(InputError, match="c: a: expected a list, found 3"):
        Fields({"a": 3}, path="c").items("a")
