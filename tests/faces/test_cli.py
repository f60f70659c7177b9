"""The scripting contract, docs/scripting.md."""

import subprocess
import sys
from pathlib import Path

import pytest

from servemark.faces.cli import COMMANDS
from servemark.version import __version__

L40S = "llama-3.1-8b --gpu l40s"


def test_without_arguments_the_table_of_commands(servemark):
    ran = servemark("")
    assert ran.code == 0
    for name, (_, _, line) in COMMANDS.items():
        assert name in ran.out
        assert line in ran.out


def test_version(servemark):
    assert servemark("--version").out == f"servemark {__version__}\n"


@pytest.mark.parametrize("name", COMMANDS)
def test_every_verb_explains_itself(servemark, name):
    ran = servemark(f"{name} --help")
    assert ran.code == 0
    assert f"servemark {name}" in ran.out
    assert "Exit codes" in ran.out


def test_unknown_command(servemark):
    ran = servemark("predcit --json")
    assert ran.code == 2
    error = ran.document["error"]
    assert (error["path"], error["found"], error["nearest"]) == ("command", "'predcit'", ["predict"])
    assert ran.err.count("\n") == 1


@pytest.mark.parametrize(
    ("line", "path"),
    [
        ("fit llama-3.1-8c --gpu l40s", "model"),
        (f"fit {L40S}z", "gpu"),
        (f"fit {L40S} --gpuz 2", "--gpuz"),
        (f"fit {L40S} --tp two", "tp"),
        (f"fit {L40S} --tp", "tp"),
        (f"fit {L40S} extra", "arguments"),
        (f"fit {L40S} --set max_num_seq=2", "set.max_num_seq"),
        (f"fit {L40S} --input 200000", "input"),
        (f"fit {L40S} -o fit.html", "-o"),
        (f"fit {L40S} --tp 2.5", "tp"),
        (f"fit {L40S} --input 3.5", "input"),
        (f"predict {L40S} -o", "-o"),
        (f"predict {L40S} --slo ttft_p95=2s --traffic chat --require rag", "--require"),
        (f"simulate {L40S} --requests 3.5", "requests"),
        (f"simulate {L40S} --seed -1", "seed"),
        ("measure", "url"),
        ("measure http://127.0.0.1:9/v1 --requests 3 --duration 3s", "duration"),
        ("demo -o page.pdf", "output"),
        (f"twin {L40S} --time-factor -1", "time_factor"),
        (f"predict {L40S} --users -3", "users[0]"),
        (f"predict {L40S} --slo ttfx_p95=2s", "slo.ttfx_p95"),
        (f"predict {L40S} --users 1 --rate 2", "rate"),
        (f"predict {L40S} -o report.pdf", "output"),
        (f"predict {L40S} --users 1,2 --slo ttft_p95=2s --require 8", "--require"),
        (f"simulate {L40S} --trace missing.csv", "trace"),
        (f"simulate {L40S} --traffic azur", "traffic"),
        (f"simulate {L40S} --requests 5 --duration 3s", "duration"),
        ("gpus l40z", "gpus"),
        ("models --kind mo", "kind"),
        ("report 99", "run"),
        ("measure 127.0.0.1:9/v1", "url"),
    ],
)
def test_bad_input_is_one_line_and_one_object(servemark, line, path):
    ran = servemark(f"{line} --json")
    assert ran.code == 2, ran.err
    assert ran.document["schema"] == "servemark.error/1"
    assert ran.document["error"]["path"] == path
    assert set(ran.document["error"]) == {"path", "expected", "found", "nearest"}
    assert len(ran.err.splitlines()) == 1


def test_json_before_the_command_and_for_help_and_version(servemark):
    assert servemark(f"--json fit {L40S}").document["schema"] == "servemark.fit/1"
    assert "--gpus-per-replica" in servemark("fit --help --json").document["help"]
    assert servemark("--version --json").document["version"] == f"servemark {__version__}"
    assert servemark("--json").document["schema"] == "servemark.help/1"


def test_a_family_name_says_on_stderr_which_gpu_it_stands_for(servemark):
    ran = servemark("fit llama-3.1-8b --gpu H100 --json")
    assert ran.document["deployment"]["gpu"] == "h100-sxm"
    assert ran.err == "note: H100 names a family of GPUs: taken as h100-sxm\n"
    assert servemark("fit llama-3.1-8b --gpu h100-sxm --json").err == ""


def test_a_page_that_cannot_be_written_is_one_object_and_the_run_is_kept(servemark, tmp_path):
    (tmp_path / "taken.html").mkdir()
    ran = servemark(f"predict {L40S} --users 1 --json -o taken.html")
    assert (ran.code, ran.document["error"]["path"]) == (2, "output")
    assert servemark("runs --json").document["runs"][0]["number"] == 1
    assert "tok/s" in servemark(f"predict {L40S} --users 1 -o taken.html").out


@pytest.mark.parametrize("line", ["gpus --json", "gpus", "fit --json"])
def test_standard_output_that_cannot_be_written_is_said_in_words(line):
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "servemark", *line.split()],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
        )
    assert done.returncode == 1
    assert "No space left on device" in done.stderr
    assert "Traceback" not in done.stderr


def test_fit(servemark):
    document = servemark(f"fit {L40S} --json").document
    assert document["schema"] == "servemark.fit/1"
    assert document["fits"] is True
    assert document["missing_bytes"] is None
    memory = document["memory"]
    # 8,030,261,248 parameters of 2 bytes
    assert memory["weights_bytes"] == 2 * 8_030_261_248
    assert 190_000 <= memory["kv_tokens"] <= 202_000
    assert memory["kv_tokens"] == 16 * memory["kv_blocks"]
    # 0.9 of 45,486 MiB
    assert memory["reserved_bytes"] == pytest.approx(0.9 * 45_486 * 2**20, rel=1e-6)


