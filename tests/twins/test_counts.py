from servemark.twins.counts import Histogram

MS_PS = 10**9


def test_buckets_count_up_and_include_their_bound():
    histogram = Histogram((0.01, 0.025, 1.0))
    for duration_ms in (10, 11, 25, 26, 2000):
        histogram.observe(duration_ms * MS_PS)
    assert histogram.buckets() == [("0.01", 1.0), ("0.025", 3.0), ("1.0", 4.0), ("+Inf", 5.0)]
    assert histogram.sum_ps == 2072 * MS_PS
