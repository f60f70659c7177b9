"""How much of each GPU type some money pays."""

import pytest
from guide_questions import asked

from servemark.planning.guidance_shares import all_month, share_words, shares_of


def test_a_budget_pays_the_most_gpus_that_run_all_month():
    # $2,920 a month is $4.00 an hour
    shares = {share.gpu.key: share for share in shares_of(asked(2920))}
    assert set(shares) == {"l40s", "rtx-4090", "h100-sxm"}
    assert (shares["l40s"].gpus, shares["l40s"].hours_ratio) == (4, 1.0)
    assert (shares["rtx-4090"].gpus, shares["rtx-4090"].hours_ratio) == (1, 1.0)
    assert (shares["h100-sxm"].gpus, shares["h100-sxm"].hours_ratio) == (1, 1.0)


def test_what_is_dearer_runs_for_a_part_of_the_month():
    # $500 a month is $0.685 an hour: 68.5 % of an L40S at $1.00, and "under $500: rent an L40S" is part-time
    shares = {share.gpu.key: share for share in shares_of(asked(500))}
    assert shares["l40s"].hours_ratio == pytest.approx(500 / 730)
    assert share_words(shares["l40s"]) == "1 x l40s*"
    assert share_words(shares["rtx-4090"]) == "1 x rtx-4090"


def test_without_a_budget_one_of_each_by_tier():
    shares = shares_of(asked())
    assert [(share.gpu.key, share.gpus) for share in shares] == [
        ("l40s", 1),
        ("h100-sxm", 1),
        ("rtx-4090", 1),
    ]


def test_findings_speak_of_what_runs_all_month():
    shares = shares_of(asked(500))
    rows = [(share_words(share), 1) for share in shares]
    assert all_month(shares, rows) == [("1 x rtx-4090", 1)]
    poor = shares_of(asked(1))
    assert len(all_month(poor, [(share_words(share), 1) for share in poor])) == 3
