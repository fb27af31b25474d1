"""Messages in OpenAI's shape as Gemini's contents: a system instruction, then user and model in turn.

Neighbours of one role become one turn, but what tools answered is a turn by itself; a conversation that the model opens
gets a user's turn of one dot before it; what has only system messages is asked as a user's turn.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from dspex.clients.canonical.media import Media, media_of
from dspex.clients.canonical.tool_calls import arguments_of
from dspex.errors import UsageError

Part = dict[str, Any]

PROVIDER = "Gemini"

UNSIGNED = "c2tpcF90aG91Z2h0X3NpZ25hdHVyZV92YWxpZGF0b3I="
"""``skip_thought_signature_validator`` in base64: Google's signature for a tool call that its model did not make."""


class Contents:
    """The instruction and the turns of a request, gathered from messages.

    Args:
        messages: OpenAI's messages.
        signed: Whether the model wants a signature on tool calls (from Gemini 3 on).
    """

    def __init__(self, messages: Iterable[Mapping[str, Any]] = (), signed: bool = False) -> None:
        self.system: list[Part] = []
        self.turns: list[dict[str, Any]] = []
        self._signed = signed
        self._called: dict[str, str] = {}
        for message in messages:
            self.add(message)

    def add(self, message: Mapping[str, Any]) -> None:
        """Add one of OpenAI's messages.

        Raises:
            UsageError: it has a role that is not known, or answers a call that was not made.
        """
        role, content = message.get("role"), message.get("content")
        if role in ("system", "developer"):
            self.system += _parts(content)
        elif role == "user":
            self._turn("user", _parts(content))
        elif role == "assistant":
            self._turn("model", [*_parts(content), *map(self._call, message.get("tool_calls") or ())])
        elif role == "tool":
            self._turn("user", [self._result(message)])
        else:
            raise UsageError(f"A message's role is system, developer, user, assistant or tool, not {role!r}")

    def complete(self) -> None:
        """Change what Gemini would not accept: no turn at all, or the model's as the first."""
        if not self.turns:
            self.system, parts = [], self.system
            self.turns = [{"parts": parts or [{"text": ""}], "role": "user"}]
        if self.turns[0]["role"] == "model":
            self.turns.insert(0, {"parts": [{"text": "."}], "role": "user"})

    def _turn(self, role: str, parts: list[Part]) -> None:
        if not parts:
            return
        last = self.turns[-1] if self.turns else None
        if last is not None and last["role"] == role and _are_results(last["parts"]) == _are_results(parts):
            last["parts"] += parts
        else:
            self.turns.append({"parts": parts, "role": role})

    def _call(self, call: Mapping[str, Any]) -> Part:
        function = call.get("function") or {}
        name, call_id = function.get("name", ""), call.get("id")
        called = {"name": name, "args": arguments_of(function.get("arguments"))}
        if call_id:
            self._called[call_id] = name
            called["id"] = call_id
        signature = (call.get("provider_specific_fields") or {}).get("thought_signature")
        if signature is None and self._signed:
            signature = UNSIGNED
        return (
            {"functionCall": called} if signature is None else {"functionCall": called, "thoughtSignature": signature}
        )

    def _result(self, message: Mapping[str, Any]) -> Part:
        """What a tool answered. Gemini wants the tool's name, which only the call may say."""
        call_id = message.get("tool_call_id")
        name = message.get("name") or self._called.get(call_id or "")
        if not name:
            raise UsageError(f"The answer of a tool belongs to no call before it: tool_call_id={call_id!r}")
        result: dict[str, Any] = {"name": name, "response": _response(message.get("content"))}
        return {"functionResponse": {**result, "id": call_id} if call_id else result}


def _are_results(parts: list[Part]) -> bool:
    return "functionResponse" in parts[0]


def _parts(content: Any) -> list[Part]:
    if isinstance(content, str):
        return [{"text": content}] if content else []
    return [found for part in content or () if (found := _part(part)) is not None]


def _part(part: Any) -> Part | None:
    """A content part of OpenAI's; a document of Anthropic's; or one of Gemini's own, as it is."""
    if isinstance(part, str):
        return {"text": part} if part else None
    kind = part.get("type")
    if kind == "text":
        return {"text": part["text"]} if part.get("text") else None
    if kind == "document":
        return _document(part.get("source") or {})
    media = media_of(part)
    if media is None:
        return {name: value for name, value in part.items() if name != "type"}
    return _media_part(media, "image/jpeg" if kind == "image_url" else "application/pdf")


def _media_part(media: Media, usual: str) -> Part:
    media_type = media.media_type or usual
    if media.data is not None:
        return {"inlineData": {"mimeType": media_type, "data": media.data}}
    return {"fileData": {"mimeType": media_type, "fileUri": media.url or media.file_id}}


def _document(source: Mapping[str, Any]) -> Part:
    if source.get("type") == "base64":
        return {"inlineData": {"mimeType": source.get("media_type"), "data": source.get("data")}}
    return {"text": str(source.get("data") or "")}


def _response(content: Any) -> dict[str, Any]:
    """What a tool answered as an object: its own, if it is one."""
    text = content if isinstance(content, str) else "".join(part.get("text", "") for part in _parts(content))
    try:
        found = json.loads(text)
    except ValueError:
        found = text
    return found if isinstance(found, dict) else {"output": found}
