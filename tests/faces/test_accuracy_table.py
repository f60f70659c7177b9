from io import StringIO

from rich.console import Console

from servemark.calibration.rows import COLUMNS, parse_rows
from servemark.domain.score import Accuracy, Contradiction, ErrorTable, Score, ScoredRow, Unpredicted
from servemark.faces.accuracy_table import accuracy_document, print_accuracy
from servemark.faces.documents import encode

ROWS = parse_rows(
    [",".join(COLUMNS) + "\n"]
    + [f"own,v1,H100,1,1,1,llama-3.1-8b,bf16,bf16,vllm,512,128,8,tpot_mean,ms,{v}\n" for v in (8, 9)],
    "own.csv",
)
SCORE = Score(metric="tpot_mean", group={"dtype": "bf16"}, n=1, n_unpredicted=1, mape_ratio=0.1,
              median_ape_ratio=0.1, bias_ratio=0.1, worst_ratio=0.1)  # fmt: skip
TABLE = ErrorTable(
    protocol="shipped", groups=(SCORE,), overall=(Score(metric="tpot_mean", n=1, n_unpredicted=1),)
)
ACCURACY = Accuracy(
    data="own.csv", rows=2, tables=(TABLE, TABLE), noise=(),
    contradictions=(Contradiction(rows=ROWS, spread_ratio=0.125),),
    unpredicted=(Unpredicted(row=ROWS[1], reason="unknown GPU"),),
    scored=(ScoredRow(row=ROWS[0], value=8.8, band=(8.0, 9.7)),),
)  # fmt: skip


def test_the_document_keeps_its_contract():
    document = accuracy_document(ACCURACY)
    assert document["schema"] == "servemark.accuracy/1"
    (group,) = document["groups"]
    assert group == {
        "metric": "tpot_mean", "regime": None, "gpu": None, "engine": None, "model": None, "dtype": "bf16",
        "n": 1, "n_unpredicted": 1, "mape": 0.1, "median_ape": 0.1, "bias": 0.1, "worst": 0.1, "coverage80": None,
    }  # fmt: skip
    assert document["overall"][0]["n_unpredicted"] == 1
    assert len(document["others"]) == 1
    assert document["unpredicted"][0]["line"] == 3
    assert document["unpredicted"][0]["reason"] == "unknown GPU"
    assert [row["line"] for row in document["ambiguous"][0]["rows"]] == [2, 3]
    assert document["predictions"][0]["predicted"] == 8.8
    assert encode(document).startswith('{"schema":"servemark.accuracy/1"')


def test_the_terminal_shows_the_same():
    console = Console(file=StringIO(), width=200)
    print_accuracy(ACCURACY, console)
    text = console.file.getvalue()
    assert "Errors on own.csv" in text
    assert "unknown GPU" in text
