"""Codes in prompts: the nonce of one request, the canary of a system prompt.

A code reads `SM-7KQ2M9XA4D`: no vowels, so that it spells no word in any language, and no signs that look alike.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence

from msgspec.structs import replace

from servemark.domain.exchange import Message

ALPHABET = "23456789BCDFGHJKMNPQRTVWXYZ"
CODE_LENGTH = 10
"""27^10 = 2e14 codes: among 100,000 of one run two are equal with a probability of 2.4e-5 (n^2 / 2N)."""
CODE = re.compile(rf"\bSM-[{ALPHABET}]{{{CODE_LENGTH}}}\b")
_CODE_LINE = re.compile(
    rf"[ \t]*\[(?:ref|key) {CODE.pattern.removeprefix(chr(92) + 'b').removesuffix(chr(92) + 'b')}\]"
)


def code_of(seed: int, *parts: object) -> str:
    """The code of these parts, e.g. `code_of(seed, "nonce", level, index)`: the same for the same seed and parts."""
    # the unit separator keeps ("a", "bc") apart from ("ab", "c")
    digest = hashlib.sha256("\x1f".join(map(str, (seed, *parts))).encode()).digest()
    number = int.from_bytes(digest, "big")
    signs: list[str] = []
    for _ in range(CODE_LENGTH):
        number, index = divmod(number, len(ALPHABET))
        signs.append(ALPHABET[index])
    return "SM-" + "".join(signs)


def with_codes(messages: Sequence[Message], *, nonce: str = "", canary: str = "") -> tuple[Message, ...]:
    """The messages with their codes: `[ref NONCE]` as the last line of the last user message, `[key CANARY]` as the
    last line of the first system message.

    Where there is no such message its code is left out; `holds_code` tells.
    """
    out = list(messages)
    users = [i for i, each in enumerate(out) if each.role == "user"]
    systems = [i for i, each in enumerate(out) if each.role == "system"]
    if nonce and users:
        out[users[-1]] = _with_line(out[users[-1]], f"[ref {nonce}]")
    if canary and systems:
        out[systems[0]] = _with_line(out[systems[0]], f"[key {canary}]")
    return tuple(out)


def _with_line(message: Message, line: str) -> Message:
    return replace(message, content=f"{message.content}\n{line}" if message.content else line)


def without_codes(text: str) -> str:
    """The text without codes and the lines that carry them; a text without any comes back as it is."""
    if "SM-" not in text:
        return text
    bare = CODE.sub("", _CODE_LINE.sub("", text))
    return "\n".join(line.rstrip() for line in bare.split("\n")).strip() if bare != text else text


def codes_in(text: str) -> tuple[str, ...]:
    """Every code in a text, in order, each once."""
    return tuple(dict.fromkeys(CODE.findall(text))) if "SM-" in text else ()
