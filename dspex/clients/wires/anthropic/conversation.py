"""Messages in OpenAI's shape as those of Anthropic's API: a system prompt, then user and assistant in turn.

A conversation is changed to what Anthropic accepts: system messages go to the front; neighbours of one role become one
turn; a conversation that the assistant opens gets a user's turn of one dot before it (so does litellm); empty texts are
left out; an answer to be continued ends without white space.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from dspex.clients.canonical.media import Media, media_of
from dspex.clients.canonical.params import refuse
from dspex.clients.canonical.tool_calls import arguments_of
from dspex.errors import UsageError

Block = dict[str, Any]

PROVIDER = "Anthropic"

_FOREIGN_ID = re.compile(r"[^a-zA-Z0-9_-]")


class Conversation:
    """The system blocks and the turns of a request, gathered from messages."""

    def __init__(self, messages: Iterable[Mapping[str, Any]] = ()) -> None:
        self.system: list[Block] = []
        self.turns: list[dict[str, Any]] = []
        for message in messages:
            self.add(message)

    def add(self, message: Mapping[str, Any]) -> None:
        """Add one of OpenAI's messages.

        Raises:
            UsageError: it has a role that is not known.
            LMUnsupportedFeatureError: it has content that Anthropic does not take.
        """
        role, content = message.get("role"), message.get("content")
        if role in ("system", "developer"):
            self.system += _marked(_blocks(content), message)
        elif role == "tool":
            self._turn("user", _marked([_tool_result(message)], message))
        elif role == "user" and isinstance(content, str) and content and "cache_control" not in message:
            self._turn("user", content)
        elif role == "user":
            self._turn("user", _marked(_blocks(content), message))
        elif role == "assistant":
            self._turn("assistant", _marked(_said(message), message))
        else:
            raise UsageError(f"A message's role is system, developer, user, assistant or tool, not {role!r}")

    def complete(self) -> None:
        """Change what Anthropic would not accept: the assistant as the first, and white space at its end."""
        if not self.turns:
            self.system, blocks = [], self.system
            self.turns = [{"content": blocks or "", "role": "user"}]
        if self.turns[0]["role"] == "assistant":
            self.turns.insert(0, {"content": ".", "role": "user"})
        last = self.turns[-1]
        if last["role"] == "assistant" and as_blocks(last["content"])[-1].get("type") == "text":
            *before, ending = as_blocks(last["content"])
            last["content"] = [*before, {**ending, "text": ending["text"].rstrip()}]

    def tools_called(self) -> list[str]:
        """Return the names of the tools that were called, each once."""
        blocks = [block for turn in self.turns if isinstance(turn["content"], list) for block in turn["content"]]
        return list(dict.fromkeys(block["name"] for block in blocks if block.get("type") == "tool_use"))

    def _turn(self, role: str, content: str | list[Block]) -> None:
        if not content:
            return
        if self.turns and self.turns[-1]["role"] == role:
            self.turns[-1]["content"] = as_blocks(self.turns[-1]["content"]) + as_blocks(content)
        else:
            self.turns.append({"content": content, "role": role})


def as_blocks(content: str | list[Block]) -> list[Block]:
    """Return a turn's content as a list of content blocks."""
    return [{"type": "text", "text": content}] if isinstance(content, str) else content


def mark(blocks: list[Block], marker: Mapping[str, Any]) -> list[Block]:
    """Mark the last block that the provider may cache up to; thoughts may not be marked.

    Args:
        blocks: Content blocks. They are not changed.
        marker: The value of ``cache_control``.

    Returns:
        `blocks` with the mark, or as they are if none may have it.
    """
    for index in range(len(blocks) - 1, -1, -1):
        if blocks[index].get("type") not in ("thinking", "redacted_thinking"):
            return [*blocks[:index], {**blocks[index], "cache_control": dict(marker)}, *blocks[index + 1 :]]
    return blocks


def _marked(blocks: list[Block], message: Mapping[str, Any]) -> list[Block]:
    """`blocks` with the mark that the user has put on their message, if any."""
    return mark(blocks, message["cache_control"]) if message.get("cache_control") else blocks


def _said(message: Mapping[str, Any]) -> list[Block]:
    """An assistant's message: thoughts as they came (signed), text, and calls of tools."""
    thoughts = [dict(block) for block in message.get("thinking_blocks") or ()]
    return thoughts + _blocks(message.get("content")) + [_call(call) for call in message.get("tool_calls") or ()]


def _blocks(content: Any) -> list[Block]:
    if isinstance(content, str):
        return [{"type": "text", "text": content}] if content else []
    return [block for part in content or () if (block := _block(part)) is not None]


def _block(part: Any) -> Block | None:
    """A content part as a block. What is neither OpenAI's nor text is Anthropic's own, and stays as it is."""
    if isinstance(part, str):
        return {"type": "text", "text": part} if part else None
    kind = part.get("type")
    if kind == "text":
        return dict(part) if part.get("text") else None
    media = media_of(part)
    if media is None:
        return dict(part)
    block = _media_block(media, kind)
    return {**block, "cache_control": part["cache_control"]} if part.get("cache_control") else block


def _media_block(media: Media, kind: str) -> Block:
    media_type = media.media_type or ("image/jpeg" if kind == "image_url" else "application/pdf")
    source = _source(media, media_type, kind)
    if media_type.startswith("image/"):
        return {"type": "image", "source": source}
    return {"type": "document", "source": source, **({"title": media.name} if media.name else {})}


def _source(media: Media, media_type: str, kind: str) -> dict[str, Any]:
    if media.file_id is not None:
        return {"type": "file", "file_id": media.file_id}
    if media.url is not None:
        return {"type": "url", "url": media.url}
    if media_type.startswith("text/"):
        return {"type": "text", "media_type": "text/plain", "data": media.text}
    if not (media_type.startswith("image/") or media_type == "application/pdf"):
        refuse(kind, PROVIDER, f"it takes images, PDF and text, not {media_type}")
    return {"type": "base64", "media_type": media_type, "data": media.data}


def _call(call: Mapping[str, Any]) -> Block:
    function = call.get("function") or {}
    return {
        "type": "tool_use",
        "id": _own_id(call.get("id")),
        "name": function.get("name", ""),
        "input": arguments_of(function.get("arguments")),
    }


def _tool_result(message: Mapping[str, Any]) -> Block:
    content = message.get("content")
    result = content if isinstance(content, str) else _blocks(content)
    return {"type": "tool_result", "tool_use_id": _own_id(message.get("tool_call_id")), "content": result}


def _own_id(given: Any) -> str:
    """An id that Anthropic takes, also of a call that another provider's model made."""
    return _FOREIGN_ID.sub("_", str(given or "")) or "_"
