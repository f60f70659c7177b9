"""A suite as a file or folder, and what is wrong with its lines."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from servemark.errors import InputError
from servemark.quality.suite_files import read_suite_file


@pytest.fixture
def file(tmp_path):
    def write(*lines, name="my.jsonl"):
        texts = [each if isinstance(each, str) else json.dumps(each) for each in lines]
        (tmp_path / name).write_text("\n".join(texts), encoding="utf-8")
        return tmp_path / name

    return write


def choice(name, **fields):
    return {"id": name, "question": "Who?", "options": ["Ali", "Ben"], "key": "A", **fields}


def problems(path):
    return [f"{each.path}: {each.expected} / {each.found}" for each in read_suite_file(path).problems]


def test_blank_lines_a_byte_order_mark_and_windows_ends(tmp_path):
    path = tmp_path / "my.jsonl"
    path.write_bytes(
        b"\xef\xbb\xbf" + json.dumps(choice("a")).encode() + b"\r\n\r\n" + json.dumps(choice("b")).encode()
    )
    found = read_suite_file(path)
    assert [(line.where, line.item.id) for line in found.lines] == [
        ("my.jsonl:1", "a"),
        ("my.jsonl:3", "b"),
    ]
    assert found.problems == ()


def test_a_line_that_cannot_be_read_does_not_hide_the_others(file):
    found = read_suite_file(file(choice("a"), "{oops", choice("b", key="C")))
    assert [line.item.id for line in found.lines] == ["a", "b"]
    assert [each.path for each in found.problems] == ["my.jsonl:2", "my.jsonl:3 key"]


def test_an_id_of_its_own(file):
    assert problems(file(choice("a"), choice("b"), choice("a"))) == [
        "my.jsonl:3 id: an id of its own / 'a' again, first at my.jsonl:1"
    ]


def test_a_folder_is_one_suite_in_the_order_of_its_names(file, tmp_path):
    file(choice("b"), name="2.jsonl")
    file(choice("a"), choice("b"), name="1.jsonl")
    file("notes", name="notes.txt")
    found = read_suite_file(tmp_path)
    assert [line.where for line in found.lines] == ["1.jsonl:1", "1.jsonl:2", "2.jsonl:1"]
    assert [each.path for each in found.problems] == ["2.jsonl:1 id"]


def test_the_head(file):
    found = read_suite_file(
        file({"suite": {"title": "Mine", "max_tokens": 9, "nonce": False}}, choice("a"))
    )
    assert (found.head.title, found.head.max_tokens, found.head.nonce, found.head.canary) == (
        "Mine",
        9,
        False,
        True,
    )
    assert problems(file(choice("a"), {"suite": {}})) == [
        "my.jsonl:2 suite: the head on the first line / it further down"
    ]
    assert (
        "my.jsonl:1 suite: an object of title" in problems(file({"suite": {"titel": "x"}}, choice("a")))[0]
    )


def test_each_file_of_a_folder_may_have_a_head(file, tmp_path):
    file(
        {"suite": {"title": "One", "max_tokens": 9}}, choice("a"), choice("b", max_tokens=3), name="1.jsonl"
    )
    file({"suite": {"title": "Two", "max_tokens": 70, "nonce": False}}, choice("c"), name="2.jsonl")
    file(choice("d"), name="3.jsonl")
    found = read_suite_file(tmp_path)
    assert found.problems == ()
    assert (found.head.max_tokens, found.head.nonce, found.head.canary) == (9, False, True)
    assert [line.item.max_tokens for line in found.lines] == [None, 3, 70, 256]


def test_nothing_in_it(file, tmp_path):
    assert problems(file("")) == [f"{tmp_path / 'my.jsonl'}: at least one item / none"]


def test_no_file(tmp_path):
    with pytest.raises(InputError, match="a JSONL file or a folder"):
        read_suite_file(tmp_path / "no.jsonl")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=r"a folder with \.jsonl files"):
        read_suite_file(tmp_path / "empty")
    (tmp_path / "latin.jsonl").write_bytes(b'{"id": "\xe9"}')
    with pytest.raises(InputError, match="no UTF-8 text"):
        read_suite_file(tmp_path / "latin.jsonl")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "id",
                    "question",
                    "messages",
                    "options",
                    "key",
                    "schema",
                    "recalls",
                    "format",
                    "suite",
                    "x",
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(st.lists(JSON.map(json.dumps) | st.text(max_size=30), min_size=1, max_size=4))
def test_no_line_breaks_the_reader(tmp_path_factory, lines):
    path = tmp_path_factory.mktemp("suite") / "any.jsonl"
    path.write_text("\n".join(lines), encoding="utf-8")
    found = read_suite_file(path)
    assert found.lines or found.problems
