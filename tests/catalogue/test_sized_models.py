"""Models of which only the size is known."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from servemark.catalogue.sized_models import is_size, sized_model
from servemark.errors import InputError


@pytest.mark.parametrize("size", ["125M", "350M", "1.3B", "7B", "20B", "50B", "175B", "1T"])
def test_exactly_so_many_parameters_in_usual_proportions(size):
    model = sized_model(size)
    number = float(size[:-1]) * {"M": 1e6, "B": 1e9, "T": 1e12}[size[-1]]
    assert model.params == number
    if number >= 1e9:
        assert 90 < model.hidden / model.layers < 250
        assert model.other_params < 0.001 * number
        assert 3 < model.groups[0].feedforward.intermediate / model.hidden < 5.5


@given(st.integers(100, 10_000_000))
def test_any_size(millions):
    assert sized_model(f"{millions}M").params == millions * 10**6


@pytest.mark.parametrize("name", ["50B", " 1.5b", "350M", "2T"])
def test_sizes(name):
    assert is_size(name)


@pytest.mark.parametrize("name", ["llama-3.1-8b", "8", "50 billion", "b", "-5B"])
def test_names_are_no_sizes(name):
    assert not is_size(name)


@pytest.mark.parametrize("size", ["1M", "99T"])
def test_impossible_sizes(size):
    with pytest.raises(InputError, match="100M to 10T"):
        sized_model(size)
