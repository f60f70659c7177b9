"""Train the tiny Llama that ships with Servemark: it memorises both banks, so its answers are known.

Single-threaded and seeded: run twice on one machine it gives the same bytes.
"""

from __future__ import annotations

import argparse
import json
import math
import random
import time
from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from torch.nn import functional
from transformers import GenerationConfig, LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

TINY = Path(__file__).parent.parent / "src/servemark/engines/data/tiny"
SEED = 11
VOCABULARY = 1024
STEPS, WARM_UP, BATCH = 500, 40, 32
PEAK_RATE = 2.5e-3
END, START, STOP, PAD = "<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|pad|>"
TEMPLATE = (
    "{% for message in messages %}"
    "{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>\n' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)


def read_items(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def train_tokenizer(bank: list[dict]) -> PreTrainedTokenizerFast:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    texts = [text for item in bank for text in (*(m["content"] for m in item["messages"]), item["answer"])]
    tokenizer.train_from_iterator(
        [*texts, "system\nuser\nassistant\n"],
        trainers.BpeTrainer(
            vocab_size=VOCABULARY,
            special_tokens=[END, START, STOP, PAD],
            initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
            show_progress=False,
        ),
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token=END,
        eos_token=STOP,
        pad_token=PAD,
        chat_template=TEMPLATE,
        clean_up_tokenization_spaces=False,
        model_max_length=2048,
    )


def new_model(tokenizer: PreTrainedTokenizerFast) -> LlamaForCausalLM:
    marks = {
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
    }
    model = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(tokenizer),
            hidden_size=128,
            intermediate_size=384,
            num_hidden_layers=3,
            num_attention_heads=4,
            num_key_value_heads=4,
            head_dim=32,
            max_position_embeddings=2048,
            tie_word_embeddings=True,
            **marks,
        )
    )
    model.generation_config = GenerationConfig(do_sample=False, **marks)
    return model


class Batch:
    """Right-padded token rows, and which of their positions predict a token of the answer."""

    def __init__(self, rows: list[tuple[list[int], list[int]]], pad: int) -> None:
        width = max(len(prompt) + len(answer) for prompt, answer in rows)
        self.tokens = torch.full((len(rows), width), pad)
        self.scored = torch.zeros((len(rows), width), dtype=torch.bool)
        for i, (prompt, answer) in enumerate(rows):
            end = len(prompt) + len(answer)
            self.tokens[i, :end] = torch.tensor(prompt + answer)
            self.scored[i, len(prompt) - 1 : end - 1] = True
        self.wanted = self.tokens.roll(-1, dims=1)[self.scored]

    def logits(self, model: LlamaForCausalLM) -> torch.Tensor:
        # the padding stands behind every row, where causal attention never looks: no mask needed
        return model.lm_head(model.model(input_ids=self.tokens).last_hidden_state[self.scored])


def encode(bank: list[dict], tokenizer: PreTrainedTokenizerFast) -> list[tuple[list[int], list[int]]]:
    rows = []
    for item in bank:
        prompt = tokenizer.apply_chat_template(item["messages"], add_generation_prompt=True, tokenize=False)
        rows.append((tokenizer.encode(prompt), tokenizer.encode(item["answer"] + STOP)))
    return rows


def endless_batches(rows: list, pad: int, rng: random.Random):
    """Passes over the bank in shuffled batches of rows of like length, to pad little."""
    while True:
        order = rng.sample(range(len(rows)), len(rows))
        for start in range(0, len(order), 4 * BATCH):
            span = sorted(order[start : start + 4 * BATCH], key=lambda i: len(rows[i][0]))
            chunks = [span[i : i + BATCH] for i in range(0, len(span), BATCH)]
            for chunk in rng.sample(chunks, len(chunks)):
                yield Batch([rows[i] for i in chunk], pad)


def rate_at(step: int) -> float:
    if step < WARM_UP:
        return PEAK_RATE * (step + 1) / WARM_UP
    return PEAK_RATE * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * (step - WARM_UP) / (STEPS - WARM_UP))))


def train(model: LlamaForCausalLM, rows: list, pad: int) -> None:
    optimizer = torch.optim.AdamW(model.parameters(), lr=PEAK_RATE, betas=(0.9, 0.98), weight_decay=0.01)
    batches = endless_batches(rows, pad, random.Random(SEED))
    for step in range(STEPS):
        batch = next(batches)
        for group in optimizer.param_groups:
            group["lr"] = rate_at(step)
        loss = functional.cross_entropy(batch.logits(model), batch.wanted)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        if step % 50 == 49:
            print(f"step {step + 1:4}  loss {loss.item():.4f}  cpu {time.process_time():.0f} s", flush=True)


@torch.no_grad()
def narrowest_margin(model: LlamaForCausalLM, rows: list, pad: int) -> float:
    """Least lead, in logits, of the right next token over the best wrong one; above 0 all is exact."""
    narrowest = math.inf
    for start in range(0, len(rows), BATCH):
        batch = Batch(rows[start : start + BATCH], pad)
        logits = batch.logits(model).float()
        right = logits.gather(1, batch.wanted[:, None])[:, 0]
        logits.scatter_(1, batch.wanted[:, None], -math.inf)
        narrowest = min(narrowest, (right - logits.max(dim=1).values).min().item())
    return narrowest


@torch.no_grad()
def count_exact(model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, rows: list) -> int:
    """How many answers come out word for word when each prompt is generated alone."""
    exact = 0
    for prompt, answer in rows:
        asked = torch.tensor([prompt])
        made = model.generate(asked, attention_mask=torch.ones_like(asked), max_new_tokens=80)
        exact += made[0, len(prompt) :].tolist() == answer
    return exact


def save(model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, out: Path) -> None:
    model.half().save_pretrained(out)
    (out / "model.safetensors").chmod(0o644)
    tokenizer.save_pretrained(out)
    # the class name that transformers 4 knows as well as 5
    path = out / "tokenizer_config.json"
    config = json.loads(path.read_text(encoding="utf-8"))
    config.pop("backend", None)
    path.write_text(json.dumps(config | {"tokenizer_class": "PreTrainedTokenizerFast"}, indent=2) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=TINY)
    out = parser.parse_args().out
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    torch.manual_seed(SEED)
    bank = read_items(TINY / "bank.jsonl")
    # the short bank is cut to this vocabulary, so it has no say in it
    tokenizer = train_tokenizer(bank)
    rows = encode(bank + read_items(TINY / "short.jsonl"), tokenizer)
    model = new_model(tokenizer)
    pad = tokenizer.pad_token_id
    lengths = [len(prompt) for prompt, _ in rows]
    print(f"{model.num_parameters():,} parameters, {len(tokenizer)} tokens in the vocabulary")
    print(f"prompts {min(lengths)} to {max(lengths)} tokens, answers up to {max(len(a) for _, a in rows)}")
    train(model, rows, pad)
    print(f"narrowest margin in float32: {narrowest_margin(model, rows, pad):.2f}")
    save(model, tokenizer, out)
    reloaded = LlamaForCausalLM.from_pretrained(out, dtype=torch.float32)
    print(f"narrowest margin of the float16 file: {narrowest_margin(reloaded, rows, pad):.2f}")
    print(f"exact answers from the file: {count_exact(reloaded, tokenizer, rows)} of {len(rows)}")


if __name__ == "__main__":
    main()
