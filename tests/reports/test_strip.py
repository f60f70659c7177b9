from example_runs import (
    banded,
    closed_form,
    faster_gpu,
    measured_with_failures,
    single_level,
    without_promises,
)
from msgspec.structs import replace

from servemark.domain.workload import Slo, Users
from servemark.reports.page import Cell
from servemark.reports.series import series_of
from servemark.reports.strip import CROSSING, LOADS_PER_TABLE, verdict_section


def strip(*runs):
    return verdict_section(runs, series_of(runs))


def test_every_promise_has_a_mark_at_every_load():
    table = strip(measured_with_failures()).tables[0]
    assert [c.label for c in table.columns] == [
        "promise", "1 user", "2 users", "4 users", "8 users", "16 users", "32 users",
    ]  # fmt: skip
    ttft, tpot, failures = table.rows
    assert [c.mark for c in ttft[1:]] == ["undecided"] * 3 + ["holds"] * 3
    assert [c.mark for c in tpot[1:]] == ["undecided"] * 3 + ["holds", "holds", "breaks"]
    assert [c.mark for c in failures[1:]] == ["holds"] * 4 + ["breaks"] * 2
    assert tpot[6] == Cell(text="65.0 ms", detail="30 % over", mark="breaks")


def test_reasons_stand_below_and_loads_of_one_reason_share_a_line():
    assert strip(measured_with_failures()).tables[0].notes == (
        "1 user: 20 requests completed, 72 needed for p95.",
        "2 users: 40 requests completed, 72 needed for p95.",
        "4 users: 60 requests completed, 72 needed for p95.",
    )
    one = measured_with_failures()
    short = [replace(one.levels[0], load=Users(users=n)) for n in (1, 2, 4)]
    assert strip(replace(one, levels=(*short, *one.levels[3:]))).tables[0].notes == (
        "1, 2 and 4 users: 20 requests completed, 72 needed for p95.",
    )


def test_runs_share_the_load_axis_and_untried_loads_stay_empty():
    table = strip(closed_form(), faster_gpu()).tables[0]
    assert [c.label for c in table.columns][1:] == [
        f"{n} user{'s' * (n > 1)}" for n in (1, 2, 4, 8, 16, 32, 64, 128)
    ]
    assert [c.text for c in table.rows[2][1:3]] == ["–", "–"]
    assert [row[0].detail for row in table.rows] == [
        "1 x L40S, predicted",
        "",
        "1 x H100 SXM, predicted",
        "",
    ]


def test_kinds_of_load_do_not_mix():
    assert len(strip(closed_form(), single_level()).tables) == 2


def test_no_promises_no_strip():
    assert strip(without_promises()) is None


def test_many_loads_continue_in_a_second_table():
    one = closed_form()
    levels = tuple(replace(one.levels[0], load=Users(users=n)) for n in range(1, LOADS_PER_TABLE + 3))
    first, second = strip(replace(one, levels=levels)).tables
    assert (len(first.columns), len(second.columns)) == (LOADS_PER_TABLE + 1, 3)


def test_a_band_that_crosses_the_limit_stands_below_the_value():
    table = strip(banded()).tables[0]
    _, tpot = table.rows
    # TPOT p95 ≤ 50 ms: 40.1 x 1.2 = 48.1 keeps it; 57.8 / 1.1 = 52.5 breaks it; TTFT p95 ≤ 2 s always holds
    assert [cell.detail for cell in tpot[5:]] == ["20 % room", "16 % over"]
    assert table.notes == ()
    tight = Slo(metric="tpot_s", statistic="p95", limit=0.042)
    table = strip(banded(slos=(tight,))).tables[0]
    assert table.rows[0][5] == Cell(text="40.1 ms", detail="36.5–48.1 ms", mark="holds")
    assert table.notes == (CROSSING,)
