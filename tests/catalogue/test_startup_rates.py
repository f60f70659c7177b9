import msgspec

from servemark.catalogue.startup_rates import startup_rates
from servemark.domain.startup import StartupRate


def rates_in(value):
    if isinstance(value, StartupRate):
        yield value
    elif isinstance(value, dict):
        for each in value.values():
            yield from rates_in(each)
    elif isinstance(value, msgspec.Struct):
        for field in value.__struct_fields__:
            yield from rates_in(getattr(value, field))


def test_every_rate_lies_in_its_range_and_names_its_source():
    found = list(rates_in(startup_rates()))
    assert len(found) > 15
    for rate in found:
        assert rate.between[0] <= rate.value <= rate.between[1], rate
        assert rate.source, rate
        assert rate.date, rate
