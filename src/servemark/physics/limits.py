"""What a prediction leaves out for a deployment, in words that stand beside it."""

from __future__ import annotations

from servemark.domain.deployment import Deployment
from servemark.domain.model import LatentAttention, LinearAttention, Moe
from servemark.physics.collectives import GPUS_PER_SERVER


def not_modelled(deployment: Deployment) -> tuple[str, ...]:
    """What the formulas do not cover of this deployment; empty where nothing is known to be missing."""
    remarks = (*_of_the_model(deployment), *_of_the_group(deployment), *_of_the_engine(deployment))
    return tuple(remark for remark in remarks if remark)


def _of_the_model(deployment: Deployment) -> tuple[str, ...]:
    model, plan = deployment.model, deployment.parallelism
    heads = model.prediction_layers and deployment.engine.speculative is None
    latent = [g.attention for g in model.groups if isinstance(g.attention, LatentAttention)]
    mixture = any(isinstance(g.feedforward, Moe) for g in model.groups)
    linear = any(isinstance(g.attention, LinearAttention) and g.attention.state_bytes for g in model.groups)
    return (
        "multi-token prediction: not modelled; the checkpoint's heads are taken as switched off" if heads else "",
        "data-parallel attention: taken as off; every rank of the tensor group holds the whole latent cache"
        if latent and plan.attention_tensor > 1 else "",
        "replicas of busy experts (expert load balancing): not modelled; tokens spread as a random router's do"
        if mixture and plan.expert > 1 else "",
        "sparse attention: the indexer's own cost and misses are not modelled, only its limit of "
        f"{latent[0].index_tokens:,} tokens" if latent and latent[0].index_tokens else "",
        "prefix caching of linear-attention states: not modelled; a hit is taken to spare them as it does others"
        if linear and deployment.engine.enable_prefix_caching else "",
        f"vision tower and other {model.unserved_params / 1e6:,.0f} M parameters of the checkpoint: taken as not loaded"
        if model.unserved_params > 1e8 else "",
    )  # fmt: skip


def _of_the_group(deployment: Deployment) -> tuple[str, ...]:
    plan, link = deployment.parallelism, deployment.node.gpu.link
    together = GPUS_PER_SERVER if link is None else max(GPUS_PER_SERVER, link.spans_gpus)
    if plan.gpus <= together:
        return ("",)
    return (
        f"network between servers: not modelled; {plan.gpus} GPUs are more than the {together} of one server, and "
        f"the links inside it are taken throughout",
    )


def _of_the_engine(deployment: Deployment) -> tuple[str, ...]:
    engine = deployment.engine
    speculative = engine.speculative
    return (
        "eager mode: only its memory is modelled; launching every kernel makes steps of small batches longer than "
        "predicted" if engine.enforce_eager and engine.policy != "slots" else "",
        f"speculative decoding: {speculative.tokens_per_step:.2f} tokens a step, evenly spaced, at an acceptance of "
        f"{speculative.acceptance_ratio:g} that does not vary between requests; bursts within a step are not shown"
        if speculative else "",
    )  # fmt: skip
