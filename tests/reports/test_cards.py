from io import StringIO

import pytest
from example_runs import BUDGET, DEPLOYMENT, H100, L40S, LLAMA, closed_form, measured
from msgspec.structs import replace
from rich.console import Console

from servemark.domain.capacity import Capacity
from servemark.domain.deployment import Deployment, Parallelism
from servemark.domain.gpu import NUMERIC_FIELDS, Link, Node
from servemark.domain.memory import Fit
from servemark.domain.workload import Users
from servemark.reports.cards import (
    GPU_COLUMNS,
    entry_table,
    fit_table,
    gpu_card,
    gpu_table,
    memory_table,
    model_table,
    run_table,
)
from servemark.reports.html import table_html
from servemark.reports.markdown import markdown_table
from servemark.reports.terminal import print_table
from servemark.store.folders import RunEntry
from servemark.units import GB, MIB

DOUBT = replace(L40S.sources["*"], checked=False)
DOUBTFUL = replace(L40S, sources={**L40S.sources, "tdp_w": DOUBT, "memory_usable_bytes": DOUBT})
NOTE = "° not compared with a second source: the data sheet's word alone, or an estimate."
SHORT = replace(
    BUDGET, fits=False, missing_bytes=900.0 * MIB, kv_pool_bytes=-900.0 * MIB, kv_blocks=0, kv_tokens=0,
    sum="40,000 MiB weights + 1,837 MiB activations, against 40,937 MiB: 900 MiB missing",
)  # fmt: skip


def texts(table):
    return [[cell.text for cell in row] for row in table.rows]


def printed(table, width):
    text = StringIO()
    print_table(table, Console(file=text, width=width))
    return text.getvalue()


def fit_of(budget, gpu=L40S, sequence_tokens=640) -> Fit:
    node = replace(DEPLOYMENT.node, gpu=gpu)
    deployment: Deployment = replace(DEPLOYMENT, node=node)
    return Fit(deployment=deployment, memory=budget, sequence_tokens=sequence_tokens)


def test_memory():
    table = memory_table(BUDGET)
    assert texts(table) == [
        ["weights", "15,317", "33.7 %"],
        ["activations (peak)", "1,250", "2.7 %"],
        ["KV pool", "24,370", "53.6 %"],
        # 15,317 + 1,250 + 24,370
        ["reserved before any user comes", "40,937", "90.0 %"],
        ["CUDA graphs", "620", "1.4 %"],
        ["runtime and context", "480", "1.1 %"],
        # 40,937 + 620 + 480
        ["nvidia-smi then reports, of 46,068 MiB", "42,037", "92.4 %"],
        ["needed for one sequence", "17,667", "38.8 %"],
    ]
    assert table.columns[2].unit == "45,486 MiB"
    assert table.notes == ("KV cache: 128 KiB per token, 12,185 blocks of 16 tokens.",)
    assert memory_table(SHORT).title == f"It does not fit: 900 MiB missing on each GPU.\n{SHORT.sum}"


def test_what_fits():
    table = fit_table(fit_of(BUDGET))
    # 194,960 // 640 = 304
    assert table.title == (
        f"{DEPLOYMENT.title} fits: the KV cache holds 194,960 tokens, 304 sequences of 640 at once."
    )
    setting = "The reservation is a setting (gpu_memory_utilization 0.9), not what the model needs."
    assert table.notes[1:] == (setting,)
    assert "304 sequences" in fit_table(fit_of(BUDGET)).title
    assert "1 sequence of 131,072 at once" in fit_table(fit_of(BUDGET, sequence_tokens=131072)).title


def test_what_does_not_fit_says_what_is_missing_and_the_sum_that_failed():
    table = fit_table(fit_of(SHORT))
    first, second = table.title.split("\n")
    assert first == f"{DEPLOYMENT.title} does not fit: 900 MiB missing on each GPU."
    assert second == SHORT.sum
    # an engine that never starts reserves nothing
    assert not any("reserved" in row[0] or "reports" in row[0] for row in texts(table))
    assert table.notes == ()


