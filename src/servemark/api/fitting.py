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
    tokens = parse_tokens(input, DEFAULT_INPUT_TOKENS, "input") + parse_tokens(
        output, DEFAULT_OUTPUT_TOKENS, "output"
    )
    check_context(deployment, tokens)
    budget = memory_budget(deployment, sequence_tokens=tokens)
    return Fit(deployment=deployment, memory=budget, sequence_tokens=tokens)


def check_context(deployment: Deployment, tokens: int) -> None:
    """Refuse a sequence longer than the model's context, or than the engine is set to take."""
    limit, whose = deployment.model.max_context_tokens, "the model's"
    if deployment.engine.max_model_len is not None:
        limit, whose = deployment.engine.max_model_len, "max_model_len ="
    if tokens > limit:
        raise InputError("input", expected=f"input + output at most {whose} {limit} tokens", found=tokens)
