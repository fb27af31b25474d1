"""What LMs were asked and what they answered, kept for the user to look at: bounded, and switched off by
``disable_history``."""

from __future__ import annotations

import json
import sys
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any, TextIO

from dspex.settings import settings

MAX_HISTORY_SIZE = 10_000
GLOBAL_HISTORY: list[dict[str, Any]] = []
"""The last calls of all LMs of this process."""


def record_history(lm: Any, entry: dict[str, Any]) -> None:
    """Add a call to the process's history, the LM's own, and those of the modules that made it.

    Args:
        lm: The LM, with a list `history`.
        entry: The call as `BaseLM.keep` describes it.
    """
    if settings.disable_history:
        return
    _append(GLOBAL_HISTORY, entry, MAX_HISTORY_SIZE)
    size = settings.max_history_size
    if size:
        for owner in (lm, *(settings.caller_modules or ())):
            _append(owner.history, entry, size)


def stamp() -> dict[str, str]:
    """Return the time and a new id, for an entry of a history."""
    return {"timestamp": datetime.now().isoformat(), "uuid": str(uuid.uuid4())}


def inspect_history(n: int = 1, file: TextIO | None = None) -> None:
    """Print the last calls of all LMs of this process.

    Args:
        n: How many calls.
        file: Where to print, without colours. None prints to standard output.
    """
    pretty_print_history(GLOBAL_HISTORY, n, file)


def pretty_print_history(history: Sequence[Mapping[str, Any]], n: int = 1, file: TextIO | None = None) -> None:
    """Print the last calls of `history`. Images, audio and files are named, not printed.

    Args:
        history: The calls, oldest first, as `BaseLM.keep` describes them.
        n: How many calls.
        file: Where to print, without colours. None prints to standard output, in colours.
    """
    paint = _Paint(colours=file is None)
    shown = "".join(text for entry in (history[-n:] if n > 0 else ()) for text in _call(entry, paint))
    print(shown + "\n\n\n", file=file or sys.stdout)


print_history = pretty_print_history


def _append(history: list[dict[str, Any]], entry: dict[str, Any], size: int) -> None:
    history.append(entry)
    if len(history) > size:
        del history[: len(history) - size]


class _Paint:
    """Text in a colour, if there are colours. A heading is followed by an empty line, as DSPy prints it."""

    def __init__(self, colours: bool) -> None:
        self._colours = colours

    def blue(self, text: str) -> str:
        return self._in(34, text) + "\n\n"

    def red(self, text: str) -> str:
        return self._in(31, text) + "\n\n"

    def green(self, text: str) -> str:
        return self._in(32, text.lstrip()) + "\n\n"

    def aside(self, text: str) -> str:
        return self._in(31, text) + "\n"

    def _in(self, code: int, text: str) -> str:
        return f"\x1b[{code}m{text}\x1b[0m" if self._colours else text


def _call(entry: Mapping[str, Any], paint: _Paint) -> Iterator[str]:
    yield "\n\n\n\n" + paint.blue(f"[{entry.get('timestamp', 'Unknown time')}]")
    for message in entry["messages"] or [{"role": "user", "content": entry["prompt"]}]:
        yield paint.red(f"{message['role'].capitalize()} message:")
        yield from _content(message.get("content"), paint)
        yield from _tool_calls(message.get("tool_calls"), paint)
        yield "\n\n"
    outputs = entry["outputs"]
    if outputs:
        yield from _output(outputs[0], paint)
    if len(outputs) > 1:
        yield paint.aside(f" \t (and {len(outputs) - 1} other completions)")


def _content(content: Any, paint: _Paint) -> Iterator[str]:
    if isinstance(content, str):
        yield content.strip() + "\n"
    elif isinstance(content, list):
        for part in content:
            yield f"{part['text'].strip()}\n" if part.get("type") == "text" else paint.blue(_named(part))


def _output(output: Any, paint: _Paint) -> Iterator[str]:
    rich = isinstance(output, Mapping)
    text = output.get("text") if rich else output
    if text or not rich:
        yield paint.red("Response:") + paint.green((text or "").strip())
    if rich:
        yield from _tool_calls(output.get("tool_calls"), paint)


def _tool_calls(calls: Sequence[Any] | None, paint: _Paint) -> Iterator[str]:
    if calls:
        yield paint.red("Tool calls:")
    for call in calls or ():
        function = call.get("function") or {}
        arguments = function.get("arguments")
        if arguments is None:
            arguments = call.get("args", call.get("arguments", {}))
        if isinstance(arguments, str):
            with suppress(json.JSONDecodeError):
                arguments = json.loads(arguments)
        if isinstance(arguments, dict | list):
            arguments = json.dumps(arguments, ensure_ascii=False)
        yield paint.green(f"{function.get('name') or call.get('name', '<unknown>')}: {arguments}")


def _named(part: Mapping[str, Any]) -> str:
    """What is not text, by what it is and how much."""
    kind = part.get("type")
    if kind == "image_url":
        url = part["image_url"].get("url", "")
        head, base64, data = url.partition("base64,")
        return f"<{head}base64,<IMAGE BASE 64 ENCODED({len(data)})>" if base64 else f"<image_url: {url}>"
    if kind == "input_audio":
        audio = part["input_audio"]
        return f"<audio format='{audio['format']}' base64-encoded, length={len(audio['data'])}>"
    if kind in ("file", "input_file"):
        file = part.get("file") or part.get("input_file") or {}
        name, identity, data = (file.get(key) or "" for key in ("filename", "file_id", "file_data"))
        return f"<file: name:{name}, id:{identity}, data_length:{len(data)}>"
    return f"<{kind}>"
