from example_runs import BUDGET, H100_BUDGET, measured, measured_with_failures
from msgspec.structs import replace

from servemark.reports.bars import failure_charts, memory_chart, memory_charts, memory_parts
from servemark.reports.series import series_of
from servemark.units import MIB


def bars(spec):
    return next(layer for layer in spec["layer"] if layer["mark"]["type"] == "bar")["data"]["values"]


def test_the_parts_add_up_to_what_cuda_offers():
    parts = dict(memory_parts(BUDGET))
    # 45,486 - 15,317 - 24,370 - 1,250 - 620 - 480 = 3,449 MiB
    assert parts["free"] == 3449 * MIB
    assert sum(parts.values()) == 45486 * MIB


def test_each_part_starts_where_the_last_one_ended():
    rows = bars(memory_chart(BUDGET).spec)
    assert [row["part"] for row in rows] == [
        "weights",
        "KV cache",
        "activations",
        "CUDA graphs",
        "runtime",
        "free",
    ]
    assert [row["start"] for row in rows[1:]] == [row["end"] for row in rows[:-1]]


def test_the_caption_tells_what_the_numbers_mean():
    assert memory_chart(BUDGET).caption == (
        "The KV cache holds 194,960 tokens in 12,185 blocks. "
        "Before any user comes, nvidia-smi shows 42,037 MiB of 46,068 MiB as used."
    )


def test_what_does_not_fit_shows_what_is_missing():
    short = replace(BUDGET, fits=False, kv_pool_bytes=-900.0 * MIB, missing_bytes=900.0 * MIB)
    assert memory_parts(short)[-1] == ("missing", 900.0 * MIB)
    assert "900 MiB are missing" in memory_chart(short).caption


def test_several_budgets_share_an_axis_one_row_each():
    (chart,) = memory_charts([("1 x L40S", BUDGET), ("1 x H100 SXM", H100_BUDGET)])
    ends = [row["end"] for row in bars(chart.spec) if row["subject"] == "1 x H100 SXM"]
    assert ends[-1] == 79.179  # 81,079 MiB, all that CUDA offers
    texts = [
        row["text"] for layer in chart.spec["layer"] for row in layer["data"]["values"] if "text" in row
    ]
    assert texts[-2:] == ["194,960 tokens", "451,232 tokens"]
    assert "1 x H100 SXM: weights 15,317 MiB; KV cache 56,404 MiB" in chart.text


def test_a_budget_that_does_not_fit_says_so_in_its_row():
    short = replace(BUDGET, fits=False, kv_pool_bytes=-900.0 * MIB, missing_bytes=900.0 * MIB)
    (chart,) = memory_charts([("a", BUDGET), ("b", short)])
    texts = [
        row["text"] for layer in chart.spec["layer"] for row in layer["data"]["values"] if "text" in row
    ]
    assert texts[-1] == "900 MiB missing"


def test_shares_of_failures_end_at_a_hundred_percent():
    one = measured_with_failures()
    last = replace(one.levels[-1], outcomes={"refused": 320})
    runs = (replace(one, levels=(*one.levels[:-1], last)),)
    (chart,) = failure_charts(list(zip(runs, series_of(runs), strict=True)))
    layer = next(layer for layer in chart.spec["layer"] if layer["mark"]["type"] == "bar")
    assert layer["encoding"]["x"]["scale"]["domain"] == [0.0, 100.0]


def test_failures_are_stacked_shares_of_what_was_sent():
    runs = (measured_with_failures(),)
    (chart,) = failure_charts(list(zip(runs, series_of(runs), strict=True)))
    rows = [row for row in bars(chart.spec) if row["level"] == "16 users"]
    # 2 truncated and 8 refused of 240: 0.833 %, then up to 4.167 %
    assert [(row["start"], row["end"]) for row in rows] == [(0.0, 0.833), (0.833, 4.167)]
    assert "16 users: 2 truncated, 8 refused of 240" in chart.text
    assert chart.text.startswith("1 user: none of 20; ")


def test_no_failure_no_chart():
    runs = (measured(),)
    assert failure_charts(list(zip(runs, series_of(runs), strict=True))) == ()
