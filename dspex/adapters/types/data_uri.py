"""Bytes in text: data URIs, and reading the files that go into them."""

from __future__ import annotations

import base64
import mimetypes
import os
from typing import Any


def base64_of(content: bytes) -> str:
    """`content` in base64."""
    return base64.b64encode(content).decode("ascii")


def data_uri(content: bytes, media_type: str) -> str:
    """Write ``data:<media type>;base64,<content>``.

    Args:
        content: The raw bytes.
        media_type: Such as ``image/png``.
    """
    return f"data:{media_type};base64,{base64_of(content)}"


def read_file(path: Any) -> bytes:
    """Read the file at `path`.

    Raises:
        ValueError: there is no such file.
    """
    if not os.path.isfile(path):
        raise ValueError(f"File not found: {path}. Relative paths start at {os.getcwd()}.")
    with open(path, "rb") as file:
        return file.read()


def media_type_of(path: Any) -> str | None:
    """Guess the media type by a file's or URL's name."""
    return mimetypes.guess_type(path)[0]
