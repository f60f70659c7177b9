"""Words and signs of frameworks and chat templates that no answer should hold.

Each was read in the named public source on the named date. They are short on purpose: enough to be no coincidence.
"""

from __future__ import annotations

import re
from typing import NamedTuple


class Signature(NamedTuple):
    """One tell-tale."""

    pattern: re.Pattern[str]
    what: str
    source: str
    date: str


def _phrase(words: str, what: str, source: str) -> Signature:
    pattern = r"\s+".join(map(re.escape, words.split()))
    return Signature(re.compile(pattern, re.IGNORECASE), what, source, "2026-11-20")


def _pattern(pattern: str, what: str, source: str) -> Signature:
    return Signature(re.compile(pattern), what, source, "2026-11-20")


SIGNATURES = (
    _phrase(
        "final response which ends this conversation",
        "default description of the output tool",
        "pydantic-ai-slim 2.68.0, DEFAULT_OUTPUT_TOOL_DESCRIPTION",
    ),
    _phrase("Plain text responses are not permitted", "retry prompt", "pydantic-ai, RetryPromptPart"),
    _pattern(
        r"\bfinal_result(?:\b(?!s)|_[A-Z]\w+)",
        "name of the output tool",
        "pydantic-ai, DEFAULT_OUTPUT_TOOL_NAME",
    ),
    _phrase(
        "should be formatted as a JSON instance that conforms to",
        "format instructions",
        "LangChain, PydanticOutputParser",
    ),
    _pattern(
        r"(?:^|\n)\W*Thought:[^\n]*\n+\W*(?:Action|Final Answer):", "agent loop", "LangChain, ReAct prompt"
    ),
    _pattern(r"(?:^|\n)\W*Action Input:\s*\S", "agent loop", "LangChain, ReAct prompt"),
    _phrase("I now can give a great answer", "agent prompt", "CrewAI"),
    _phrase(
        "Provides a final answer to the given problem", "tool description", "smolagents, FinalAnswerTool"
    ),
    _phrase(
        "Given the following functions, please respond with a JSON",
        "tool prompt",
        "Llama 3.1 chat template",
    ),
    _phrase("Cutting Knowledge Date:", "system preamble", "Llama 3.1 chat template"),
    _pattern(r"(?:^|\n)Environment: ipython\b", "system preamble", "Llama 3.1 chat template"),
    _phrase("You may call one or more functions to assist with", "tool prompt", "Qwen 2.5 chat template"),
    _pattern(
        r"</?tool_(?:call|response)s?>|<tools>", "tool-call tag", "Qwen 2.5 and Hermes chat templates"
    ),
    _pattern(r"<function=\w+>|<\|python_tag\|>", "tool-call tag", "Llama 3.1 chat template"),
    _pattern(
        r"\[(?:/?AVAILABLE_TOOLS|TOOL_CALLS|/?TOOL_RESULTS|/?INST)\]|<</?SYS>>",
        "template token",
        "Mistral and Llama 2 chat templates",
    ),
    _pattern(
        r"<\|(?:im_start|im_end|im_sep|endoftext|begin_of_text|end_of_text|start_header_id|end_header_id|eot_id|eom_id"
        r"|system|user|assistant|end|start|channel|message|return|fim_\w+|startoftext|endofprompt|observation"
        r"|reserved_special_token_\d+|[a-z]+_(?:start|end)|finetune_right_pad_id)\|>",
        "chat-template token",
        "ChatML, Llama 3, Phi-3, GLM and gpt-oss chat templates",
    ),
    _pattern(
        r"(?m)^### (?:Instruction|Response|Human|Assistant):[ \t]*$", "prompt headings", "Alpaca template"
    ),
    _pattern(
        r"(?s)(?:^|\n)(?:Human|User|USER): .*\n+(?:Assistant|ASSISTANT):|\A\s*(?:Assistant|ASSISTANT): ",
        "role headings",
        "Vicuna and plain chat templates",
    ),
    _pattern(
        r"\b(?:start_header_id|end_header_id|begin_of_text|im_start|im_end|eot_id)\b",
        "chat-template token",
        "Llama 3 and ChatML",
    ),
    _pattern(
        r"<(?:start|end)_of_turn>|<(?:bos|eos|unk|pad)>|<\uff5c[^<>\uff5c]{1,40}\uff5c>",
        "chat-template token",
        "Gemma and DeepSeek chat templates",
    ),
    _pattern(
        r"(?s)^\s*<s>(?!.*</s>)|\A(?!.*<s>).*</s>\s*\Z|\A\s*<s>.*</s>\s*\Z",
        "end-of-sequence token",
        "SentencePiece vocabularies (Llama 2, Mistral)",
    ),
    _pattern(
        r"(?:^|[.!?)\"'”])assistant\n\n",
        "role header without its tokens",
        "Llama 3 chat template, special tokens skipped",
    ),
    _pattern(
        r"(?m)^You have access to the following tools:", "tool prompt", "ReAct prompts in public code"
    ),
    _pattern(
        r"\{\s*\"type\":\s*\"function\",\s*\"function\":\s*\{|\"tool_calls\":\s*\[",
        "tool definition",
        "OpenAI API, tools",
    ),
    _pattern(r"\bto=functions\.\w+|\bfunctions\.\w+\(\{", "tool call", "OpenAI API, tools"),
)