def test_a_model_without_kv_cache():
    encoder = replace(BUDGET, kv_blocks=0, kv_tokens=0, kv_pool_bytes=0.0)
    table = fit_table(fit_of(encoder))
    assert table.title == f"{DEPLOYMENT.title} fits: each GPU needs 17,667 MiB, and no KV cache is kept."
    assert table.notes == ()


def test_an_unverified_total_is_marked_and_named():
    table = fit_table(fit_of(BUDGET, DOUBTFUL))
    assert table.columns[2].unit == "45,486 MiB°"
    assert texts(table)[6][0] == "nvidia-smi then reports, of 46,068 MiB"
    assert table.notes[-1] == "° The CUDA total of L40S is not verified: NVIDIA L40S data sheet."


def test_gpus_with_a_mark_behind_unchecked_figures():
    table = gpu_table((L40S, H100))
    assert texts(table)[0] == [
        "l40s", "L40S", "48", "46,068", "45,486", "864", "362", "733", "350", "–", "32", "8.9", "2023-08°",
        "2026-11", "NVIDIA L40S data sheet",
    ]  # fmt: skip
    assert texts(table)[1][9:11] == ["450", "32"]
    count = "2 GPUs. One of them figure by figure: servemark gpus KEY"
    assert table.notes == (NOTE, count)
    assert gpu_table((H100, H100)).notes == (count,)
    marked = [cell.text for cell in gpu_table((DOUBTFUL, H100)).rows[0] if cell.faint]
    assert marked == ["45,486°", "350°", "2023-08°"]
    assert gpu_table(()).notes == ("0 GPUs.",)


def test_the_mark_stands_in_every_rendering():
    table = gpu_table((DOUBTFUL, H100))
    for rendered in (printed(table, 200), markdown_table(table), table_html(table)):
        assert "350°" in rendered
        assert "700" in rendered and "700°" not in rendered
        assert "not compared with a second source" in rendered


def test_one_gpu_figure_by_figure():
    assert gpu_table((L40S,)) == gpu_card(L40S)
    rows = texts(gpu_card(H100))
    assert ["fp8, dense", "1,980 TFLOPS", "yes", "NVIDIA H100 data sheet, 2026-11"] in rows
    link = "nvlink 4, 450 GB/s per direction, up to 8 GPUs"
    assert ["GPU link", link, "yes", "NVIDIA H100 data sheet, 2026-11"] in rows
    table = gpu_card(replace(L40S, notes=("passively cooled",)))
    assert table.title == "L40S (l40s)"
    assert ["L2 cache", "96 MiB°", "not verified", "NVIDIA L40S data sheet, 2026-11"] in texts(table)
    assert ["GPU link", "none", "yes", "NVIDIA L40S data sheet, 2026-11"] in texts(table)
    assert table.notes == (
        "Ada, PCIe, data-centre, with a graphics pipeline.",
        "Also known as: NVIDIA L40S.",
        "A group of it is joined by pcie-switch, pcie-numa or host (--topology); pcie-switch is assumed.",
        "Note: passively cooled",
        NOTE,
    )
    assert NOTE not in gpu_card(H100).notes


def test_a_bridge_that_is_bought_apart_says_so():
    bridge = Link(kind="nvlink-bridge", bandwidth_bytes_per_s=56 * GB, spans_gpus=2, optional=True)
    values = [row[1] for row in texts(gpu_card(replace(L40S, link=bridge)))]
    assert "nvlink-bridge (optional), 56 GB/s per direction, up to 2 GPUs" in values


def test_every_figure_that_can_be_unverified_is_on_the_card_and_marked():
    card = gpu_card(replace(L40S, sources={"*": DOUBT}))
    assert all(row[2].text == "not verified" and row[1].faint for row in card.rows)
    # two dtypes stand for one field
    assert len(card.rows) == len(NUMERIC_FIELDS) + 1
    assert {field for _, _, _, field, _ in GPU_COLUMNS} < set(NUMERIC_FIELDS)


