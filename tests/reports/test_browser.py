"""The page in a real browser, with networking denied."""

import re
import shutil
import subprocess

import pytest
from example_runs import EXAMPLES

from servemark.reports.html import page_html, render_html
from servemark.reports.sections import compose

pytestmark = pytest.mark.needs("chromium")

PROBE = """<script>
addEventListener("load", () => setTimeout(() => {
  const seen = { charts: document.querySelectorAll("figure").length,
                 drawn: document.querySelectorAll(".chart.drawn svg").length,
                 wide: document.documentElement.scrollWidth > innerWidth,
                 fetched: performance.getEntriesByType("resource").length };
  document.body.dataset.seen = Object.values(seen).join(" ");
}, 2000));
</script></body>"""


def chromium(tmp_path, page, *options):
    """Opens a page headless; returns what the browser wrote and logged."""
    binary = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))))
    file = tmp_path / "report.html"
    file.write_text(page, encoding="utf-8")
    done = subprocess.run(
        [
            binary, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-sync",
            "--disable-background-networking", "--disable-component-update", "--disable-dev-shm-usage",
            "--host-resolver-rules=MAP * ~NOTFOUND", "--proxy-server=127.0.0.1:9",
            f"--user-data-dir={tmp_path / 'profile'}", "--enable-logging=stderr",
            "--virtual-time-budget=8000", *options, file.as_uri(),
        ],
        capture_output=True, timeout=120, check=True,
    )  # fmt: skip
    return done.stdout.decode(), done.stderr.decode()


@pytest.mark.parametrize("size", ["1100,900", "500,900"])
@pytest.mark.parametrize("name", ["banded", "two-gpus"])
def test_every_chart_is_drawn_and_nothing_is_fetched(name, size, tmp_path):
    report = compose(EXAMPLES[name]())
    page = PROBE.join(render_html(report).rsplit("</body>", 1))
    dom, log = chromium(tmp_path, page, "--dump-dom", f"--window-size={size}")
    expected = sum(len(section.charts) for section in report.sections)
    assert re.search(r'data-seen="([^"]*)"', dom).group(1) == f"{expected} {expected} false 0"
    assert "CONSOLE" not in log


@pytest.mark.parametrize("name", ["closed-form", "banded", "demo", "two-gpus"])
def test_it_prints_on_two_pages(name, tmp_path):
    printed = tmp_path / "report.pdf"
    chromium(tmp_path, render_html(compose(EXAMPLES[name]())), f"--print-to-pdf={printed}",
             "--no-pdf-header-footer")  # fmt: skip
    pages = re.findall(rb"/Type\s*/Page\b(?!s)", printed.read_bytes())
    assert 1 <= len(pages) <= 2


def test_without_scripts_the_words_remain(tmp_path):
    page = page_html(compose(EXAMPLES["both"]()), script="")
    dom, log = chromium(tmp_path, page, "--dump-dom")
    assert "carries 16 users within its promises" in dom.replace("&nbsp;", " ")
    assert "CONSOLE" not in log
