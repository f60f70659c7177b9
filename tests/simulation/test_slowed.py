from hypothesis import given
from hypothesis import strategies as st
from workloads import LinearStep

from servemark.simulation.slowed import SlowedStep


@given(st.integers(1, 50), st.integers(0, 5000), st.integers(0, 300), st.sampled_from([0.5, 2.0, 3.0]))
def test_every_step_takes_the_factor_as_long(decodes, context, tokens, factor):
    step = LinearStep(base=1000, member=10, context=2, prefill=8, pair=2, kink=30, late=4)
    slowed = SlowedStep(step, factor)
    assert slowed.decode(decodes).at(context) == factor * step.decode(decodes).at(context)
    mixed = (decodes, context, tokens, 2 * tokens, 2)
    assert slowed.mixed(*mixed) == round(factor * step.mixed(*mixed))
