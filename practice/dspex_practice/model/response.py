"""One whole answer, in no provider's format: thinking, text, calls, and why it ended."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from dspex_practice.model.tokens import CHARS_A_TOKEN, count_tokens
from dspex_practice.model.tools import ToolInvocation


class Finish(Enum):
    """Why an answer ended."""

    END = "end"
    LENGTH = "length"
    STOP = "stop"
    """At a text that the request named: `ModelReply.stopped_by`."""
    CALLS = "calls"


@dataclass(frozen=True, slots=True)
class ModelReply:
    """One answer, as every format writes it."""

    text: str
    finish: Finish = Finish.END
    thinking: str = ""
    calls: tuple[ToolInvocation, ...] = ()
    stopped_by: str | None = None

    @property
    def thinking_tokens(self) -> int:
        """Tokens of the thinking alone."""
        return count_tokens(self.thinking)

    @property
    def tokens(self) -> int:
        """All that is paid for: thinking and calls too."""
        called = sum(count_tokens(call.name) + count_tokens(call.written) for call in self.calls)
        return self.thinking_tokens + count_tokens(self.text) + called


def stopped(reply: ModelReply, stops: Sequence[str]) -> ModelReply:
    """`reply` up to the first of `stops`."""
    found = [(place, stop) for stop in stops if (place := reply.text.find(stop)) >= 0]
    if not found:
        return reply
    place, stop = min(found)
    return ModelReply(reply.text[:place], Finish.STOP, reply.thinking, stopped_by=stop)


def limited(reply: ModelReply, max_tokens: int | None) -> ModelReply:
    """`reply` within `max_tokens`. Thinking comes first; calls that do not fit are not made."""
    if max_tokens is None or reply.tokens <= max_tokens:
        return reply
    thinking = reply.thinking[: max_tokens * CHARS_A_TOKEN]
    left = max_tokens - count_tokens(thinking)
    return ModelReply(reply.text[: left * CHARS_A_TOKEN], Finish.LENGTH, thinking)
