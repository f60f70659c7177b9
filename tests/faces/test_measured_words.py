"""What `measure` says: progress, the table of items, a run as JSON."""

import io

import pytest
from rich.console import Console

from servemark.domain.workload import Users
from servemark.faces.live import LiveLine, describe
from servemark.faces.measured_words import PRESENTERS, print_power
from servemark.load.progress import Progress
from servemark.quality.power import PowerRow, PowerTable


def progress(**fields):
    known = {"elapsed_s": 2.0, "sent": 12, "ended": 10, "failed": 0, "in_flight": 2, "output_tokens": 100}
    return Progress(load=Users(users=8), requests=40, duration_s=None, **known, **fields)


def test_an_experiment_says_its_block_and_its_load():
    line = describe(progress(block=1, blocks=6))
    assert line == "block 2 of 6, 8 users: 10/40 ended, 2 in flight, 50.0 tok/s, 2.00 s"
    assert describe(progress()).startswith("8 users: 10/40 ended")


def test_in_a_pipe_each_visit_gets_one_line():
    said = io.StringIO()
    with LiveLine(Console(file=said)) as line:
        for level, block in ((0, 0), (0, 0), (1, 0), (0, 1)):
            line.show(level, progress(block=block, blocks=2))
    assert said.getvalue().splitlines() == [
        "measuring block 1 of 2, 8 users",
        "measuring block 1 of 2, 8 users",
        "measuring block 2 of 2, 8 users",
    ]


TABLE = PowerTable(
    margin_ratio=0.03,
    alpha=0.05,
    power_ratio=0.8,
    items=240,
    blocks=6,
    in_flight=32,
    rows=(
        PowerRow(question="does it break?", test="McNemar", items=1200, items_by_correlation={"0.2": 2000}),
        PowerRow(question="how much may it be?", test="binomial", power_ratio=0.5, bound_ratio=0.012),
    ),
    notes=("one-sided",),
)


def test_the_table_of_items():
    said = io.StringIO()
    print_power(TABLE, Console(file=said, width=140))
    text = said.getvalue()
    assert "1,200" in text and "2,000" in text and "at correlation 0.2" in text
    assert "with 240" in text and "power 50.0 %, 1.2 %" in text and "note: one-sided" in text


def test_the_table_is_one_object_and_exit_0(servemark):
    ran = servemark("measure --power --margin 5% --users 1,8 --json")
    said = ran.document
    assert (ran.code, said["schema"], said["in_flight"]) == (0, "servemark.power/1", 8)
    assert said["margin_ratio"] == 0.05
    assert said["rows"] and PRESENTERS["measure"].exit_code(TABLE, None) == 0


@pytest.mark.parametrize(
    ("line", "path"),
    [
        ("measure http://127.0.0.1:9/v1 --suite exam --duration 3s", "suite"),
        ("measure http://127.0.0.1:9/v1 --margin 3%", "margin"),
        ("measure http://127.0.0.1:9/v1 --slo useful=90%", "slo.useful"),
        ("measure http://127.0.0.1:9/v1 --suite nosuch", "suite"),
        ("measure http://127.0.0.1:9/v1 --suite exam --blocks 0", "blocks"),
        ("measure --suite exam", "url"),
    ],
)
def test_bad_input_is_refused_in_one_object(servemark, line, path):
    ran = servemark(line, "--json")
    assert (ran.code, ran.document["error"]["path"]) == (2, path)
