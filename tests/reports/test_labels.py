import pytest

from servemark.catalogue.gpu_types import find_gpu
from servemark.domain.capacity import SloVerdict
from servemark.domain.gpu import Node
from servemark.domain.workload import Rate, Replay, Slo, Users
from servemark.reports.labels import (
    band_label,
    joined_label,
    loads_label,
    margin_label,
    or_list,
    percent,
    reason_label,
    short_load,
    slo_label,
)


@pytest.mark.parametrize(
    ("metric", "statistic", "limit", "label"),
    [
        ("ttft_s", "p95", 2.0, "TTFT p95 ≤ 2 s"),
        ("tpot_s", "p99", 0.05, "TPOT p99 ≤ 50 ms"),
        ("failures_ratio", "value", 0.01, "failures ≤ 1 %"),
        ("output_tokens_per_s", "value", 1500.0, "output throughput ≥ 1,500 tok/s"),
        ("requests_per_s", "value", 2.5, "request throughput ≥ 2.5 req/s"),
        ("e2e_s", "mean", 10.0, "E2E latency mean ≤ 10 s"),
    ],
)
def test_a_promise_reads_as_it_was_given(metric, statistic, limit, label):
    assert slo_label(Slo(metric=metric, statistic=statistic, limit=limit)) == label


def test_margins():
    assert [margin_label("ttft_s", m) for m in (0.198, 0.0, -0.3, -2.75, None)] == [
        "20 % room", "0 % room", "30 % over", "3.8 x limit", "",
    ]  # fmt: skip
    assert margin_label("output_tokens_per_s", -0.3) == "30 % short"
    assert percent(0.004) == "under 1 %"


def test_a_reason_carries_the_number_needed_once():
    slo = Slo(metric="ttft_s", statistic="p95", limit=2.0)
    told = SloVerdict(slo=slo, value=1.0, verdict="undecided", reason="72 needed", requests_needed=72)
    untold = SloVerdict(slo=slo, value=1.0, verdict="undecided", reason="no sample", requests_needed=72)
    assert reason_label(told) == "72 needed"
    assert reason_label(untold) == "no sample; 72 requests needed"


def test_loads_of_one_kind_share_their_unit():
    assert loads_label([Users(users=1)]) == "1 user"
    assert loads_label([Users(users=1), Users(users=4), Users(users=8)]) == "1, 4 and 8 users"
    assert loads_label([Rate(per_s=0.5), Rate(per_s=1)]) == "0.5 and 1 req/s"


def test_beside_its_kind_a_load_is_short():
    loads = (Users(users=4), Rate(per_s=3), Replay(name="chat", time_scale=2))
    assert [short_load(load) for load in loads] == ["4", "3 req/s", "chat x2"]


def test_a_band_names_its_unit_once():
    assert band_label("tpot_s", (0.031, 0.0442)) == "31.0 to 44.2 ms"
    assert band_label("tpot_s", (0.031, 0.0442), between="–") == "31.0–44.2 ms"
    assert band_label("ttft_s", (0.95, 1.2)) == "950 ms to 1.20 s"
    assert band_label("output_tokens_per_s", (593.0, 1782.4)) == "593 to 1,780 tok/s"


def test_what_joins_gpus_is_named_as_its_maker_does():
    mi300x = find_gpu("mi300x")
    assert (
        joined_label(Node(gpu=mi300x, gpus=8)) == "Infinity Fabric between all of them, 448 GB/s each way"
    )
    assert (
        joined_label(Node(gpu=find_gpu("h100-sxm"), gpus=8))
        == "NVLink between all of them, 450 GB/s each way"
    )
    assert joined_label(Node(gpu=mi300x, gpus=8, topology="host")).startswith("PCIe through host memory")


def test_alternatives():
    assert [or_list(words) for words in (("a",), ("a", "b"), ("a", "b", "c"))] == [
        "a",
        "a or b",
        "a, b or c",
    ]
