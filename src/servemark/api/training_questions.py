"""Options of `plan --train` as people write them -> `TrainingQuestion`."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final, TypedDict, cast, get_args

from servemark.catalogue.architectures import find_model
from servemark.catalogue.gpu_types import find_gpu_types, gpu_catalogue
from servemark.catalogue.offers import offers
from servemark.catalogue.sized_models import is_size, sized_model
from servemark.domain.model import ModelArch
from servemark.domain.training import (
    Checkpointing,
    Estimate,
    Loss,
    Method,
    Optimizer,
    Recipe,
    TrainingQuestion,
)
from servemark.errors import InputError, UnknownName
from servemark.units import parse

TOKENS_PER_WORD: Final = 1.3
"""English text in the tokenizers of large models; 1.33 is the other usual rule (a token is 3/4 of a word)."""
PRETRAINING_TOKENS: Final = 10e9
"""From so many tokens on, a step has 4M tokens, as large runs have; below, 65,536."""
BATCH_TOKENS: Final = (2**16, 2**22)
IN_BACKWARD: Final = "+in-backward"
MOST_GPUS: Final = 64
_WORDS = re.compile(r"^\s*(.+?)\s*words?\s*$")


class TrainingOptions(TypedDict, total=False):
    """What `plan --train` understands beside model and method, as on the command line."""

    tokens: str | int | None
    """50M, or words: "277B words"."""
    gpus: str | Sequence[str] | None
    providers: str | Sequence[str] | None
    regions: str | Sequence[str] | None
    purchase: str | Sequence[str] | None
    count: str | int | Sequence[int] | None
    """GPU counts to try, e.g. 1,2,4 (default: powers of two up to max_gpus)."""
    max_gpus: int | None
    max_hours: str | float | None
    budget: str | float | None
    """Dollars for the whole run."""
    sequence: str | int | None
    """Length of the sequences (default 2048)."""
    batch_tokens: str | int | None
    """Tokens of one optimizer step."""
    rank: int | None
    optimizer: str | None
    checkpointing: str | None
    loss: str | None
    mfu: str | float | None
    """Model FLOPs utilization to reckon with, e.g. 40% or 35%-45%."""
    took: str | float | None
    """How long a published run took (20d), with one GPU type and --count: what MFU does that imply?"""
    network: str | float | None
    """Between servers, per GPU, e.g. 50GB/s."""


def training_question(
    model: str | None, train: str, options: TrainingOptions | Mapping[str, Any]
) -> TrainingQuestion:
    """The question behind `plan --train METHOD MODEL ...`.

    Args:
        model: key, config.json, hub id, or a size (`50B`): the decoder usual for it.
        train: full, lora or qlora.
        options: see `TrainingOptions`; None and absent mean the default.

    Raises:
        InputError: an option is missing, unknown or impossible.
    """
    given: dict[str, Any] = {key: value for key, value in options.items() if value is not None}
    for key in given:
        if key not in TrainingOptions.__annotations__:
            known = TrainingOptions.__annotations__
            raise UnknownName(key, kind="an option of plan --train", name=key, known=known)
    if model is None:
        raise InputError("model", expected="a model, e.g. llama-3.1-8b, or a size, e.g. 50B", found="none")
    arch = sized_model(model) if is_size(model) else find_model(model)
    tokens, source = _tokens(given.get("tokens"))
    took = _hours(given.get("took"), "took")
    found = find_gpu_types(names_of(given["gpus"]), path="gpus") if "gpus" in given else None
    gpus = found or tuple(gpu_catalogue().values())
    counts = _counts(given)
    if took is not None and (len(gpus) > 1 or len(counts) > 1):
        raise InputError(
            "took",
            expected="one GPU type in --gpus and one number in --count",
            found=f"{len(gpus)} types, {len(counts)} counts",
        )
    return TrainingQuestion(
        model=arch,
        tokens=tokens,
        tokens_source=source,
        recipe=_recipe(train, given),
        checkpointing=_word(given, "checkpointing", Checkpointing),
        sequence_tokens=_sequence(arch, given.get("sequence")),
        batch_tokens=_batch(tokens, given.get("batch_tokens")),
        gpus=gpus,
        counts=counts,
        offers=offers(
            names_of(given["providers"]) if "providers" in given else None,
            [gpu.key for gpu in gpus],
            names_of(given["regions"]) if "regions" in given else None,
            names_of(given.get("purchase", "on-demand")),
        ),
        priced_only=any(key in given for key in ("budget", "providers", "regions", "purchase")),
        max_s=_hours(given.get("max_hours"), "max_hours"),
        took_s=took,
        budget_usd=_dollars(given.get("budget")),
        mfu=_mfu(given.get("mfu")),
        network_bytes_per_s=_rate(given.get("network")),
    )


def _tokens(value: object) -> tuple[int, str]:
    if value is None:
        raise InputError("tokens", expected='tokens to train on, e.g. 50M or "277B words"', found="none")
    words = _WORDS.match(value) if isinstance(value, str) else None
    count = parse(words.group(1) if words else value, "tokens", path="tokens", minimum=1)
    if not words:
        return round(count), ""
    return round(count * TOKENS_PER_WORD), f"{words.group(1)} words x {TOKENS_PER_WORD} tokens per word"


def _recipe(train: str, given: Mapping[str, Any]) -> Recipe:
    method = _one_of("train", train, get_args(Method))
    rank = given.get("rank", 16)
    if isinstance(rank, bool) or not isinstance(rank, int) or rank < 1:
        raise InputError("rank", expected="a whole number, at least 1", found=rank)
    optimizer, fused = _optimizer(given)
    return Recipe(
        method=cast("Method", method),
        optimizer_in_backward=fused,
        base="nf4" if method == "qlora" else "bf16",
        rank=rank,
        optimizer=optimizer,
        loss=_word(given, "loss", Loss) or "fp32",
    )


def _optimizer(given: Mapping[str, Any]) -> tuple[Optimizer, bool]:
    """`adamw-8bit`, or `adamw-8bit+in-backward`: each gradient is applied and freed at once."""
    text = str(given.get("optimizer", "adamw-mixed")).strip().lower()
    known = get_args(Optimizer)
    name = text.removesuffix(IN_BACKWARD)
    if name not in known:
        every = [*known, *(f"{each}{IN_BACKWARD}" for each in known)]
        raise UnknownName("optimizer", kind=f"one of {', '.join(known)}", name=text, known=every)
    return cast("Optimizer", name), text.endswith(IN_BACKWARD)


def _word(given: Mapping[str, Any], key: str, kind: Any) -> Any:
    return _one_of(key, str(given[key]), get_args(kind)) if key in given else None


def _one_of(path: str, value: str, known: Sequence[str]) -> str:
    folded = value.strip().lower()
    if folded not in known:
        raise UnknownName(path, kind=f"one of {', '.join(known)}", name=value, known=known)
    return folded


def _sequence(model: ModelArch, value: object) -> int:
    if value is None:
        return min(2048, model.max_context_tokens)
    tokens = parse(value, "tokens", path="sequence", minimum=1)
    if tokens != int(tokens) or tokens > model.max_context_tokens:
        expected = f"a whole number up to the model's {model.max_context_tokens} tokens"
        raise InputError("sequence", expected=expected, found=repr(value))
    return int(tokens)


def _batch(tokens: int, value: object) -> int:
    if value is None:
        return BATCH_TOKENS[tokens >= PRETRAINING_TOKENS]
    return round(parse(value, "tokens", path="batch_tokens", minimum=1))


def _counts(given: Mapping[str, Any]) -> tuple[int, ...]:
    most = given.get("max_gpus", MOST_GPUS)
    if isinstance(most, bool) or not isinstance(most, int) or most < 1:
        raise InputError("max_gpus", expected="a whole number, at least 1", found=most)
    if "count" not in given:
        return tuple(2**i for i in range(most.bit_length()) if 2**i <= most)
    value = given["count"]
    parts = [value] if isinstance(value, int) else value.split(",") if isinstance(value, str) else value
    counts: list[int] = []
    for part in parts:
        text = str(part).strip()
        if not text.isdecimal() or int(text) < 1:
            raise InputError("count", expected="numbers of GPUs, e.g. 1,2,4", found=repr(part))
        counts.append(int(text))
    return tuple(dict.fromkeys(counts))


def _hours(value: object, path: str) -> float | None:
    """Seconds; a bare number means hours."""
    if value is None:
        return None
    text = str(value).strip()
    bare = re.fullmatch(r"[-+.\d]+", text) is not None
    seconds = parse(f"{text}h" if bare else text, "s", path=path)
    if seconds <= 0:
        raise InputError(path, expected="hours above 0, e.g. 8", found=repr(value))
    return seconds


def _dollars(value: object) -> float | None:
    if value is None:
        return None
    if isinstance(value, str) and "/" in value:
        raise InputError("budget", expected="dollars for the whole run, e.g. 200usd", found=repr(value))
    dollars = parse(value, "usd", path="budget")
    if dollars <= 0:
        raise InputError("budget", expected="dollars above 0, e.g. 200usd", found=repr(value))
    return dollars


def _mfu(value: object) -> Estimate | None:
    if value is None:
        return None
    parts: list[Any] = re.split(r"-|\.\.", value) if isinstance(value, str) else [value]
    shares = [parse(part, "ratio", path="mfu") for part in parts]
    low, high = shares[0], shares[-1]
    if len(shares) > 2 or not 0 < low <= high <= 1:
        raise InputError("mfu", expected="a share up to 100 %, e.g. 40% or 35%-45%", found=repr(value))
    return Estimate(low=low, value=(low * high) ** 0.5, high=high)


def _rate(value: object) -> float | None:
    if value is None:
        return None
    rate = parse(value, "bytes_per_s", path="network")
    if rate <= 0:
        raise InputError("network", expected="a rate above 0, e.g. 50GB/s", found=repr(value))
    return rate


def names_of(names: str | Sequence[str]) -> list[str]:
    parts = names.split(",") if isinstance(names, str) else names
    return [name for name in (str(part).strip() for part in parts) if name]
