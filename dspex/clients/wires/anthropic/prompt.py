"""A prompt as Anthropic's JSON: what a predictor sends in every call is written once, and marked to be cached."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from dspex.clients.canonical.prompt_caching import PromptCaching, prompt_caching
from dspex.clients.canonical.request import SplitMessages, in_order, split_messages
from dspex.clients.wires.anthropic.conversation import Conversation, as_blocks, mark
from dspex.errors import UsageError

if TYPE_CHECKING:
    from dspex.clients.canonical.prompt import Prefix

Messages = Sequence[Mapping[str, Any]]
Beginning = tuple[bytes, str | None]
"""The JSON of a request up to the last turn of its prefix, and that turn's role; None if there is none."""

_PLAIN = ({"content", "role"}, {"role", "content"})


def prompt_json(messages: list[dict[str, Any]], params: Mapping[str, Any]) -> tuple[bytes, SplitMessages, list[str]]:
    """Translate messages into Anthropic's system prompt and turns; the prefix of a `Prompt` is translated once.

    Args:
        messages: A conversation in OpenAI's chat format.
        params: All parameters, for `prompt_cache` and `cache_control_injection_points`.

    Returns:
        ``{"system": ..., "messages": [...],`` as bytes, the split messages that it was made of, and the names of the
        tools called in it.
    """
    split = split_messages(messages)
    caching = prompt_caching(params.get("prompt_cache"))
    points = params.get("cache_control_injection_points")
    if split.prefix is not None and not points and not caching.history and _goes_on_plainly(split.rest):
        beginning, role = _beginning(split.prefix, caching)
        if beginning and role != split.rest[0]["role"]:
            joint = b"," if role else b""
            return beginning + joint + split.rest_json + b"],", split, []
    said = [*split.prefix.messages, *split.rest] if split.prefix is not None else list(split.rest)
    if points:
        return _written(Conversation(_with_points(said, points)), split)
    conversation = Conversation(said)
    _mark_conversation(conversation, split.prefix, caching)
    return _written(conversation, split)


def _written(conversation: Conversation, split: SplitMessages) -> tuple[bytes, SplitMessages, list[str]]:
    conversation.complete()
    system = b'"system":%b,' % in_order(_as_system(conversation.system)) if conversation.system else b""
    return b'{%b"messages":%b,' % (system, in_order(conversation.turns)), split, conversation.tools_called()


def _goes_on_plainly(rest: list[dict[str, Any]]) -> bool:
    """Whether `rest` is one user's text, as it nearly always is: then it is the same in both formats."""
    if len(rest) != 1:
        return False
    (message,) = rest
    return len(message) == 2 and message.get("role") == "user" and bool(message.get("content")) and _is_text(message)


def _is_text(message: Mapping[str, Any]) -> bool:
    return isinstance(message["content"], str)


def _beginning(prefix: Prefix, caching: PromptCaching) -> Beginning:
    """What all prompts with this prefix begin with; no bytes if it must be translated with the rest."""
    name = ("anthropic", caching)
    known = prefix.encodings.get(name)
    if known is None:
        known = prefix.encodings[name] = _encoded_beginning(prefix, caching)
    found: Beginning = known
    return found


def _encoded_beginning(prefix: Prefix, caching: PromptCaching) -> Beginning:
    conversation = Conversation(prefix.messages)
    if conversation.tools_called() or (conversation.turns and conversation.turns[0]["role"] != "user"):
        return b"", None
    _mark_conversation(conversation, prefix, caching)
    system = b'"system":%b,' % in_order(_as_system(conversation.system)) if conversation.system else b""
    turns = in_order(conversation.turns)[1:-1]
    return b'{%b"messages":[%b' % (system, turns), conversation.turns[-1]["role"] if conversation.turns else None


def _mark_conversation(conversation: Conversation, prefix: Prefix | None, caching: PromptCaching) -> None:
    """Mark the end of what is stable: the prefix of a predictor's prompts, or else the system message."""
    if prefix is None:
        if caching.wanted and conversation.system:
            conversation.system = mark(conversation.system, caching.marker)
    elif caching.marks(len(prefix.json)):
        stable = Conversation(prefix.messages)
        turns = len(stable.turns)
        if not turns:
            conversation.system = mark(conversation.system, caching.marker)
        else:
            ending = as_blocks(conversation.turns[turns - 1]["content"])
            own = len(as_blocks(stable.turns[-1]["content"]))
            conversation.turns[turns - 1]["content"] = mark(ending[:own], caching.marker) + ending[own:]
    if caching.history and conversation.turns:
        last = conversation.turns[-1]
        last["content"] = mark(as_blocks(last["content"]), caching.marker)


def _with_points(messages: Messages, points: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """`messages` marked where litellm's ``cache_control_injection_points`` say: by role, by index, or by both."""
    marked = [dict(message) for message in messages]
    for point in points:
        if point.get("location", "message") != "message":
            raise UsageError(f"cache_control_injection_points: only messages can be marked, not {point!r}")
        index, role = point.get("index"), point.get("role")
        chosen = marked if index is None else _at(marked, int(index))
        for message in chosen:
            if role is None or message.get("role") == role:
                message["cache_control"] = point.get("control") or {"type": "ephemeral"}
    return marked


def _at(messages: list[dict[str, Any]], index: int) -> list[dict[str, Any]]:
    return [messages[index]] if -len(messages) <= index < len(messages) else []


def _as_system(blocks: list[dict[str, Any]]) -> Any:
    """A system prompt of one unmarked text is that text."""
    if len(blocks) == 1 and set(blocks[0]) == {"type", "text"}:
        return blocks[0]["text"]
    return blocks
