import pytest
from msgspec.structs import replace

from servemark.api.explaining import explain
from servemark.api.simulated import simulate
from servemark.errors import InputError, StoreError


@pytest.fixture
def kept(tmp_path):
    return simulate(
        "llama-3.1-8b", gpu="l40s", users=[1, 16], input=256, output=64, requests=32, set_={"max_num_seqs": 2},
        runs=tmp_path,
    )  # fmt: skip


def test_a_stored_run_and_the_run_itself_come_to_the_same(kept, tmp_path):
    (stored,) = explain(runs=tmp_path)
    (given,) = explain(kept)
    assert stored == given and stored.source == kept.id
    assert [each.key for each in stored.findings] == ["queueing_behind_slots"]


def test_a_run_that_a_full_disk_cut_short_keeps_what_was_found(kept, tmp_path):
    """Half of its rows are gone: what is counted in them is no share of all that was sent."""
    rows = kept.levels[1].requests
    torn = replace(
        kept, levels=(kept.levels[0], replace(kept.levels[1], requests=rows[: len(rows) // 2])), findings=()
    )
    assert explain(torn)[0].findings == () != explain(kept)[0].findings


def test_several_are_explained_in_their_order(kept, tmp_path):
    first, second = explain("stress-test", 1, runs=tmp_path)
    assert first.title.startswith("Stress test") and second.title == kept.title


def test_a_run_that_is_not_there_and_a_test_that_is_none(tmp_path):
    with pytest.raises(StoreError):
        explain("last", runs=tmp_path)
    (tmp_path / "t.toml").write_text('title = "only a title"\n')
    with pytest.raises(InputError, match="levels"):
        explain(tmp_path / "t.toml")


def test_a_published_test_of_an_unknown_gpu(tmp_path):
    path = tmp_path / "t.toml"
    path.write_text('title="T"\nsource="S"\nmodel="llama-3.1-8b"\ngpu="l40ss"\n[[levels]]\nusers=1\n')
    with pytest.raises(InputError, match="l40s"):
        explain(path)


def test_its_own_settings_are_used(tmp_path):
    path = tmp_path / "t.toml"
    text = 'title="T"\nsource="S"\ndate="2026-01"\nmodel="llama-3.1-8b"\ngpu="l40s"\nengine="vllm"\nmax_num_seqs=4\n'
    path.write_text(text + '[[levels]]\nusers=1\nlatency="3.5s"\n[[levels]]\nusers=32\nlatency="33s"\n')
    (explanation,) = explain(path)
    assert explanation.source == "S, 2026-01"
    (finding,) = explanation.findings
    # with four slots set, the closed form of the card itself is the slow one
    assert "28.6 s at 32 users, 28.6 s with max_num_seqs = 4" in finding.evidence[3].text
