"""What is in a content part that is not text: an image, a recording or a file; as data, by URL or by an id."""

from __future__ import annotations

import base64
import mimetypes
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote_to_bytes, urlsplit

from dspex.errors import UsageError


@dataclass(frozen=True, slots=True)
class Media:
    """One of `data` (base64), `url` and `file_id` is set. `media_type` is None where nothing tells it."""

    media_type: str | None
    data: str | None = None
    url: str | None = None
    file_id: str | None = None
    name: str | None = None

    @property
    def text(self) -> str:
        """The data as text."""
        return base64.b64decode(self.data or "").decode(errors="replace")


def media_of(part: Mapping[str, Any]) -> Media | None:
    """Read an OpenAI content part of type ``image_url``, ``input_audio`` or ``file``; None for another part.

    Raises:
        UsageError: the part holds nothing.
    """
    kind = part.get("type")
    if kind == "image_url":
        image = part.get("image_url")
        return _found(image.get("url") if isinstance(image, dict) else image)
    if kind == "input_audio":
        audio = part.get("input_audio") or {}
        sound = str(audio.get("format"))
        return Media(_AUDIO.get(sound, f"audio/{sound}"), data=audio.get("data"))
    if kind == "file":
        return _file(part.get("file") or {})
    return None


_AUDIO = {"mp3": "audio/mp3", "mpeg": "audio/mpeg", "x-wav": "audio/wav"}


def _file(file: Mapping[str, Any]) -> Media:
    name, media_type = file.get("filename"), file.get("format")
    if file.get("file_id"):
        known = media_type or (mimetypes.guess_type(name)[0] if name else None)
        return Media(known, file_id=file["file_id"], name=name)
    found = _found(file.get("file_data"))
    guessed = mimetypes.guess_type(name)[0] if name else None
    return Media(media_type or found.media_type or guessed, found.data, found.url, name=name)


def _found(given: Any) -> Media:
    """What a data URI, another URL or bare base64 holds."""
    if not isinstance(given, str) or not given:
        raise UsageError("An image or file of a message holds neither data nor a URL.")
    if given.startswith("data:"):
        head, _, data = given[5:].partition(",")
        media_type, *options = head.split(";")
        if "base64" not in options:
            data = base64.b64encode(unquote_to_bytes(data)).decode()
        return Media(media_type or "text/plain", data=data)
    if "://" in given:
        return Media(mimetypes.guess_type(urlsplit(given).path)[0], url=given)
    return Media(None, data=given)
