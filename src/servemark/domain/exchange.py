"""What is asked, what came back, and what the checks say of it."""

from __future__ import annotations

from typing import Any, Literal

from servemark.domain.record import Record

EvalType = Literal["answer", "teaching"]
"""answer: the model answers; teaching: it explains a key that it was given."""
AnswerFormat = Literal["text", "choice", "exact", "number", "json"]
"""How an answer is graded: not at all; by the chosen option; word for word; as a number; as JSON by a schema."""

Check = Literal[
    "wrong_language", "wrong_answer", "invalid_choice", "self_contradiction", "system_prompt_leak",
    "framework_text", "context_echo", "repetition", "gibberish", "truncated_cap", "truncated_window",
    "truncated_stream", "empty_answer", "lost_context", "cross_talk", "bad_format", "refusal",
]  # fmt: skip
CHECKS: tuple[Check, ...] = Check.__args__  # pyright: ignore[reportAttributeAccessIssue]
"""Every check, in the order of reports. The three kinds of truncation: at the cap that was asked for, at the end
of the context window before it, and a stream that stopped without saying so."""
Severity = Literal["critical", "major", "minor"]
"""critical: others' or internal text got out; major: the answer is of no use; minor: it is of less use."""


class Message(Record, frozen=True, kw_only=True):
    """One chat message."""

    role: Literal["system", "user", "assistant"]
    content: str


class Item(Record, frozen=True, kw_only=True):
    """One question of a suite."""

    id: str
    messages: tuple[Message, ...]
    key: str | None = None
    """The right choice or answer, where there is one."""
    expected_language: str | None = None
    """ISO 639-1 code."""
    answer: str | None = None
    """A complete right answer."""
    tags: tuple[str, ...] = ()
    context: str = ""
    """The passage that the question is about, as it stands in the messages."""
    options: dict[str, str] = {}
    """Offered choices, label -> text; the text is empty where only labels are known."""
    eval_type: EvalType = "answer"
    format: AnswerFormat = "text"
    schema: dict[str, Any] | None = None
    """JSON schema of the answer, for `format` json."""
    recalls: tuple[str, ...] = ()
    """What an answer must hold that remembers its prompt: a needle, the code word of an earlier turn."""
    max_tokens: int | None = None
    """Cap of the answer where the suite's own is not right for it."""


class Suite(Record, frozen=True, kw_only=True):
    """A set of items that are asked again at every load."""

    key: str
    title: str
    items: tuple[Item, ...]
    max_tokens: int = 256
    """Cap of every answer that sets none."""
    nonce: bool = True
    """Each request carries a code of its own. Off for a model that knows its prompts by heart."""
    canary: bool = True
    """The system prompt carries a code that must not come back."""
    source: str = ""
    """Where the items come from: file, or generator with its seed."""


class Exchange(Record, frozen=True, kw_only=True):
    """One question and its answer, ready to be checked. What is unknown is None or empty."""

    id: str
    system: str = ""
    messages: tuple[Message, ...] = ()
    """All but the system message, which is `system`."""
    context: str = ""
    options: dict[str, str] = {}
    key: str | None = None
    expected_language: str | None = None
    eval_type: EvalType = "answer"
    format: AnswerFormat = "text"
    schema: dict[str, Any] | None = None
    recalls: tuple[str, ...] = ()
    answer: str | None = None
    """What the user gets: the text of the answer, or only the choice where reasoning came apart from it."""
    reasoning: str | None = None
    """Reasons given in the same request."""
    thoughts: bool = False
    """The reasons are the model's own thoughts, sent apart, which no user is shown."""
    expected_answer: str | None = None
    """A complete right answer, where known: to find it in another's exchange."""
    finish_reason: str | None = None
    max_tokens: int | None = None
    completion_tokens: int | None = None
    prompt_tokens: int | None = None
    """As the server counts."""
    alone_prompt_tokens: int | None = None
    """The server's count of the same prompt asked alone."""
    nonce: str = ""
    """The code of this request alone, as it stands in its prompt."""
    canary: str = ""
    """The code of the system prompt, as it stands there."""
    error: str = ""
    """What the stream said instead of an end."""


class CheckResult(Record, frozen=True, kw_only=True):
    """A defect that one check found."""

    check: Check
    severity: Severity
    excerpt: str = ""
    """The words that prove it, from the answer (or the error)."""
    detail: str = ""
    """What is wrong with them, with the figures behind it."""


class Judgement(Record, frozen=True, kw_only=True):
    """What the checks say of one exchange. A check in neither `findings` nor `passed` did not apply."""

    findings: tuple[CheckResult, ...] = ()
    passed: tuple[Check, ...] = ()
    notes: tuple[str, ...] = ()
    """Remarks that are no defect."""

    def failed(self, check: Check) -> bool | None:
        """Whether it has that defect; None where the check did not apply."""
        if any(each.check == check for each in self.findings):
            return True
        return False if check in self.passed else None

    @property
    def is_useful(self) -> bool:
        """Nothing worse than a minor defect."""
        return all(each.severity == "minor" for each in self.findings)


class Checked(Record, frozen=True, kw_only=True):
    """What the checks say of many exchanges."""

    source: str
    """File, or id of the run."""
    ids: tuple[str | int | float, ...]
    """Of each exchange, as it was written."""
    judgements: tuple[Judgement, ...]
    """In the order of `ids`."""
    notes: tuple[str, ...] = ()
    strict: bool = False
    """A defect above minor is a broken promise."""
