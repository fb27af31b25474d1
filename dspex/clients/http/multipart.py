"""``multipart/form-data`` bodies (RFC 7578) with one file, for uploads that are streamed."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class FileForm:
    """A form with one JSONL file: send `head`, the file's bytes, then `tail`.

    Attributes:
        head: The bytes before the file's.
        tail: The bytes after the file's.
        content_type: The request's ``Content-Type``, which names the boundary between the parts.
    """

    head: bytes
    tail: bytes
    content_type: str

    def headers(self, size: int) -> dict[str, str]:
        """Return the request's headers for a file of `size` bytes."""
        return {
            "Content-Type": self.content_type,
            "Content-Length": str(len(self.head) + size + len(self.tail)),
        }


def file_form(fields: Mapping[str, str], filename: str) -> FileForm:
    """Build a form with text fields and a JSONL file in the field ``file``.

    Args:
        fields: The text fields, by name.
        filename: The name of the file, as the server sees it.
    """
    boundary = uuid.uuid4().hex
    parts = [
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in fields.items()
    ]
    parts.append(
        f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="{filename}"\r\n'
        "Content-Type: application/jsonl\r\n\r\n"
    )
    tail = f"\r\n--{boundary}--\r\n"
    return FileForm("".join(parts).encode(), tail.encode(), f"multipart/form-data; boundary={boundary}")
