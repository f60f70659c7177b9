"""Price files: what is read, and what is refused with file, line and field."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from servemark.catalogue.price_rows import read_price_rows
from servemark.domain.offer import GpuPrice, Offer
from servemark.errors import InputError, UnknownName

HEADER = "provider,instance,gpu,gpus,price_usd_per_hour,usd_per_gpu_hour,purchase,observed,source"


def read(*rows, header=HEADER):
    return list(read_price_rows("\n".join([header, *rows]), path="mine.csv"))


def test_an_instance_and_a_gpu_are_different_things():
    offer, price = read(
        "aws,p5.48xlarge,h100-sxm,8,55.04,,on-demand,2026-11-09,rate card",
        "vast,,h100-sxm,,,2.4024,on-demand,2026-10-19,median of 4 offers",
    )
    assert isinstance(offer, Offer)
    assert (offer.price_usd_per_hour, offer.gpus) == (55.04, 8)
    assert isinstance(price, GpuPrice)
    assert price.usd_per_gpu_hour == 2.4024
    assert not hasattr(offer, "usd_per_gpu_hour")
    assert not hasattr(price, "price_usd_per_hour")


def test_what_is_missing_reads_unstated_usd_and_low():
    (offer,) = read("aws,p5.48xlarge,h100-sxm,8,55.04,,on-demand,undated,rate card")
    assert (offer.region, offer.currency, offer.confidence) == ("unstated", "USD", "low")
    assert (offer.vcpu, offer.ram_bytes, offer.dated) == (None, None, False)


def test_sold_by_the_gpu():
    header = "provider,instance,gpu,gpus,sold_in,vcpu,ram_gib,price_usd_per_hour,purchase,observed,source"
    one, eight = read("nebius,HGX,h100-sxm,1,1 8,16,200,4.5,on-demand,2026-10-24,list", header=header)
    assert (one.instance, one.gpus, one.price_usd_per_hour, one.note) == ("HGX", 1, 4.5, "")
    assert (eight.instance, eight.gpus, eight.price_usd_per_hour) == ("HGX x8", 8, 36.0)
    assert (eight.vcpu, eight.ram_bytes) == (128, 1600 * 1024**3)
    assert eight.note == "8 x the price of one GPU"


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("aws,p5,h100-sxm,8,,,on-demand,2026-11-09,x", "mine.csv:2: price_usd_per_hour: expected the price of the"),
        ("aws,p5,h100-sxm,8,55,6.9,on-demand,2026-11-09,x", "found both"),
        ("aws,p5,h100-sxm,8,-55,,on-demand,2026-11-09,x", "mine.csv:2: price_usd_per_hour: expected a number above 0"),
        ("aws,p5,h100-sxm,8,cheap,,on-demand,2026-11-09,x", "found 'cheap'"),
        ("aws,p5,h100-sxm,0,55,,on-demand,2026-11-09,x", "mine.csv:2: gpus: expected a number above 0"),
        ("aws,p5,h100-sxm,1.5,55,,on-demand,2026-11-09,x", "mine.csv:2: gpus"),
        ("aws,p5,h100-sxm,8,55,,on-demand,,x", "mine.csv:2: observed: expected a value, found nothing"),
        ("aws,p5,h100-sxm,8,55,,on-demand,last week,x", "mine.csv:2: observed: expected a day, a month, or undated"),
        ("aws,p5,h100-sxm,8,55,,on-demand,2026-13,x", "observed"),
        ("aws,p5,h100-sxm,8,55,,on demnd,2026-11-09,x", "nearest: on-demand"),
        ("aws,p5,h100-sxm,8,55,,on-demand,2026-11-09,", "mine.csv:2: source"),
    ],
)  # fmt: skip
def test_a_bad_row_is_named_by_file_line_and_field(row, message):
    with pytest.raises(InputError) as error:
        read(row)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_a_bad_header_is_named():
    with pytest.raises(UnknownName, match="nearest: price_usd_per_hour"):
        read(header=HEADER.replace("price_usd_per_hour", "price_per_hour"))
    with pytest.raises(InputError, match="a column observed"):
        read(header=HEADER.replace(",observed", ""))


def test_another_currency_is_refused():
    with pytest.raises(InputError, match=r"mine\.csv:2: currency: expected USD, found 'EUR'"):
        read("aws,p5,h100-sxm,8,55,,on-demand,2026-11-09,x,EUR", header=HEADER + ",currency")


@given(st.sampled_from(["2026-11-09", "2024-12", "undated", "undated >=2025-07", "undated <2026-10"]))
def test_every_form_of_a_date(observed):
    (offer,) = read(f"aws,p5,h100-sxm,8,55,,on-demand,{observed},x")
    assert offer.observed == observed
    assert offer.dated == (not observed.startswith("undated"))
