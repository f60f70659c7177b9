"""What drafts the tokens of speculative decoding: a smaller model or EAGLE's one layer, and its memory.

Source: Li et al. 2024 (EAGLE), arXiv 2401.15077.
"""

from __future__ import annotations

import msgspec

from servemark.domain.deployment import Deployment, Speculation
from servemark.domain.model import ModelArch
from servemark.physics.kv_layout import sequence_cache_bytes
from servemark.physics.weights import SIXTEEN_BITS_BYTES, weight_bytes_per_gpu


def draft_deployment(deployment: Deployment) -> Deployment | None:
    """What drafts, spread over the same GPUs: the smaller model, or EAGLE's one layer with the model's head.

    None where drafting costs no GPU time (n-grams).
    """
    speculation = deployment.engine.speculative
    if speculation is None or speculation.method == "ngram":
        return None
    if speculation.method == "draft" and speculation.draft is not None:
        arch, dtype = speculation.draft, speculation.draft.dtype
    else:
        arch, dtype = one_layer(deployment.model), "bf16"
    engine = msgspec.structs.replace(deployment.engine, speculative=None)
    return msgspec.structs.replace(deployment, model=arch, dtype=dtype, engine=engine)


def one_layer(model: ModelArch) -> ModelArch:
    """EAGLE's head: one decoder layer like the model's last, fed by two hidden states."""
    layer = msgspec.structs.replace(model.groups[-1], count=1)
    return msgspec.structs.replace(
        model, key=f"{model.key}-eagle", groups=(layer,), other_params=2 * model.hidden**2
    )


def draft_bytes(deployment: Deployment) -> float:
    """Weights of the draft on one GPU. EAGLE's layer uses the model's own embedding and head."""
    drafting = draft_deployment(deployment)
    if drafting is None:
        return 0.0
    whole = weight_bytes_per_gpu(drafting)
    if _is_head(deployment.engine.speculative):
        shared = drafting.model.embedding_params * SIXTEEN_BITS_BYTES / deployment.parallelism.tensor
        return max(whole - shared, 0.0)
    return whole


def draft_cache_bytes(deployment: Deployment, tokens: int) -> float:
    """Cache of the draft for one sequence of `tokens` tokens on one GPU."""
    drafting = draft_deployment(deployment)
    return 0.0 if drafting is None else sequence_cache_bytes(drafting, tokens)


def _is_head(speculation: Speculation | None) -> bool:
    return speculation is not None and speculation.method == "eagle"
