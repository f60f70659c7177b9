from example_runs import (
    banded,
    closed_form,
    faster_gpu,
    measured,
    single_level,
    tiny_model,
)
from msgspec.structs import replace

from servemark.reports.latency import latency_charts, percentiles_shown
from servemark.reports.palette import MUTED
from servemark.reports.series import series_of


def drawn(*runs):
    return list(zip(runs, series_of(runs), strict=True))


def rows(spec):
    return [row for layer in spec["layer"] for row in layer["data"]["values"]]


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


def test_many_subjects_are_compared_by_their_p95_in_one_panel():
    one = closed_form()
    sizes = [replace(one, deployment=replace(one.deployment, replicas=n)) for n in (1, 2, 3, 4)]
    ttft, tpot = latency_charts(drawn(*sizes))
    assert (ttft.title, tpot.title) == ("TTFT p95", "TPOT p95")
    texts = [row["text"] for row in rows(ttft.spec) if "text" in row]
    assert [text for text in texts if "L40S" in text] == [f"◇ {n} x L40S" for n in (4, 3, 2, 1)]
    assert percentiles_shown(drawn(*sizes), (ttft, tpot)).startswith("p95 of every run")


def test_a_promise_stands_beside_its_line_clear_of_the_points():
    slow = replace(closed_form(), levels=closed_form().levels[-1:])  # 57.8 ms, just above 50 ms
    _, tpot = latency_charts(drawn(slow))
    label = next(row for row in rows(tpot.spec) if row.get("text") == "p95 ≤ 50 ms")
    assert 0 <= label["px"] <= 330 and 0 <= label["py"] <= 150


def test_equal_percentiles_are_labelled_from_the_top_down():
    ttft, _ = latency_charts(drawn(closed_form()))
    ends = sorted(
        (row["py"], row["text"]) for row in rows(ttft.spec) if row.get("text") in ("p50", "p95", "p99")
    )
    assert [text for _, text in ends] == ["p99", "p95", "p50"]


def test_the_band_of_a_prediction_is_that_of_its_p95():
    ttft, tpot = latency_charts(drawn(banded()))
    (band,) = [layer for layer in tpot.spec["layer"] if layer["mark"]["type"] == "area"]
    # 57.8 / 1.1 and x 1.2
    assert band["data"]["values"][-1] == {"x": 32.0, "low": 52.545, "high": 69.36}
    tips = [row["tip"] for row in rows(tpot.spec) if "tip" in row]
    assert "TPOT p95 at 32 users: 57.8 ms (80 % band: 52.5 to 69.4 ms)" in tips
    assert "TPOT p50 at 32 users: 45.9 ms" in tips
    said = {
        name: percentiles_shown(drawn(*runs), (ttft, tpot)).partition("dashed: p99.")[2]
        for name, runs in {
            "one": (banded(),),
            "both": (banded(), measured()),
            "old": (closed_form(),),
        }.items()
    }
    assert said == {
        "one": " Shaded: 80 % band of a predicted p95.",
        "both": " Shaded: 80 % band of a predicted p95 and 95 % intervals of measured values."
        " Points in grey have no 95 % interval.",
        "old": "",
    }


def test_an_interval_is_called_by_its_own_name():
    _, tpot = latency_charts(drawn(measured()))
    tips = [row["tip"] for row in rows(tpot.spec) if "(" in row.get("tip", "")]
    assert tips and all("(95 % interval: " in tip for tip in tips)
