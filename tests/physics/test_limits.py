from servemark.domain.deployment import Speculation
from servemark.physics.limits import not_modelled


def test_a_plain_model_misses_nothing(deploy):
    assert not_modelled(deploy("llama-3.1-8b", "l40s")) == ()


def test_prediction_heads_and_latent_attention(deploy):
    said = not_modelled(deploy("deepseek-v3", "h200-sxm", tp=8, ep=8, dtype="fp8"))
    assert [line.split(":")[0] for line in said] == [
        "multi-token prediction",
        "data-parallel attention",
        "replicas of busy experts (expert load balancing)",
    ]


def test_sparse_attention_and_states(deploy):
    sparse = not_modelled(deploy("glm-5", "h200-sxm", dtype="fp8"))
    assert any("limit of 2,048 tokens" in line for line in sparse)
    linear = not_modelled(deploy("qwen3-next-80b-a3b", "h200-sxm"))
    assert any(line.startswith("prefix caching of linear-attention") for line in linear)
    assert not any(
        line.startswith("prefix caching")
        for line in not_modelled(deploy("qwen3-next-80b-a3b", "h200-sxm", enable_prefix_caching=False))
    )


def test_what_is_not_loaded(deploy):
    assert any("vision tower" in line for line in not_modelled(deploy("gemma-3-27b", "h100-sxm")))


def test_speculation_says_what_it_assumes(deploy):
    eagle = Speculation(method="eagle", tokens=3, acceptance_ratio=0.7)
    (line,) = not_modelled(deploy("llama-3.1-8b", "l40s", speculative=eagle))
    assert "2.53 tokens a step" in line


def test_eager_steps_and_several_servers_are_said(deploy):
    (line,) = not_modelled(deploy("llama-3.1-8b", "l40s", enforce_eager=True))
    assert line.startswith("eager mode")
    (line,) = not_modelled(deploy("llama-3.1-405b", "h100-sxm", tp=8, pp=2, dtype="fp8"))
    assert "16 GPUs are more than the 8 of one server" in line
    # one rack of NVLink
    assert not_modelled(deploy("llama-3.1-405b", "gb200", tp=8, pp=2, dtype="fp8")) == ()
