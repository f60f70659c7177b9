"""Displays in a real IPython shell, on records predicted from the catalogue."""

import subprocess
import sys

import pytest

from servemark.catalogue.architectures import find_model
from servemark.catalogue.gpu_types import find_gpu
from servemark.domain.run import Provenance, Run
from servemark.domain.workload import Workload
from servemark.faces.notebook import card_html, card_text, register, register_if_notebook, run_text

RUN = Run(
    id="0001-measured", origin="measured", method="load test", title="a run", workload=Workload(),
    provenance=Provenance(servemark="0.1.0", started="2026-11-20T14:05:00+00:00", seed=7),
)  # fmt: skip


@pytest.fixture
def shell():
    from IPython.core.interactiveshell import InteractiveShell

    found = InteractiveShell.instance()
    register(found)
    yield found
    InteractiveShell.clear_instance()


@pytest.mark.needs("ipython")
def test_a_run_shows_its_report_in_a_frame_and_as_text(shell):
    shown, _ = shell.display_formatter.format(RUN)
    assert shown["text/html"].startswith('<iframe sandbox="allow-scripts allow-downloads"')
    assert "no level was finished" in shown["text/html"]
    assert shown["text/plain"] == run_text(RUN)


@pytest.mark.needs("ipython")
def test_records_and_lists_of_them_show_as_tables(shell):
    for shown in (
        find_gpu("l40s"),
        (find_gpu("l40s"), find_gpu("h100")),
        [find_model("llama-3.1-8b")],
        (RUN,),
    ):
        assert "<table>" in shell.display_formatter.format(shown)[0]["text/html"]


@pytest.mark.needs("ipython")
def test_what_the_verbs_return_shows_itself(shell, tmp_path):
    import servemark as sm

    run = sm.predict("llama-3.1-8b", gpu="l40s", users=[1, 8], slo="tpot_p95=50ms", runs=tmp_path)
    for value, words in (
        (run, "carries at least 8 users (80 % band"),
        (sm.report(run), "carries at least 8 users (80 % band"),
        (sm.fit("llama-3.1-8b", gpu="l40s"), "Llama 3.1 8B (bf16) on 1 x L40S"),
        (sm.gpus("l40s"), "L40S"),
        (sm.models(), "llama-3.1-8b"),
        (sm.runs(runs=tmp_path), "0001-predicted-llama-3.1-8b"),
    ):
        shown, _ = shell.display_formatter.format(value)
        assert words in " ".join(shown["text/plain"].split())
        assert words in shown["text/html"].replace("\u00a0", " ") and "Struct" not in shown["text/plain"]


@pytest.mark.needs("ipython")
def test_other_tuples_and_lists_are_left_to_ipython(shell):
    for value in ((1, 2), [], (find_gpu("l40s"), 1)):
        assert "text/html" not in shell.display_formatter.format(value)[0]
    assert shell.display_formatter.format((1, 2))[0]["text/plain"] == "(1, 2)"


def test_outside_a_notebook_nothing_is_registered():
    code = "import sys; from servemark.faces.notebook import register_if_notebook; print(register_if_notebook())"
    code += "; print('IPython' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]


@pytest.mark.needs("ipython")
def test_inside_a_shell_it_registers(shell):
    assert register_if_notebook() is True


def test_cards_are_tables_with_their_own_style():
    html = card_html((find_gpu("l40s"), find_gpu("h100-sxm")))
    assert html.startswith('<div class="servemark"><style>') and "L40S" in html and "H100" in html
    assert "46,068" in card_text(find_gpu("l40s"))
    assert card_html((1, 2)) is None
