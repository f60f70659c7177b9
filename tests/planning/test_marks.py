from plan_questions import offer

from servemark.api.deployments import build_deployment
from servemark.domain.bill import Bill
from servemark.planning.marks import marks_of


def bill(**more):
    return Bill(offer=offer("l40s", 1.0, **more), instances=1, gpus_used=1)


def test_nothing_to_say():
    assert marks_of(build_deployment("llama-3.1-8b", {"gpu": "l40s"}), bill(), ()) == ()


def test_prices():
    deployment = build_deployment("llama-3.1-8b", {"gpu": "l40s"})
    assert marks_of(deployment, None, ()) == ("no price",)
    assert marks_of(deployment, bill(observed="undated"), ()) == ("price undated",)


def test_cards_formats_and_ranges():
    deployment = build_deployment("llama-3.1-8b", {"gpu": "rtx-4090", "dtype": "fp8"})
    marks = marks_of(deployment, bill(), ("256 sequences, 64 at most were measured",))
    assert marks == (
        "fp8: answers may change a little",
        "consumer card: its driver licence excludes data centres",
        "beyond the measured range: 256 sequences, 64 at most were measured",
    )
