import pytest

from servemark.api.engine_settings import engine_settings, parse_settings, parse_speculation
from servemark.catalogue.architectures import find_model
from servemark.catalogue.gpu_types import find_gpu
from servemark.errors import InputError, UnknownName

L40S = find_gpu("l40s")


def settings(text, engine="vllm", **others):
    return engine_settings(engine, text, gpu=L40S, model=find_model("llama-3.1-8b"), **others)


def test_a_list_goes_on_over_commas():
    assert parse_settings("cuda_graph_sizes=1,2,4,max_num_seqs=8") == {
        "cuda_graph_sizes": ["1", "2", "4"], "max_num_seqs": "8",
    }  # fmt: skip
    assert settings("cuda_graph_sizes=1,2,4,max_num_seqs=8").cuda_graph_sizes == (1, 2, 4)
    with pytest.raises(InputError, match="rising batch sizes"):
        settings("cuda_graph_sizes=4,2")
    with pytest.raises(InputError, match="NAME=VALUE"):
        parse_settings("max_num_seqs=8,9")


def test_without_chunks_vllm_raises_a_budget_that_nobody_set():
    assert settings("enable_chunked_prefill=false").max_num_batched_tokens == 131072
    assert settings("enable_chunked_prefill=false,max_model_len=8192").max_num_batched_tokens == 8192
    kept = settings("enable_chunked_prefill=false,max_num_batched_tokens=4096")
    assert kept.max_num_batched_tokens == 4096
    assert settings(None, engine="trtllm").max_num_batched_tokens == 8192
    assert settings(None, engine="vllm@0.6").max_num_batched_tokens == 131072


@pytest.mark.parametrize(
    "given",
    [
        "eagle:k=3,acceptance=0.7",
        "eagle: num_speculative_tokens = 3, acceptance_rate = 0.7",
        '{"method": "eagle", "num_speculative_tokens": 3, "acceptance": 0.7}',
        {"method": "eagle", "k": 3, "acceptance": 0.7},
    ],
)
def test_ways_to_write_a_speculation(given):
    found = settings(None, speculative=given).speculative
    assert (found.method, found.tokens, found.acceptance_ratio, found.draft) == ("eagle", 3, 0.7, None)


def test_a_draft_model_is_found():
    found = parse_speculation("draft:model=llama-3.2-1b,k=5,acceptance=0.6")
    assert found.draft.key == "llama-3.2-1b"


@pytest.mark.parametrize(
    ("given", "path"),
    [
        ("eagle:k=3", "speculative.acceptance: expected the chance"),
        ("eagle:acceptance=0.5", "speculative.k"),
        ("eagle:k=0,acceptance=0.5", "1 to 64"),
        ("eagle:k=2.5,acceptance=0.5", "1 to 64"),
        ("eagle:k=x,acceptance=0.5", "found x"),
        ("eagle:k=3,acceptance=70", "0 to 1"),
        ("eagle:k", "NAME=VALUE"),
        ("draft:k=3,acceptance=0.5", "speculative.model"),
        ("mtp:k=1,acceptance=0.8", "multi-token prediction is not modelled"),
        ("{", "JSON"),
    ],
)
def test_what_a_speculation_lacks(given, path):
    with pytest.raises(InputError, match=path):
        parse_speculation(given)


def test_an_unknown_way_or_field_gets_the_nearest():
    with pytest.raises(UnknownName) as caught:
        parse_speculation("eagel:k=3,acceptance=0.5")
    assert caught.value.nearest[0] == "eagle"
    with pytest.raises(UnknownName):
        parse_speculation("eagle:tokens=3,acceptance=0.5")
