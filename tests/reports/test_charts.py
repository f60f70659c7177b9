import pytest
from example_runs import (
    EXAMPLES,
    banded,
    closed_form,
    faster_gpu,
    measured,
    tiny_model,
    without_promises,
)
from msgspec.structs import replace
from syrupy.extensions.json import JSONSnapshotExtension

from servemark.reports.charts import interactivity_charts
from servemark.reports.palette import DARK
from servemark.reports.sections import compose
from servemark.reports.series import series_of


def drawn(*runs):
    return list(zip(runs, series_of(runs), strict=True))


def interactivity_chart(runs):
    (chart,) = interactivity_charts(runs)
    return chart


def charts(name):
    return [chart for section in compose(EXAMPLES[name]()).sections for chart in section.charts]


def rows(spec):
    return [row for layer in spec["layer"] for row in layer["data"]["values"]]


@pytest.mark.parametrize("name", ["both", "failures", "single-level"])
def test_specifications(name, snapshot):
    assert {c.key: c.spec for c in charts(name)} == snapshot.use_extension(JSONSnapshotExtension)


@pytest.mark.needs("vl_convert")
@pytest.mark.parametrize("name", sorted(EXAMPLES))
def test_every_specification_draws(name):
    import vl_convert

    for chart in charts(name):
        svg = vl_convert.vegalite_to_svg(chart.spec)
        assert svg.startswith("<svg") and "NaN" not in svg and "undefined" not in svg, chart.key


def test_interactivity_is_tokens_per_second_and_user_against_throughput_per_gpu():
    chart = interactivity_chart(drawn(closed_form()))
    first = next(row for row in rows(chart.spec) if "tip" in row)
    assert first["x"] == pytest.approx(1 / 0.0236, rel=1e-4)  # TPOT p50 of one user is 23.6 ms
    assert first["y"] == 42.1
    assert first["tip"] == "1 user: 42.4 tok/s per user, 42.1 tok/s per GPU"


def test_throughput_is_divided_by_the_gpus():
    one = closed_form()
    both = replace(one, deployment=replace(one.deployment, replicas=2))
    first = next(row for row in rows(interactivity_chart(drawn(both)).spec) if "tip" in row)
    assert first["y"] == pytest.approx(42.1 / 2)


def test_an_endpoint_borrows_the_gpus_of_the_deployment_it_joins():
    assert "per GPU" in str(interactivity_chart(drawn(closed_form(), measured())).spec)
    alone = interactivity_chart(drawn(measured()))
    assert "per GPU" not in str(alone.spec)
    assert "whole endpoint" in alone.caption


def test_the_promised_region_is_shaded_and_the_capacity_ringed():
    chart = interactivity_chart(drawn(closed_form()))
    region = next(layer for layer in chart.spec["layer"] if layer["mark"]["type"] == "rect")
    assert region["data"]["values"][0]["x"] == 20.0  # 1 / 50 ms
    ring = next(layer for layer in chart.spec["layer"] if layer["mark"].get("size") == 260)
    assert ring["data"]["values"] == [{"x": 30.303, "y": 462.0}]  # 16 users: 1 / 33.0 ms
    plain = interactivity_chart(drawn(without_promises()))
    assert not any(layer["mark"]["type"] == "rect" for layer in plain.spec["layer"])


def test_predicted_marks_are_hollow_and_measured_ones_filled():
    chart = interactivity_chart(drawn(closed_form(), measured()))
    marks = [layer["mark"] for layer in chart.spec["layer"] if layer["mark"].get("size") in (46, 69)]
    assert [(m["shape"], m["fill"] == m["stroke"]) for m in marks] == [("diamond", False), ("circle", True)]


def test_subjects_orders_of_magnitude_apart_go_on_charts_of_their_own():
    titles = [c.title for c in interactivity_charts(drawn(closed_form(), tiny_model(), measured()))]
    assert titles == [
        "Throughput against interactivity: Llama 3.1 8B",
        "Throughput against interactivity: servemark-tiny",
    ]
    assert len(interactivity_charts(drawn(closed_form(), faster_gpu()))) == 1


@pytest.mark.parametrize("name", sorted(EXAMPLES))
def test_every_colour_has_a_dark_counterpart(name):
    def colours(part):
        if isinstance(part, dict):
            for value in part.values():
                yield from colours(value)
        elif isinstance(part, list):
            for value in part:
                yield from colours(value)
        elif isinstance(part, str) and part.startswith("#"):
            yield part

    assert {colour for chart in charts(name) for colour in colours(chart.spec)} <= set(DARK)


def test_the_band_lies_between_the_slow_and_the_fast_curve():
    chart = interactivity_chart(drawn(banded(), measured()))
    (band,) = [layer for layer in chart.spec["layer"] if layer["mark"].get("fillOpacity")]
    outline = [(row["x"], row["y"]) for row in band["data"]["values"]]
    # 32 users: TPOT p50 45.9 ms x 1.2 gives 18.2 tok/s per user, / 1.1 gives 24.0; 652 tok/s / 1.1 and x 1.2
    assert outline[5] == (18.155, 592.73) and outline[6] == (23.965, 782.4)
    assert len(outline) == 12 and outline[0][1] < outline[-1][1]
    assert "80 % band" in chart.caption
    assert "80 % band" not in interactivity_chart(drawn(closed_form(), measured())).caption
