"""Close the loop on the local GPU: time its kernels, then predict real forward passes and compare.

python benchmarks/gpu_loop.py                    # on a GPU; keeps its table under evidence/gpu/
python benchmarks/gpu_loop.py --device cpu       # tries the code at a small shape; keeps nothing

A random-weight transformer of a catalogue model's shape (as many layers as fit) runs prefills and decodes with bf16
weights, cuBLAS products and SDPA attention; decodes are captured as CUDA graphs. The prediction is the step time of
`physics/step.py` without the host's overheads, which a bare forward pass does not have. Needs torch.
"""

import argparse
import json
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import torch
from msgspec.structs import replace
from torch.nn.functional import rms_norm, scaled_dot_product_attention, silu

import servemark
from servemark.api.kernels import bench_calibration
from servemark.calibration.devices import cpu_device, cpu_rates
from servemark.calibration.gpu_bench import FULL, SMALL, Timer, gpu_bench
from servemark.catalogue.architectures import find_model
from servemark.catalogue.engine_defaults import find_engine
from servemark.catalogue.gpu_types import find_gpu
from servemark.domain.deployment import Deployment
from servemark.domain.gpu import Node
from servemark.domain.model import Attention, Dense, LayerGroup, ModelArch, Moe
from servemark.physics.step import coefficient_values, step_cost, step_seconds
from servemark.physics.work import step_work

EVIDENCE = Path(__file__).parents[1] / "evidence" / "gpu"
MODELS = ("llama-3.1-8b", "qwen3-30b-a3b")
WEIGHTS_SHARE = 0.55
"""Of the memory: the rest is for caches and activations."""
PREFILLS = ((1, 512), (1, 2048), (1, 8192), (4, 1024), (4, 4096))
DECODES = ((1, 512), (1, 8192), (8, 2048), (32, 1024), (32, 4096), (128, 1024))
SMALL_MODELS = (
    ModelArch(
        key="small-dense", name="Small dense", hidden=256, vocab=1024, max_context_tokens=4096,
        groups=(LayerGroup(count=4, attention=Attention(heads=8, kv_heads=2, head_dim=32),
                           feedforward=Dense(intermediate=1024)),),
    ),
    ModelArch(
        key="small-moe", name="Small MoE", hidden=256, vocab=1024, max_context_tokens=4096,
        groups=(LayerGroup(count=4, attention=Attention(heads=8, kv_heads=2, head_dim=32),
                           feedforward=Moe(experts=8, experts_per_token=2, intermediate=256)),),
    ),
)  # fmt: skip
SMALL_PREFILLS = ((1, 64), (2, 128))
SMALL_DECODES = ((1, 64), (8, 256))
grouped_mm = getattr(torch.nn.functional, "grouped_mm", None) or torch._grouped_mm
HOST = ("step_overhead_s", "sequence_overhead_s", "token_overhead_s", "prompt_overhead_s")


