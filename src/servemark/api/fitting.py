"""`fit`: the memory budget of a deployment."""

from __future__ import annotations

from typing import Unpack

from servemark.api.deployments import DeploymentOptions, build_deployment
from servemark.api.quantities import DEFAULT_INPUT_TOKENS, DEFAULT_OUTPUT_TOKENS, parse_tokens
from servemark.domain.deployment import Deployment
from servemark.domain.memory import Fit
from servemark.errors import InputError
from servemark.physics.memory import memory_budget


def fit(
    model: str | None = None,
    /,
    *,
    input: int | str | None = None,
    output: int | str | None = None,
    **options: Unpack[DeploymentOptions],
) -> Fit:
    """Does it fit? The memory budget of one GPU, part by part.

    Args:
        model: model key, path of a config.json, or hub id (see `servemark models`).
        input: input tokens of the sequence that must fit (default 512).
        output: its output tokens (default 128).

    Returns:
        The budget; `memory.fits` is False where it does not fit, with what is missing.

    Raises:
        InputError: unknown names or impossible options.
    """
    deployment = build_deployment(model, options)
    lengths = sequence_lengths(deployment, input, output)
    tokens = sum(lengths)
    check_context(deployment, tokens)
    budget = memory_budget(deployment, sequence_tokens=tokens)
    return Fit(deployment=deployment, memory=budget, sequence_tokens=tokens)


def sequence_lengths(
    deployment: Deployment, input: int | str | None, output: int | str | None
) -> tuple[int, int]:
    """Input and output tokens as asked for.

    What nobody asked for gives way to the model: an encoder answers with one token, and the default
    input is no longer than what the context leaves.
    """
    encoder = deployment.model.kind == "encoder"
    answer = parse_tokens(output, 1 if encoder else DEFAULT_OUTPUT_TOKENS, "output")
    room = max(1, deployment.model.max_context_tokens - answer)
    return parse_tokens(input, min(DEFAULT_INPUT_TOKENS, room), "input"), answer


def generating(deployment: Deployment) -> Deployment:
    """The deployment, if its model generates tokens: an encoder has no KV cache to schedule."""
    if deployment.model.kind == "encoder":
        raise InputError(
            "model", expected="a model that generates (an encoder: use predict)", found=deployment.model.key
        )
    return deployment


def check_context(deployment: Deployment, tokens: int) -> None:
    """Refuse a sequence longer than the model's context, or than the engine is set to take."""
    limit, whose = deployment.model.max_context_tokens, "the model's"
    if deployment.engine.max_model_len is not None:
        limit, whose = deployment.engine.max_model_len, "max_model_len ="
    if tokens > limit:
        raise InputError("input", expected=f"input + output at most {whose} {limit} tokens", found=tokens)


def check_step(deployment: Deployment, input_tokens: float, output_tokens: float) -> None:
    """Refuse a request that no step can take whole, where prompts are not cut.

    An engine that preempts computes the answer so far with the prompt when the request comes back.
    """
    engine = deployment.engine
    if engine.enable_chunked_prefill or engine.policy == "slots":
        return
    again = output_tokens if engine.policy == "recompute" else 0.0
    if input_tokens + again > engine.max_num_batched_tokens:
        counted = "input + output" if again else "input"
        raise InputError(
            "input",
            expected=f"{counted} at most max_num_batched_tokens = {engine.max_num_batched_tokens} without "
            "chunked prefill",
            found=f"{input_tokens + again:,.0f}",
        )
