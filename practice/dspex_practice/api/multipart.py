"""The parts of a form that was sent as ``multipart/form-data``."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from email.message import Message

from dspex_practice.model.errors import BadRequestError


@dataclass(frozen=True, slots=True)
class Part:
    name: str
    data: bytes
    filename: str | None = None
    content_type: str = ""


def read_parts(raw: bytes, content_type: str) -> dict[str, Part]:
    """The parts by name.

    Raises:
        BadRequestError: if it is no such form.
    """
    boundary = _header(content_type).get_param("boundary")
    if not content_type.startswith("multipart/form-data") or not isinstance(boundary, str):
        raise BadRequestError("The request must be multipart/form-data.")
    return {part.name: part for part in _parts(raw, b"--" + boundary.encode())}


def _parts(raw: bytes, boundary: bytes) -> Iterator[Part]:
    for piece in (b"\r\n" + raw).split(b"\r\n" + boundary)[1:]:
        head, found, data = piece.removeprefix(b"\r\n").partition(b"\r\n\r\n")
        if not found:
            continue
        lines = (line.partition(":") for line in head.decode("utf-8", "replace").split("\r\n"))
        headers = {name.strip().lower(): value.strip() for name, _, value in lines}
        said = _header(headers.get("content-disposition", ""))
        name, filename = said.get_param("name"), said.get_param("filename")
        if isinstance(name, str):
            kept = filename if isinstance(filename, str) else None
            yield Part(name, data, kept, headers.get("content-type", ""))


def _header(value: str) -> Message:
    message = Message()
    message["content-type"] = value
    return message
