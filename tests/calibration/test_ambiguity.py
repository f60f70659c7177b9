import pytest

from servemark.calibration.ambiguity import contradictions, noise_floor
from servemark.calibration.rows import shipped_rows


def test_repeats_more_than_five_percent_apart_contradict_each_other(make_rows):
    rows = make_rows({"value": "100"}, {"value": "105"}, {"metric": "ttft_mean", "value": "100"},
                     {"metric": "ttft_mean", "value": "105.1"}, {"osl": "512", "value": "900"})  # fmt: skip
    (found,) = contradictions(rows)
    assert [row.line for row in found.rows] == [4, 5]
    assert found.spread_ratio == pytest.approx(0.051)


def test_all_rows_of_a_contradictory_key_are_listed(make_rows):
    rows = make_rows({"value": "100"}, {"value": "101"}, {"value": "120"})
    assert [row.line for row in contradictions(rows)[0].rows] == [2, 3, 4]


def test_the_dump_is_no_part_of_the_key_the_engine_version_is(make_rows):
    sample = {"source": "aiconfigurator sample", "engine": "sglang", "metric": "tpot_ref"}
    first = {**sample, "source_version": "source_file=a.csv; sglang 0.5.9", "value": "10"}
    other_dump = {**sample, "source_version": "source_file=b.csv; sglang 0.5.9", "value": "12"}
    other_version = {**sample, "source_version": "source_file=b.csv; sglang 0.5.6", "value": "12"}
    assert contradictions(make_rows(first, other_dump))
    assert not contradictions(make_rows(first, other_version))


def test_noise_is_of_repeats_whose_speed_agrees(make_rows):
    agree = [{"value": "100"}, {"value": "102"}, {"metric": "ttft_mean", "value": "90"},
             {"metric": "ttft_mean", "value": "110"}]  # fmt: skip
    disagree = [{"osl": "9", "value": "100"}, {"osl": "9", "value": "200"},
                {"osl": "9", "metric": "ttft_mean", "value": "1"},
                {"osl": "9", "metric": "ttft_mean", "value": "9"}]  # fmt: skip
    copies = [{"osl": "7", "value": "100"}, {"osl": "7", "value": "100.001"}]
    tpot, ttft = noise_floor(make_rows(*agree, *disagree, *copies))
    assert (tpot.metric, tpot.pairs, tpot.p90_ratio) == ("tpot_mean", 1, pytest.approx(2 / 101))
    assert (ttft.metric, ttft.pairs, ttft.p90_ratio) == ("ttft_mean", 1, pytest.approx(20 / 100))


def test_a_table_without_repeats_has_no_noise(make_rows):
    assert noise_floor(make_rows({}, {"osl": "512"})) == ()


def test_the_shipped_rows():
    """TPOT of one setting repeats within 2.5 % in nine of ten cases; what differs more, differs by design."""
    floors = {each.metric: each for each in noise_floor(shipped_rows())}
    assert 0.015 < floors["tpot_ref"].p90_ratio < 0.03
    assert sum(len(each.rows) for each in contradictions(shipped_rows())) == 263