class Forward:
    """A random-weight transformer of one shape: joined QKV, joined gate and up, grouped queries."""

    def __init__(self, model, device):
        self.model, self.device = model, device
        (group,) = model.groups
        self.group, self.attention = group, group.attention
        shape, hidden = self.attention, model.hidden
        joined = (shape.heads + 2 * shape.kv_heads) * shape.head_dim
        self.layers = [
            {
                "qkv": self._weight(joined, hidden),
                "out": self._weight(hidden, shape.heads * shape.head_dim),
                **self._feedforward(),
            }
            for _ in range(group.count)
        ]
        self.head = self._weight(model.vocab, hidden)
        self.norm = torch.ones(hidden, dtype=torch.bfloat16, device=device)

    def _weight(self, *shape):
        return torch.randn(*shape, dtype=torch.bfloat16, device=self.device) * shape[-1] ** -0.5

    def _feedforward(self):
        hidden = self.model.hidden
        match self.group.feedforward:
            case Dense(intermediate=f):
                return {"up": self._weight(2 * f, hidden), "down": self._weight(hidden, f)}
            case Moe(intermediate=f, experts=e):
                # grouped products take (experts, in, out)
                return {
                    "router": self._weight(e, hidden),
                    "up": self._weight(e, hidden, 2 * f),
                    "down": self._weight(e, f, hidden),
                }

    def step(self, x, caches=None, cos_sin=None):
        """(batch, tokens, hidden) -> logits of the last tokens; with caches the tokens attend to these too."""
        for i, layer in enumerate(self.layers):
            x = x + self._attend(rms_norm(x, x.shape[-1:], self.norm), layer, caches and caches[i], cos_sin)
            x = x + self._feed(rms_norm(x, x.shape[-1:], self.norm), layer)
        return rms_norm(x[:, -1], x.shape[-1:], self.norm) @ self.head.t()

    def _attend(self, x, layer, cache, cos_sin):
        shape, (batch, tokens, _) = self.attention, x.shape
        own, kv, size = shape.heads, shape.kv_heads, shape.head_dim
        q, k, v = (
            part.view(batch, tokens, -1, size).transpose(1, 2)
            for part in (x @ layer["qkv"].t()).split((own * size, kv * size, kv * size), dim=-1)
        )
        q, k = _rotated(q, *cos_sin), _rotated(k, *cos_sin)
        if cache is not None:
            # the new token takes the last place, as in an engine that writes into its blocks
            cache[0][:, :, -tokens:], cache[1][:, :, -tokens:] = k, v
            k, v = cache
        attended = scaled_dot_product_attention(q, k, v, is_causal=cache is None, enable_gqa=True)
        return attended.transpose(1, 2).reshape(batch, tokens, own * size) @ layer["out"].t()

    def _feed(self, x, layer):
        if "router" not in layer:
            gate, up = (x @ layer["up"].t()).chunk(2, dim=-1)
            return (silu(gate) * up) @ layer["down"].t()
        tokens, part = x.reshape(-1, x.shape[-1]), self.group.feedforward
        weights, chosen = (tokens @ layer["router"].t()).softmax(-1).topk(part.experts_per_token, dim=-1)
        order = chosen.flatten().argsort()
        # counted without asking the host, so that it can stand in a CUDA graph
        ones = torch.ones_like(chosen.flatten(), dtype=torch.int32)
        counts = torch.zeros(part.experts, dtype=torch.int32, device=x.device)
        ends = counts.scatter_add_(0, chosen.flatten(), ones).cumsum(0, dtype=torch.int32)
        routed = tokens[order // part.experts_per_token]
        gate, up = grouped_mm(routed, layer["up"], offs=ends).chunk(2, dim=-1)
        done = grouped_mm(silu(gate) * up, layer["down"], offs=ends)
        done = done * weights.flatten()[order, None]
        return torch.zeros_like(tokens).index_add_(0, order // part.experts_per_token, done).view_as(x)


def _rotated(x, cos, sin):
    half = x.shape[-1] // 2
    return x * cos + torch.cat((-x[..., half:], x[..., :half]), dim=-1) * sin


def timed(forward, timer, kind, batch, tokens):
    """Seconds of one prefill of `tokens` each, or of one decode step over `tokens` cached ones; None: no room."""
    shape, device = forward.attention, forward.device
    new = tokens if kind == "prefill" else 1
    x = torch.randn(batch, new, forward.model.hidden, dtype=torch.bfloat16, device=device)
    angles = torch.randn(new, shape.head_dim, dtype=torch.bfloat16, device=device)
    cos_sin = angles.cos(), angles.sin()
    try:
        if kind == "prefill":
            return timer.seconds(lambda: forward.step(x, None, cos_sin))[0]
        caches = [
            [torch.randn(batch, shape.kv_heads, tokens + 1, shape.head_dim, dtype=torch.bfloat16, device=device)
             for _ in range(2)]
            for _ in forward.layers
        ]  # fmt: skip
        if device != "cuda":
            return timer.seconds(lambda: forward.step(x, caches, cos_sin))[0]
        return timer.seconds(_captured(lambda: forward.step(x, caches, cos_sin)).replay)[0]
    except torch.OutOfMemoryError:
        torch.cuda.empty_cache()
        return None


def _captured(work):
    """A CUDA graph of some work, warmed up on a stream of its own as capturing wants."""
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(3):
            work()
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        work()
    return graph


def predicted(deployment, coefficients, kind, batch, tokens):
    """Step time without what the host adds."""
    values = coefficient_values(coefficients)
    values = values._replace(**{name: 0.0 for name in HOST if name in values._fields})
    cost = step_cost(step_work(deployment), values)
    if kind == "prefill":
        pairs = batch * tokens * (tokens + 1) / 2
        return float(step_seconds(cost, 0, 0, batch * tokens, pairs, batch))
    return float(step_seconds(cost, batch, batch * (tokens + 1)))


def fitting(model, device):
    """The model with as many layers as `WEIGHTS_SHARE` of the memory holds."""
    (group,) = model.groups
    if device == "cuda":
        room = (
            WEIGHTS_SHARE * torch.cuda.get_device_properties(0).total_memory / 2
            - 2 * model.vocab * model.hidden
        )
        count = max(1, min(group.count, int(room / (model.layer_params / model.layers))))
        group = replace(group, count=count)
    return replace(model, groups=(group,))


def closed_loop(device="cuda"):
    """Bench, calibration, and the table of forward passes."""
    small = device != "cuda"
    bench = gpu_bench(SMALL if small else FULL, device=device, dtypes=("bf16",) if small else ("bf16", "fp8"),
                      on_step=print)  # fmt: skip
    gpu = (
        cpu_device(cpu_rates(1), measured_on=datetime.now(UTC).date()) if small else find_gpu(bench.device)
    )
    engine = find_engine("vllm", gpu=gpu)
    calibration = bench_calibration(bench, gpu, engine)
    before, after = calibration.prior[0], calibration.coefficients[0]
    timer, rows = Timer(torch, device, 3 if small else 10), []
    for model in SMALL_MODELS if small else map(find_model, MODELS):
        model = fitting(model, device)
        deployment = Deployment(
            model=model, node=Node(gpu=gpu), dtype="bf16", kv_dtype="bf16", engine=engine
        )
        with torch.inference_mode():
            forward = Forward(model, device)
            shapes = [("prefill", *shape) for shape in (SMALL_PREFILLS if small else PREFILLS)]
            shapes += [("decode", *shape) for shape in (SMALL_DECODES if small else DECODES)]
            for kind, batch, tokens in shapes:
                measured = timed(forward, timer, kind, batch, tokens)
                print(f"{model.key} ({model.layers} layers) {kind} {batch} x {tokens}: {measured}")
                if measured is not None:
                    rows.append({
                        "model": model.key, "layers": model.layers, "kind": kind, "batch": batch, "tokens": tokens,
                        "measured_s": measured,
                        "before_s": predicted(deployment, before, kind, batch, tokens),
                        "after_s": predicted(deployment, after, kind, batch, tokens),
                    })  # fmt: skip
        del forward
        if not small:
            torch.cuda.empty_cache()
    return calibration, rows


def mean_error(rows, which):
    """Mean absolute relative error."""
    return sum(abs(row[which] / row["measured_s"] - 1) for row in rows) / len(rows)


def table(calibration, rows):
    """The evidence as Markdown."""
    versions = ", ".join(f"{name} {version}" for name, version in calibration.versions.items())
    lines = [
        f"# Forward passes on {calibration.device.name}, {calibration.started[:10]}", "",
        f"`make test-gpu`, {versions}. Random weights, bf16; predicted before and after `calibrate --gpu-bench`.", "",
        "| model | layers | step | batch | tokens | measured | before | after |", "|---|---|---|---|---|---|---|---|",
    ]  # fmt: skip
    for row in rows:
        shares = (row[which] / row["measured_s"] - 1 for which in ("before_s", "after_s"))
        figures = (f"{1e3 * row['measured_s']:.3f} ms", *(f"{share:+.1%}" for share in shares))
        lines.append("| " + " | ".join(map(str, (*list(row.values())[:5], *figures))) + " |")
    lines.append("")
    for kind in ("prefill", "decode"):
        own = [row for row in rows if row["kind"] == kind]
        errors = f"{mean_error(own, 'before_s'):.1%} before, {mean_error(own, 'after_s'):.1%} after"
        lines.append(f"Mean absolute error, {kind}: {errors}.")
    return "\n".join([*lines, "", *calibration.notes, ""])


def keep(calibration, rows, folder=EVIDENCE):
    """Write table, rows and calibration; returns the table's path."""
    folder.mkdir(parents=True, exist_ok=True)
    stem = f"{calibration.device.key}-{calibration.started[:10]}"
    document = {
        "servemark": servemark.__version__,
        "rows": rows,
        "calibration": msgspec.to_builtins(calibration),
    }
    (folder / f"{stem}.json").write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    path = folder / f"{stem}.md"
    path.write_text(table(calibration, rows), encoding="utf-8")
    return path


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--device", default="cuda", choices=("cuda", "cpu"))
    device = parser.parse_args().device
    calibration, rows = closed_loop(device)
    print(table(calibration, rows))
    if device == "cuda":
        print(keep(calibration, rows))


if __name__ == "__main__":
    main()
