from servemark.calibration.rows import COLUMNS, parse_rows
from servemark.domain.score import (
    Accuracy,
    Contradiction,
    ErrorTable,
    NoiseFloor,
    Score,
    ScoredRow,
    Unpredicted,
)
from servemark.reports.errors import error_tables
from servemark.reports.markdown import markdown_table

ROWS = parse_rows(
    [",".join(COLUMNS) + "\n"]
    + [f"own,v1,H100,1,1,1,llama-3.1-8b,bf16,bf16,vllm,512,128,8,ttft_mean,ms,{v}\n" for v in (50, 60, 70)],
    "own.csv",
)
SCORE = Score(
    metric="ttft_mean", regime="below_saturation", n=1, n_unpredicted=2, mape_ratio=0.123, median_ape_ratio=0.1,
    bias_ratio=-0.05, worst_ratio=0.4, coverage80_ratio=0.8,
)  # fmt: skip
ACCURACY = Accuracy(
    data="own.csv",
    rows=3,
    tables=(
        ErrorTable(
            protocol="shipped",
            overall=(SCORE,),
            groups=(Score(metric="tpot_mean", group={"gpu": "H100"}, n=0, n_unpredicted=2),),
        ),
    ),
    noise=(NoiseFloor(metric="ttft_mean", pairs=9, p50_ratio=0.01, p90_ratio=0.063),),
    contradictions=(Contradiction(rows=ROWS[:2], spread_ratio=0.2),),
    unpredicted=tuple(Unpredicted(row=row, reason="unknown GPU") for row in ROWS[1:]),
    scored=(ScoredRow(row=ROWS[0], value=56.15),),
)


def text_of(table):
    return [[cell.text for cell in row] for row in table.rows]


def test_errors_stand_beside_the_noise():
    overall, groups, unpredicted, ambiguous = error_tables(ACCURACY)
    assert overall.title == "Errors on own.csv: the shipped coefficients"
    assert text_of(overall) == [
        ["ttft_mean, below saturation", "1", "2", "12.3", "10.0", "-5.0", "40.0", "80.0", "6.3"]
    ]
    assert [column.label for column in groups.columns][:3] == ["metric", "gpu", "rows"]
    assert text_of(groups) == [["tpot_mean", "H100", "0", "2", "–", "–", "–", "–", "–"]]
    assert text_of(unpredicted) == [["unknown GPU", "2", "3"]]
    assert text_of(ambiguous)[0][1:] == ["ttft_mean", "2, 3", "50, 60 ms", "20"]


def test_tables_without_rows_are_left_out():
    plain = Accuracy(
        data="own.csv", rows=1, noise=(), contradictions=(), unpredicted=(),
        tables=(ErrorTable(protocol="shipped", overall=(SCORE,), groups=(SCORE,)),),
    )  # fmt: skip
    (only,) = error_tables(plain)
    assert "| ttft\\_mean, below saturation | 1 |" in markdown_table(only)
