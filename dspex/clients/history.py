"""What LMs were asked and what they answered, kept for the user to look at: bounded, and switched off by
``disable_history``."""

from __future__ import annotations

import sys
import uuid
from datetime import datetime
from typing import Any, TextIO

from dspex.settings import settings

MAX_HISTORY_SIZE = 10_000
GLOBAL_HISTORY: list[dict[str, Any]] = []
"""The last calls of all LMs of this process."""


def record_history(lm: Any, entry: dict[str, Any]) -> None:
    """Add a call to the process's history, the LM's own, and those of the modules that made it."""
    _append(GLOBAL_HISTORY, entry, MAX_HISTORY_SIZE)
    size = settings.max_history_size
    if size:
        for owner in (lm, *(settings.caller_modules or ())):
            _append(owner.history, entry, size)


def stamp() -> dict[str, str]:
    return {"timestamp": datetime.now().isoformat(), "uuid": str(uuid.uuid4())}


def inspect_history(n: int = 1, file: TextIO | None = None) -> None:
    """Print the last `n` calls of this process, to `file` or to standard output."""
    print_history(GLOBAL_HISTORY, n, file)


def print_history(history: list[dict[str, Any]], n: int = 1, file: TextIO | None = None) -> None:
    """Print the last `n` calls of `history`. Colours only on a terminal."""
    out = file or sys.stdout
    colour = out.isatty()
    for entry in history[-n:] if n > 0 else []:
        lines = [_tint(f"[{entry['timestamp']}]", 34, colour), ""]
        for message in entry["messages"] or [{"role": "user", "content": entry["prompt"]}]:
            lines += [_tint(f"{message['role'].capitalize()} message:", 31, colour), "", _readable(message), ""]
        lines += [_tint("Response:", 31, colour), ""]
        lines += [_tint(_readable(output), 32, colour) for output in entry["outputs"][:1]]
        if len(entry["outputs"]) > 1:
            lines.append(_tint(f"\t (and {len(entry['outputs']) - 1} other completions)", 31, colour))
        print("\n\n", *lines, "\n", sep="\n", file=out)


def _append(history: list[dict[str, Any]], entry: dict[str, Any], size: int) -> None:
    history.append(entry)
    if len(history) > size:
        del history[: len(history) - size]


def _tint(text: str, code: int, colour: bool) -> str:
    return f"\x1b[{code}m{text}\x1b[0m" if colour else text


def _readable(said: Any) -> str:
    """The text of a message or an output; other content by its kind, not by its bytes."""
    if isinstance(said, str):
        return said.strip()
    content = said.get("content", said.get("text"))
    parts = content if isinstance(content, list) else [{"type": "text", "text": content or ""}]
    shown = [str(one["text"]).strip() if one.get("type") == "text" else f"<{one.get('type')}>" for one in parts]
    calls = [f"Tool call: {call.get('function', call)}" for call in said.get("tool_calls") or ()]
    return "\n".join([*shown, *calls])