@pytest.mark.parametrize("width", [80, 100, 200])
def test_lists_are_never_cut_nor_a_key_broken(width):
    for table in (
        gpu_table((L40S, H100)),
        gpu_card(H100),
        model_table((LLAMA,)),
        entry_table((KEPT, BROKEN)),
        fit_table(fit_of(BUDGET)),
    ):
        lines = printed(table, width).splitlines()
        assert "…" not in "".join(lines)
        assert max(map(len, lines)) <= width
        # wherever the columns continue, each row is headed again
        first = table.rows[0][0].text
        assert sum(line.startswith(first) for line in lines) == sum("──" in line for line in lines)


def test_gpus_on_one_line_each_when_piped():
    lines = printed(gpu_table((L40S, H100)), 200).splitlines()
    assert [line.split()[0] for line in lines[4:6]] == ["l40s", "h100-sxm"]
    assert len(lines) == 3 + 1 + 2 + 2


def test_models():
    assert texts(model_table((LLAMA,))) == [[
        "llama-3.1-8b", "Llama 3.1 8B", "8.030", "–", "7.50", "32", "4,096", "gqa", "dense", "131,072",
        "bf16", "config.json of the checkpoint", "2024-07",
    ]]  # fmt: skip
    table = model_table((replace(LLAMA, published_params=8.03e9),))
    assert texts(table)[0][3] == "8.030"
    assert table.notes[0].startswith(
        "1 model. Parameters computed: from the architecture, all of the checkpoint"
    )


def test_runs():
    rows = texts(run_table((closed_form(), measured())))
    assert [row[1] for row in rows] == ["predicted, closed form", "measured, load test"]
    assert "carries 16 users" in rows[0][3]


KEPT = RunEntry(
    number=3, id="0003-measured-x", path="", title="x", origin="measured", method="load test", levels=2,
    started="2026-11-20T14:05:09.123+00:00", finished=True, capacity=Capacity(load=Users(users=8)),
)  # fmt: skip
BROKEN = RunEntry(number=4, id="0004-x", path="", problem="not JSON")


def test_kept_runs_show_when_they_began_and_what_they_carry():
    row = ["0003-measured-x", "measured", "load test", "x", "2", "8 users", "2026-11-20 14:05", "yes"]
    assert texts(entry_table((KEPT,))) == [row]
    table = entry_table((KEPT, BROKEN))
    assert [column.label for column in table.columns][-2:] == ["finished", "problem"]
    assert texts(table) == [
        [*row, "–"],
        ["0004-x", "–", "–", "–", "0", "–", "–", "no", "not JSON"],
    ]


def test_a_kept_prediction_shows_the_band_of_its_capacity():
    predicted = replace(KEPT, capacity=Capacity(load=Users(users=8), band=(6.0, 1200.0)))
    table = entry_table((predicted, KEPT))
    assert [row[5] for row in texts(table)] == ["8 users (6 to 1200)", "8 users"]
    assert table.notes == ("In brackets the 80 % band of a predicted capacity.",)


def test_no_runs():
    assert printed(entry_table(()), 80) == "no runs kept yet\n"


def test_what_joins_the_gpus_is_said_with_the_budget():
    def last_note(topology):
        fit = fit_of(BUDGET)
        spread = replace(
            fit.deployment,
            parallelism=Parallelism(tensor=2),
            node=Node(gpu=L40S, gpus=2, topology=topology),
        )
        return fit_table(replace(fit, deployment=spread)).notes[-1]

    words = "The GPUs of a replica are joined by PCIe"
    assert last_note(None) == (
        f"{words} under one switch, peer to peer, 32 GB/s each way; assumed, --topology says otherwise."
    )
    assert last_note("host") == f"{words} through host memory, 32 GB/s each way."
