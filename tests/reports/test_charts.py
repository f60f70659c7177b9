import pytest
from example_runs import (
    EXAMPLES,
    closed_form,
    faster_gpu,
    measured,
    single_level,
    tiny_model,
    without_promises,
)
from msgspec.structs import replace
from syrupy.extensions.json import JSONSnapshotExtension

from servemark.reports.charts import interactivity_chart, latency_charts
from servemark.reports.palette import DARK, MUTED
from servemark.reports.sections import compose
from servemark.reports.series import series_of


def drawn(*runs):
    return list(zip(runs, series_of(runs), strict=True))


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
    marks = [layer["mark"] for layer in chart.spec["layer"] if layer["mark"].get("size") == 46]
    assert [(m["shape"], m["fill"] == m["stroke"]) for m in marks] == [("diamond", False), ("circle", True)]


def test_predicted_and_measured_share_a_panel_and_another_subject_has_its_own():
    assert [c.title for c in latency_charts(drawn(closed_form(), measured()))] == ["TTFT", "TPOT"]
    titles = [c.title for c in latency_charts(drawn(closed_form(), measured(), tiny_model()))]
    assert titles == [
        "TTFT: Llama 3.1 8B",
        "TTFT: servemark-tiny",
        "TPOT: Llama 3.1 8B",
        "TPOT: servemark-tiny",
    ]


def test_panels_within_reach_of_each_other_share_their_axis():
    def tops(*runs):
        layers = [chart.spec["layer"] for chart in latency_charts(drawn(*runs))[:2]]
        lines = [next(each for each in parts if each["mark"]["type"] == "line") for parts in layers]
        return [line["encoding"]["y"]["scale"]["domain"][1] for line in lines]

    near = tops(closed_form(), faster_gpu())
    far = tops(closed_form(), tiny_model())
    assert near[0] == near[1] and far[0] > 5 * far[1]


def test_bands_stand_only_where_an_interval_exists():
    ttft, _ = latency_charts(drawn(measured()))
    bands = [layer for layer in ttft.spec["layer"] if layer["mark"]["type"] == "area"]
    assert len(bands) == 2  # p50 and p95; no level has the 368 requests of p99
    assert all(row["low"] < row["high"] for band in bands for row in band["data"]["values"])
    grey = [layer for layer in ttft.spec["layer"] if layer["mark"].get("stroke") == MUTED]
    tips = [row["tip"] for layer in grey for row in layer["data"]["values"]]
    assert len(tips) == 6 and all(tip.startswith("TTFT p99 at ") for tip in tips)


def test_a_single_level_has_bars_instead_of_bands():
    ttft, _ = latency_charts(drawn(single_level()))
    kinds = [layer["mark"]["type"] for layer in ttft.spec["layer"]]
    assert "rule" in kinds and "area" not in kinds


def test_a_limit_far_above_the_chart_is_said_instead_of_drawn():
    ttft, *_ = latency_charts(drawn(tiny_model()))
    assert ttft.caption == "Above the chart: TTFT p95 ≤ 2 s."


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