def test_what_does_not_fit(servemark):
    ran = servemark("fit llama-3.1-70b --gpu l40s --gpus-per-replica 2 --json")
    assert ran.code == 3
    assert ran.document["fits"] is False
    assert ran.document["missing_bytes"] > 20 * 2**30
    ran = servemark("predict llama-3.1-70b --gpu l40s --gpus-per-replica 2 --json")
    assert ran.code == 3
    assert ran.document["error"]["path"] == "memory"
    assert ran.document["memory"]["fits"] is False


LEVEL_KEYS = {
    "requests_sent",
    "warmup_sent",
    "outcomes",
    "metrics",
    "output_tokens_per_s",
    "requests_per_s",
    "verdict",
}
OUTCOME_KEYS = {"complete", "truncated", "refused", "timed_out", "broken", "transport"}


@pytest.mark.parametrize("verb", ["predict", "simulate"])
def test_predicted_runs(servemark, verb):
    ran = servemark(f"{verb} {L40S} --users 1,8 --slo ttft_p95=2s,tpot_p95=50ms --json")
    assert ran.code == 0
    document = ran.document
    assert (document["schema"], document["origin"]) == ("servemark.run/1", "predicted")
    assert [level["users"] for level in document["levels"]] == [1, 8]
    for level in document["levels"]:
        assert set(level) >= LEVEL_KEYS
        assert set(level["outcomes"]) == OUTCOME_KEYS
        assert level["requests_sent"] == sum(level["outcomes"].values())
        for key in ("ttft_s", "itl_s", "tpot_s", "e2e_s"):
            metric = level["metrics"][key]
            assert 0 < metric["p50"] <= metric["p95"] <= metric["p99"]
        assert level["verdict"] == "holds"
    assert set(document["capacity"]) >= {"load", "binding", "margin"}
    assert document["capacity"]["load"] == 8
    assert document["capacity"]["binding"] in ("ttft_p95", "tpot_p95")


def test_a_broken_promise_at_every_level_is_exit_3(servemark):
    ran = servemark(f"predict {L40S} --users 1,8 --slo tpot_p95=1ms --json")
    assert ran.code == 3
    assert ran.document["capacity"]["load"] is None


def test_require(servemark):
    line = f"predict {L40S} --users 1,64 --slo tpot_p95=30ms --json"
    assert servemark(line).code == 0
    assert servemark(f"{line} --require 1").code == 0
    assert servemark(f"{line} --require 64").code == 3
    line = f"{L40S} --traffic chat --slo ttft_p95=2s --require chat --json"
    assert servemark(f"predict {line}").code == 0
    assert servemark(f"simulate {line} --requests 200").code == 0


def test_without_slo_no_verdict(servemark):
    document = servemark(f"predict {L40S} --users 1 --json").document
    assert document["levels"][0]["verdict"] is None
    assert document["capacity"]["load"] is None


def test_runs_are_kept_numbered_and_reported(servemark, tmp_path):
    servemark(f"predict {L40S} --users 1 --slo ttft_p95=2s --json")
    servemark(f"simulate {L40S} --users 1 --requests 80 --slo ttft_p95=2s --json")
    runs = servemark("runs --json").document["runs"]
    assert [run["number"] for run in runs] == [1, 2]
    ran = servemark("report 1 last -o page.md")
    assert ran.code == 0
    assert "Llama 3.1 8B" in (tmp_path / "page.md").read_text()
    document = servemark("report 1 2 --json").document
    assert len(document["runs"]) == len(document["answers"]) == 2


def test_the_same_seed_gives_the_same_run(servemark):
    line = f"simulate {L40S} --rate 2 --requests 200 --traffic chat --seed 7 --json"
    first, second = (servemark(line).document for _ in range(2))
    assert first["levels"] == second["levels"]


def test_catalogue_lists(servemark):
    gpus = servemark("gpus --json").document["gpus"]
    assert len(gpus) >= 31
    assert all(g["sources"]["*"]["text"] and g["sources"]["*"]["date"] for g in gpus)
    assert [g["key"] for g in servemark("gpus l40s --json").document["gpus"]] == ["l40s"]
    models = servemark("models --json").document["models"]
    assert len(models) >= 30
    assert all(m["source"] and m["date"] for m in models)


def test_terminal_output_begins_with_the_answer(servemark):
    ran = servemark(f"predict {L40S} --users 1,2 --slo ttft_p95=2s")
    assert "Llama 3.1 8B (bf16) on 1 x L40S carries" in ran.out.splitlines()[0]
    assert "kept as 0001-predicted" in ran.err


def test_lists_and_fits_read_on_a_pipe(servemark):
    out = servemark("gpus").out
    assert [line.split()[0] for line in out.splitlines()].count("l40s") == 1
    assert "° not compared with a second source" in out
    assert "2023-08°" in servemark("gpus l40s").out
    assert "llama-3.1-8b " in servemark("models").out
    assert servemark("runs").out == "no runs kept yet\n"
    first = servemark(f"fit {L40S}").out.splitlines()[0]
    assert first.startswith("Llama 3.1 8B (bf16) on 1 x L40S fits: the KV cache holds ")
    ran = servemark("fit llama-3.1-70b --gpu l40s")
    assert (ran.code, ran.out.splitlines()[0].rpartition(": ")[0]) == (
        3,
        "Llama 3.1 70B (bf16) on 1 x L40S does not fit",
    )
