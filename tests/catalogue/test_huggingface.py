"""A config.json becomes a model, or one line that says which field is wrong."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from servemark.catalogue.architectures import find_model
from servemark.catalogue.families import FAMILIES
from servemark.catalogue.huggingface import parse_config, read_config
from servemark.catalogue.tables import read_table, table_names
from servemark.errors import InputError, UnknownName

TINY = {
    "model_type": "llama", "vocab_size": 100, "hidden_size": 8, "num_hidden_layers": 2,
    "num_attention_heads": 4, "num_key_value_heads": 2, "intermediate_size": 16,
    "max_position_embeddings": 64,
}  # fmt: skip
MATRICES = 8 * (8 + 2 * 4) + 8 * 8 + 3 * 8 * 16  # of one layer of TINY: attention and feed-forward


def parse(**changes):
    config = {k: v for k, v in {**TINY, **changes}.items() if v != "absent"}
    return parse_config(config, key="tiny", name="Tiny")


def test_a_plain_llama_by_hand():
    assert parse().params == 2 * (MATRICES + 2 * 8) + 2 * 100 * 8 + 8
    assert parse(tie_word_embeddings=True).params == 2 * (MATRICES + 2 * 8) + 100 * 8 + 8


def test_attention_bias_covers_the_output_projection_in_llama():
    assert parse(attention_bias=True).params - parse().params == 2 * (8 + 2 * 4 + 8)


@pytest.mark.parametrize(
    ("model_type", "extra"),
    [
        ("mistral", 0),
        ("qwen2", 2 * 16),  # bias of queries, keys and values
        ("qwen3", 2 * 2 * 2),  # query and key norm, as wide as a head
        ("gemma2", 2 * 2 * 8 - 100 * 8),  # two more norms; the head is the embedding
    ],
)
def test_families_differ_from_llama_by_hand(model_type, extra):
    assert parse(model_type=model_type).params - parse().params == extra


def test_falcon_7b_has_one_norm_and_one_key_value_head():
    model = parse_config(
        {"model_type": "falcon", "vocab_size": 65024, "hidden_size": 4544, "num_hidden_layers": 32,
         "num_attention_heads": 71, "multi_query": True, "parallel_attn": True},
        key="falcon-7b", name="Falcon 7B",
    )  # fmt: skip
    assert model.params == 6_921_720_704
    assert model.groups[0].attention.kv_heads == 1


@pytest.mark.parametrize(
    ("published", "config"),
    [
        # counts of the checkpoints' pages: Command R, StarCoder2 7B, StableLM 2 1.6B, InternLM2 7B, DistilBERT
        (34_980_831_232, {"model_type": "cohere", "hidden_size": 8192, "intermediate_size": 22528,
                          "num_attention_heads": 64, "num_hidden_layers": 40, "vocab_size": 256000}),
        (7_173_923_840, {"model_type": "starcoder2", "hidden_size": 4608, "intermediate_size": 18432,
                         "num_attention_heads": 36, "num_key_value_heads": 4, "num_hidden_layers": 32,
                         "use_bias": True, "vocab_size": 49152}),
        (1_644_515_328, {"model_type": "stablelm", "hidden_size": 2048, "intermediate_size": 5632,
                         "num_attention_heads": 32, "num_hidden_layers": 24, "use_qkv_bias": True,
                         "vocab_size": 100352}),
        (7_737_708_544, {"model_type": "internlm2", "bias": False, "hidden_size": 4096,
                         "intermediate_size": 14336, "num_attention_heads": 32, "num_key_value_heads": 8,
                         "num_hidden_layers": 32, "vocab_size": 92544}),
        (66_362_880, {"model_type": "distilbert", "dim": 768, "hidden_dim": 3072, "n_heads": 12,
                      "n_layers": 6, "vocab_size": 30522, "max_position_embeddings": 512}),
    ],
)  # fmt: skip
def test_models_outside_the_catalogue_match_their_published_count(published, config):
    model = parse_config({"max_position_embeddings": 4096, **config}, key="x", name="x")
    assert model.params == published


def test_llama_4_mixes_dense_and_routed_layers_and_attends_in_chunks():
    text = {
        **TINY, "model_type": "llama4_text", "num_hidden_layers": 4, "max_position_embeddings": 10**6,
        "intermediate_size_mlp": 32, "interleave_moe_layer_step": 2, "num_local_experts": 4,
        "num_experts_per_tok": 1, "attention_chunk_size": 1024,
    }  # fmt: skip
    model = parse_config({"model_type": "llama4", "text_config": text}, key="x", name="x")
    kinds = [(g.count, g.attention.window_tokens, type(g.feedforward).__name__) for g in model.groups]
    assert kinds == [(2, 1024, "Dense"), (1, 1024, "Moe"), (1, None, "Moe")]
    dense, moe = model.groups[0].feedforward, model.groups[1].feedforward
    assert (dense.intermediate, moe.intermediate, moe.shared_intermediate) == (32, 16, 16)


def test_an_embedding_narrower_than_the_model_is_refused():
    with pytest.raises(InputError, match=r"config\.json: word_embed_proj_dim: expected .* 8, found 4"):
        parse(model_type="opt", word_embed_proj_dim=4)


def test_the_text_part_of_a_multimodal_config_counts():
    nested = {"model_type": "mistral3", "text_config": {**TINY, "model_type": "mistral"}}
    assert parse_config(nested, key="tiny", name="Tiny").params == parse().params


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"num_attention_heads": "absent"}, "num_attention_heads: expected a whole number >= 1, found nothing"),
        ({"hidden_size": -8}, "hidden_size: expected a whole number >= 1, found -8"),
        ({"vocab_size": "many"}, "vocab_size: expected a whole number >= 1, found 'many'"),
        ({"num_attention_heads": 3}, "num_key_value_heads: expected a divisor of the 3 attention heads, found 2"),
        ({"hidden_size": 9}, "num_attention_heads: expected a divisor of hidden_size 9, found 4"),
        ({"num_hidden_layers": 10**8}, "num_hidden_layers: expected a whole number <= 10,000, found 100000000"),
        ({"layer_types": ["full_attention"]}, "layer_types: expected 2 entries, one per layer, found 1"),
        ({"layer_types": ["x", "y"]}, "layer_types: expected full, sliding or linear attention, found 'x'"),
        ({"tie_word_embeddings": "yes"}, "tie_word_embeddings: expected true or false, found 'yes'"),
        ({"num_experts": 2, "num_experts_per_tok": 3}, "num_experts_per_tok: expected at most the 2 experts, found 3"),
        ({"model_type": None}, "model_type: expected a known model type, found None"),
    ],
)  # fmt: skip
def test_a_field_that_makes_no_sense_is_named(changes, line):
    with pytest.raises(InputError) as caught:
        parse(**changes)
    assert str(caught.value).startswith(f"config.json: {line}")


def test_a_misspelt_field_gets_the_nearest_name():
    with pytest.raises(InputError) as caught:
        parse(intermediate_size="absent", intermediate_sise=16)
    assert caught.value.nearest[0] == "intermediate_sise"


def test_an_unknown_family_is_refused_by_name():
    with pytest.raises(UnknownName) as caught:
        parse(model_type="qwen4")
    assert caught.value.path == "config.json: model_type"
    assert "qwen3" in caught.value.nearest


@pytest.mark.parametrize(
    ("content", "expected"),
    [("{", "expected JSON"), ("[]", "expected a JSON object"), ("\xff", "expected")],
)
def test_an_unreadable_config_is_one_line(tmp_path, content, expected):
    file = tmp_path / "config.json"
    file.write_bytes(content.encode("latin-1"))
    with pytest.raises(InputError, match=expected) as caught:
        read_config(tmp_path)
    assert "\n" not in str(caught.value)


def test_every_family_of_the_table_is_parsed():
    latent = {"kv_lora_rank": 4, "qk_nope_head_dim": 2, "qk_rope_head_dim": 2, "v_head_dim": 2}
    linear = {f"linear_{name}": 2 for name in
              ("conv_kernel_dim", "key_head_dim", "value_head_dim", "num_value_heads", "num_key_heads")}  # fmt: skip
    for model_type in FAMILIES:
        extra = latent if model_type.startswith(("deepseek", "kimi", "glm_moe")) else {}
        assert parse(model_type=model_type, **extra, **linear).params > 0


CONFIGS = {name: read_table("models", name)["config"] for name in table_names("models")}
NONSENSE = st.one_of(
    st.none(), st.booleans(), st.integers(-3, 3), st.floats(), st.text(max_size=3),
    st.lists(st.integers(-1, 3), max_size=3), st.dictionaries(st.text(max_size=3), st.integers(), max_size=2),
)  # fmt: skip


@given(st.data())
def test_nonsense_in_any_field_is_an_input_error_or_a_model(data):
    config = dict(CONFIGS[data.draw(st.sampled_from(sorted(CONFIGS)))])
    for field in data.draw(st.lists(st.sampled_from(sorted(config)), min_size=1, max_size=3)):
        config[field] = data.draw(NONSENSE)
    try:
        model = parse_config(config, key="x", name="x")
    except InputError as error:
        assert str(error).startswith("config.json")
    else:
        assert model.params > 0


def test_the_parser_and_the_catalogue_agree():
    model = parse_config(CONFIGS["llama-3.1-8b"], key="llama-3.1-8b", name="Llama 3.1 8B")
    assert model.groups == find_model("llama-3.1-8b").groups
