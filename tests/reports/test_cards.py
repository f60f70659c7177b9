from example_runs import BUDGET, H100, L40S, LLAMA, closed_form, measured
from msgspec.structs import replace

from servemark.domain.capacity import Capacity
from servemark.domain.workload import Users
from servemark.reports.cards import entry_table, gpu_card, gpu_table, memory_table, model_table, run_table
from servemark.store.folders import RunEntry
from servemark.units import MIB


def texts(table):
    return [[cell.text for cell in row] for row in table.rows]


def test_memory():
    table = memory_table(BUDGET)
    assert texts(table)[0] == ["weights", "15,317", "34 %"]
    assert "KV cache: 194,960 tokens in 12,185 blocks, 128 KiB per token." in table.notes
    assert table.notes[-1] == BUDGET.sum
    short = replace(BUDGET, fits=False, missing_bytes=900.0 * MIB)
    assert "It does not fit: 900 MiB are missing per GPU." in memory_table(short).notes


def test_gpus_with_unchecked_figures_in_grey():
    table = gpu_table((L40S, H100))
    assert texts(table)[0] == ["L40S", "l40s", "48", "46,068", "45,486", "864", "362", "350",
                               "NVIDIA L40S data sheet (2026-11)"]  # fmt: skip
    assert table.notes == ()
    doubtful = replace(L40S, sources={**L40S.sources, "tdp_w": replace(L40S.sources["*"], checked=False)})
    table = gpu_table((doubtful,))
    assert [cell.text for cell in table.rows[0] if cell.faint] == ["350"]
    assert table.notes == ("In grey: the data sheet's word alone, checked against no second source.",)


def test_one_gpu_with_a_source_per_figure():
    table = gpu_card(H100)
    assert ["fp8, dense", "1,980 TFLOPS", "NVIDIA H100 data sheet (2026-11)"] in texts(table)
    assert ["GPU to GPU", "nvlink 4, 450 GB/s per direction", "NVIDIA H100 data sheet (2026-11)"] in texts(
        table
    )
    assert gpu_card(L40S).notes == ("Unverified: L2 cache, launch.",)


def test_models():
    assert texts(model_table((LLAMA,)))[0][:6] == [
        "Llama 3.1 8B",
        "llama-3.1-8b",
        "8.03",
        "7.50",
        "32",
        "131,072",
    ]


def test_runs():
    rows = texts(run_table((closed_form(), measured())))
    assert [row[1] for row in rows] == ["predicted, closed form", "measured, load test"]
    assert "carries 16 users" in rows[0][3]


def test_kept_runs_show_when_they_began_and_what_they_carry():
    kept = RunEntry(
        number=3, id="0003-measured-x", path="", title="x", started="2026-11-20T14:05:09.123+00:00",
        capacity=Capacity(load=Users(users=8)),
    )  # fmt: skip
    broken = RunEntry(number=4, id="0004-x", path="", problem="not JSON")
    assert texts(entry_table((kept, broken))) == [
        ["3", "0003-measured-x", "2026-11-20 14:05", "x", "8 users"],
        ["4", "0004-x", "–", "–", "not JSON"],
    ]
