import msgspec
from example_runs import (
    COEFFICIENTS,
    DEPLOYMENT,
    L40S,
    closed_form,
    measured,
    rows_of,
    simulated,
    tiny_model,
)
from msgspec.structs import replace

from servemark.domain.coefficients import Fitted
from servemark.domain.deployment import Parallelism
from servemark.domain.gpu import Node
from servemark.domain.workload import FixedLength, LognormalLength, QuantileLength
from servemark.reports.labels import length_label
from servemark.reports.method import COEFFICIENTS as WORDS
from servemark.reports.method import method_section
from servemark.reports.series import series_of


def facts(*runs):
    table = method_section(runs, series_of(runs)).tables[0]
    return {row[0].text: [cell.text for cell in row[1:]] for row in table.rows}


def test_what_is_needed_to_repeat_a_run():
    told = facts(simulated(), measured())
    assert told["method"] == ["predicted, simulation", "measured, load test"]
    assert told["seed"] == ["7", "7"]
    assert told["clock"] == ["simulated", "4 times real time; figures in its seconds"]
    assert told["warm-up"] == ["8 requests a level, not counted", "4 requests a level, not counted"]
    assert told["instrument lag"] == [
        "–", "at most 2.70 ms too long (p99), 1.60 ms of it the twin's; sent 800 µs late (p99)",
    ]  # fmt: skip
    assert told["steady window"] == ["45.0 s to 324 s a level", "60.0 s a level"]
    assert "vllm 0.15.1, max_num_seqs 256" in told["engine"][0]
    assert (
        told["made with"][0] == "Servemark 0.1.0, Python 3.11.2, Linux x86_64, 8 cores, load average 0.41"
    )


def test_a_formula_has_neither_seed_nor_clock():
    told = facts(closed_form())
    assert "seed" not in told and told["clock"] == ["none: no request is played"]


def test_coefficients_stand_once_with_error_and_source():
    runs = (closed_form(), simulated())
    table = method_section(runs, series_of(runs)).tables[2]
    assert [c.label for c in table.columns] == ["", "◇ ○ predicted, closed form"]
    assert ("share of peak bandwidth, weights", "80.0 % ± 3 %") in [
        tuple(c.text for c in r) for r in table.rows
    ]
    assert table.notes == (
        "l40s, bf16, vllm 0.15.1: fitted to 48 measured rows; measured performance table (2026-11).",
    )


def test_every_coefficient_has_its_words():
    fitted = {
        name for name, value in msgspec.structs.asdict(COEFFICIENTS).items() if isinstance(value, Fitted)
    }
    assert {name for name, _ in WORDS} == fitted


def test_the_error_beyond_the_coefficients_is_said():
    one = closed_form()
    known = replace(one.coefficients, residual_log_errors={"throughput": 0.08, "tpot": 0.09, "ttft": 0.15})
    runs = (replace(one, coefficients=known),)
    assert method_section(runs, series_of(runs)).tables[2].notes[0].endswith(
        "Standard error beyond that of the coefficients: throughput 8 %, TPOT 9 %, TTFT 15 %."
    )  # fmt: skip


def test_unverified_figures_of_the_gpu_are_named():
    runs = (closed_form(),)
    assert method_section(runs, series_of(runs)).text == (
        "L40S, unverified against a second source: L2 cache, launch; from NVIDIA L40S data sheet (2026-11)."
    )


def test_formulas_only_of_what_is_shown():
    runs = (closed_form(),)
    names = [row[0].text for row in method_section(runs, series_of(runs)).tables[1].rows]
    assert names == ["TTFT", "ITL", "TPOT", "E2E latency", "output throughput", "request throughput"]


def test_lengths():
    assert length_label(FixedLength(tokens=1000)) == "1,000"
    assert (
        length_label(LognormalLength(median_tokens=1020, sigma=0.8))
        == "log-normal, median 1,020 (sigma 0.8)"
    )
    knots = ((0.0, 8.0), (0.5, 1020.0), (1.0, 14050.0))
    assert length_label(QuantileLength(knots=knots)) == "8 to 14,050, median 1,020"


def test_questions_of_a_bank_are_said_as_such():
    one = rows_of(tiny_model(), 3)
    first, *rest = one.levels
    asked = tuple(replace(r, item=f"q{r.index % 2}", input_tokens=60 + r.index) for r in first.requests)
    told = facts(replace(one, levels=(replace(first, requests=asked), *rest)))
    assert told["requests"] == ["2 questions in turn, input 60 to 62 tokens, answers up to 300 tokens"]


def test_what_joins_the_gpus_of_a_replica():
    assert "GPUs joined by" not in facts(simulated())
    spread = replace(
        DEPLOYMENT, parallelism=Parallelism(tensor=4), node=Node(gpu=L40S, gpus=4, topology="pcie-numa")
    )
    told = facts(replace(closed_form(), deployment=spread))
    assert told["GPUs joined by"] == ["PCIe across two sockets, peer to peer, 32 GB/s each way"]
