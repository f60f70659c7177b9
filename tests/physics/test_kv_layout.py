import pytest

from servemark.domain.deployment import EngineMemory
from servemark.physics.kv_layout import LayerKind, grouped_bytes, sequence_cache_bytes

GROUPED = EngineMemory(windows="grouped")
FULL, WINDOW = LayerKind(4096.0, 0.0, None), LayerKind(4096.0, 0.0, 1024)
PAGE = 16 * 4096


def cache_bytes(deploy, model, tokens, gpu="h100-sxm", **settings):
    return sequence_cache_bytes(deploy(model, gpu, **settings), tokens)


def test_equal_layers_need_no_groups(deploy):
    assert cache_bytes(deploy, "llama-3.1-8b", 8192, memory=GROUPED) == 8192 * 128 * 1024
    # the last block counts whole
    assert cache_bytes(deploy, "llama-3.1-8b", 8193, memory=GROUPED) == 8208 * 128 * 1024


def test_groups_of_layers_are_padded_to_equal_size():
    """Gemma 3 27B: 10 full layers, 52 with a window, so groups of 10: one full, six with a window."""
    assert grouped_bytes({FULL: 10, WINDOW: 52}, 512, 16) == 7 * 10 * 32 * PAGE
    # beyond the window a group keeps 64 blocks and one that the window ends in
    assert grouped_bytes({FULL: 10, WINDOW: 52}, 4096, 16) == 10 * (256 + 6 * 65) * PAGE


def test_kinds_of_nearly_as_many_layers_share_groups_of_the_larger_number():
    """vLLM takes the larger number where it is less than a quarter above the smaller one."""
    assert grouped_bytes({FULL: 10, WINDOW: 12}, 512, 16) == 2 * 12 * 32 * PAGE


def test_gemma_3_4b_wastes_a_layer_in_35(deploy):
    """29 windows and 5 full layers: 6 groups of 5 and one; vLLM 0.19 logs 3 % fewer sequences for it."""
    padded, exact = (
        cache_bytes(deploy, "gemma-3-4b", 1024, memory=EngineMemory(windows=windows))
        for windows in ("grouped", "exact")
    )
    assert padded / exact == pytest.approx(35 / 34)


def test_pages_as_large_as_a_state(deploy):
    """Qwen3-Next on two H200 under vLLM 0.11: 44.59 GiB are 7,160 blocks and 14.77 sequences of 262,144."""
    model = deploy("qwen3-next-80b-a3b", "h200-sxm", tp=2, memory=GROUPED)
    page = 544 * 1024
    sequence = sequence_cache_bytes(model, 262144)
    # 482 pages of the attention group, one of each of three groups of states; 12 layers each
    assert sequence == (482 + 3) * 12 * page
    assert 44.59 * 2**30 / sequence == pytest.approx(14.77, abs=0.02)


def test_engines_that_forget_windows_cache_every_layer_fully(deploy):
    exact, full = (
        cache_bytes(deploy, "gemma-3-12b", 32768, memory=EngineMemory(windows=windows))
        for windows in ("exact", "full")
    )
    assert full > 4 * exact


def test_a_sparse_indexer_keeps_keys_beside_the_latent(deploy):
    """GLM-5 on eight H200 under vLLM 0.19: 32.06 GiB hold 343,744 tokens."""
    sequence = cache_bytes(deploy, "glm-5", 343744, gpu="h200-sxm", tp=8, memory=GROUPED)
    assert sequence / 2**30 == pytest.approx(32.06, rel=0.002)
