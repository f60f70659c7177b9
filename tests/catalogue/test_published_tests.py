import pytest
from hypothesis import given
from hypothesis import strategies as st

from servemark.catalogue.published_tests import (
    find_published_test,
    published_test_keys,
    read_published_test,
)
from servemark.errors import InputError, UnknownName
from servemark.units import MIB

WHOLE = """
title = "T"
source = "S"
model = "llama-3.1-8b"
gpu = "l40s"
memory_used = "100 MiB"
[[levels]]
users = 4
failures = "12 %"
latency = "250 ms"
"""


def test_the_shipped_test_holds_the_published_figures():
    test = find_published_test("Stress_Test")
    assert published_test_keys() == ("stress-test",) and test.key == "stress-test"
    assert (test.memory_used_bytes, test.memory_total_bytes) == (42055 * MIB, 46068 * MIB)
    assert [(each.users, each.failures_ratio, each.latency_s) for each in test.levels] == [
        (1, None, 3.5), (3, 0.75, None), (16, None, None), (32, 0.8, 33.0),
    ]  # fmt: skip
    undisclosed = (
        test.engine,
        test.retries,
        test.tools,
        test.sampling,
        test.timeout_s,
        test.max_num_seqs,
    )
    assert undisclosed == (None,) * 6


def test_an_unknown_key_names_the_nearest():
    with pytest.raises(UnknownName, match="stress-test"):
        find_published_test("stres-test")


def test_a_file_of_ones_own(tmp_path):
    path = tmp_path / "my_test.toml"
    path.write_text(WHOLE)
    test = read_published_test(path)
    assert (test.key, test.levels[0].failures_ratio, test.levels[0].latency_s) == ("my-test", 0.12, 0.25)


@pytest.mark.parametrize(
    ("old", "new", "where"),
    [
        ("users = 4", "users = 0", "users"),
        ('"12 %"', '"120 %"', "failures"),
        ('"250 ms"', '"soon"', "latency"),
        ('title = "T"', "", "title"),
        ("users = 4", 'users = "four"', "users"),
        ("users = 4", "users = 4\nuser = 5", "user"),
        ("[[levels]]", "[levels]", "levels"),
        ("[[levels]]", "levels = [", "TOML"),
    ],
)
def test_what_is_wrong_is_named(tmp_path, old, new, where):
    path = tmp_path / "t.toml"
    path.write_text(WHOLE.replace(old, new))
    with pytest.raises(InputError, match=where):
        read_published_test(path)


def test_no_file_and_no_text(tmp_path):
    with pytest.raises(InputError, match="published test"):
        read_published_test(tmp_path / "none.toml")
    (tmp_path / "b.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(InputError):
        read_published_test(tmp_path / "b.toml")


@given(st.text(max_size=200))
def test_any_text_is_a_test_or_refused(tmp_path_factory, text):
    path = tmp_path_factory.mktemp("p") / "t.toml"
    path.write_text(text, encoding="utf-8", errors="surrogatepass")
    with pytest.raises(InputError):
        read_published_test(path)
