"""Beyond text: what is estimated, and what is only checked."""

import pytest
from guide_questions import section

from servemark.api.guidance import guide
from servemark.domain.training import Estimate


def test_graphics_excludes_a100_and_h100_and_says_so():
    found = section(guide(for_="graphics"), "graphics")
    for key in ("a100-sxm-80gb", "h100-sxm", "h100-pcie"):
        assert key in found.finding
        assert key not in {row[0] for row in found.rows}
    assert "l40s" in {row[0] for row in found.rows}


def test_genome_checks_requirements_and_estimates_nothing():
    found = section(guide(for_="genome"), "genome")
    rows = {row[0]: row for row in found.rows}
    assert rows["1 x a100-sxm-80gb"][3] == pytest.approx(11053 / 3600)
    assert rows["1 x l40s"][3] is None
    assert "neither follows FLOP/s" in found.not_modelled


def test_images_and_speech_keep_their_intervals():
    found = guide(for_="images,speech", gpus="rtx-4090,h100-sxm")
    images = {row[0]: row for row in section(found, "images").rows}
    assert isinstance(images["1 x h100-sxm"][1], Estimate)
    # 24 GB do not hold FLUX in 16 bits, not even without its encoders
    assert images["1 x rtx-4090"][1:3] == (None, "no")
    assert images["1 x rtx-4090"][4] == "yes"
    speech = {row[0]: row for row in section(found, "speech").rows}
    assert speech["1 x h100-sxm"][2] == pytest.approx(1 / speech["1 x h100-sxm"][1].value)
