"""A small version of benchmarks/null_experiments.py: the verdict does not cry wolf, and it sees."""

import importlib.util
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from servemark.domain.quality import FAMILIES
from servemark.stats.percentiles import ratio_interval

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "null_experiments.py"


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location("null_experiments", SCRIPT)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_no_effect_is_rarely_called_harm(script):
    """Correlated batches, drift, and a promise exactly at the true p95."""
    truth = script.NULLS["0.2, with drift"]
    found = script.run(replace(truth, promised_s=script.p95_s(truth)), 60)
    truth = script.NULLS["0"]
    found += script.run(replace(truth, promised_s=script.p95_s(truth)), 40)
    for family in FAMILIES:
        harmed = sum(each[family] == "harmed" for each in found)
        low, _ = ratio_interval(harmed, len(found)) or (0.0, 1.0)
        assert low <= 0.05, family


@pytest.mark.parametrize("name", ["quality", "failures", "latency"])
def test_an_effect_is_mostly_called_harm(script, name):
    truth = next(
        truth for truth, family, word in script.POWERS.values() if (family, word) == (name, "harmed")
    )
    found = script.run(truth, 10)
    # four in five on average; six or fewer of ten would be seen in one of eight
    assert sum(each[name] == "harmed" for each in found) >= 5


def test_batches_go_wrong_together(script):

    rng = np.random.default_rng(1)
    draws = np.array([script.batched(rng, 0.2, 32, 32, 0.2).sum() for _ in range(4000)])
    # variance of a beta-binomial count: n p (1 - p) (1 + (n - 1) rho)
    assert draws.mean() == pytest.approx(6.4, abs=0.3)
    assert draws.var() == pytest.approx(32 * 0.16 * (1 + 31 * 0.2), rel=0.1)
    assert not script.batched(rng, 0.0, 4, 10, 0.2).any()


def test_the_page_holds_what_was_measured(script):
    measured = _table(script, "measured")
    rows = [line for line in measured.splitlines() if re.match(r"\| 0", line)]
    assert len(rows) == 2 * len(script.NULLS)
    for line in rows[: len(script.NULLS)]:
        for low in re.findall(r"\((\d+\.\d)-", line):
            assert float(low) <= 5.0, line
    for name in script.POWERS:
        assert f"| {name} |" in measured
    harmful = _table(script, "margin")
    for name in script.AT_MARGIN:
        (line,) = [line for line in harmful.splitlines() if line.startswith(f"| {name} |")]
        # where requests go wrong one by one the bound keeps its promise
        if name.endswith("correlation 0"):
            assert float(re.findall(r"\((\d+\.\d)-", line)[0]) <= 5.0, line


def _table(script, part):
    text = script.PAGE.read_text("utf-8")
    return text.split(f"<!-- {part}: begin -->")[1].split(f"<!-- {part}: end -->")[0]


def test_one_part_is_written_between_its_markers(script, tmp_path, monkeypatch):
    page = tmp_path / "page.md"
    page.write_text("a\n<!-- margin: begin -->\nold\n<!-- margin: end -->\nz\n", "utf-8")
    monkeypatch.setattr(script, "PAGE", page)
    script.write("margin", ["new"])
    assert page.read_text("utf-8") == "a\n<!-- margin: begin -->\n\nnew\n\n<!-- margin: end -->\nz\n"
