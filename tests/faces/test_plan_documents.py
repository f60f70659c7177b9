import json
from io import StringIO

import pytest
from rich.console import Console

from servemark.api.plans import plan
from servemark.domain.plans import REASONS
from servemark.faces.plan_documents import plan_markdown, print_plan
from servemark.faces.plan_tables import finalists_table, losers_table, shown_alternatives
from servemark.planning.documents import plan_of_document

LINE = "plan llama-3.1-8b --users 40 --input 1500 --output 300 --slo ttft_p95=2s,tpot_p95=40ms --gpus l40s,h100"


@pytest.fixture(scope="module")
def found():
    return plan("llama-3.1-8b", users=40, input=1500, output=300, slo="ttft_p95=2s,tpot_p95=40ms",
                gpus="l40s,h100,gh200,t4")  # fmt: skip


def printed(plan, width):
    text = StringIO()
    print_plan(plan, Console(file=text, width=width, highlight=False, markup=False))
    return text.getvalue()


@pytest.mark.parametrize("width", [80, 120, 200])
def test_nothing_runs_over_the_edge(found, width):
    lines = printed(found, width).splitlines()
    assert max(map(len, lines)) <= width
    assert "carries up to" in " ".join(lines[:4])


def test_the_choice_leads_its_table(found):
    table = finalists_table(found, found.choice)
    assert table.rows[0][0].mark == "holds"
    assert len(table.rows) == 1 + len(shown_alternatives(found))
    keys = [(each.deployment.node.gpu.key, each.keeps_precision) for each in shown_alternatives(found)]
    assert len(set(keys)) == len(keys)
    assert any(note.startswith("Prices: ") for note in table.notes)
    assert any("gh200" in note for note in table.notes)


def test_every_loser_is_counted(found):
    table = losers_table(found)
    assert sum(int(row[1].text.replace(",", "")) for row in table.rows) == len(found.rejected)
    assert f"{found.candidates_evaluated:,} deployments looked at" in table.notes[0]


def test_markdown_for_forwarding(found):
    text = plan_markdown(found)
    assert text.startswith(f"**{found.choice.deployment.title}")
    assert "| deployment |" in text
    assert "\\$" in text


def test_the_command_prints_one_json_object(servemark):
    ran = servemark(f"{LINE} --json")
    assert ran.code == 0
    document = ran.document
    assert document["schema"] == "servemark.plan/1"
    counted = 1 + len(document["alternatives"]) + len(document["rejected"])
    assert document["candidates_evaluated"] == counted
    assert document["elapsed_s"] > 0
    assert {each["reason"] for each in document["rejected"]} <= set(REASONS)


def test_the_plan_is_kept_in_a_file(servemark, tmp_path):
    assert servemark(f"{LINE} --closed-form -o plan.json").code == 0
    kept = plan_of_document(json.loads((tmp_path / "plan.json").read_text()))
    assert kept.choice is not None
    assert servemark(f"{LINE} --closed-form -o plan.md").code == 0
    assert (tmp_path / "plan.md").read_text().startswith("**Llama 3.1 8B")


def test_nothing_holds_is_exit_code_3(servemark):
    ran = servemark("plan llama-3.3-70b --users 100 --gpus l40s --budget 100usd/month --closed-form")
    assert ran.code == 3
    assert "No deployment of Llama 3.3 70B" in ran.out
    assert "would hold with" in ran.out


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("plan llama-3.1-8b", "users: expected the peak, --users 100 or --rate 3/s"),
        ("plan llama-3.1-8b --users 10 --gpus l40z", "nearest: l40"),
        ("plan llama-3.1-8b --users 10 --budget 5000eur", "budget: expected an amount"),
        ("plan llama-3.1-8b --users 10 --bugdet 5", "nearest: --budget"),
        ("plan llama-3.1-8b --users 10 -o plan.txt", "-o: expected a file ending in .json or .md"),
        ("plan llama-3.1-8b --users 10 --trace missing.csv", "trace: expected an existing file"),
    ],
)
def test_bad_input_in_one_line(servemark, line, words):
    ran = servemark(line)
    assert ran.code == 2
    (said,) = ran.err.strip().splitlines()
    assert words in said
