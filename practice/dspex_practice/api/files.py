"""Files that clients uploaded and that batches wrote, kept in memory while the server runs."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b

from dspex_practice.model.errors import Reason, RefusedError


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file. `created` is the time of day in seconds."""

    id: str
    name: str
    purpose: str
    data: bytes
    created: float
    content_type: str = "application/octet-stream"


class Files:
    """Files by id, in the order of their making."""

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix
        self._made = 0
        self._files: dict[str, StoredFile] = {}

    def add(self, name: str, purpose: str, data: bytes, created: float, content_type: str = "") -> StoredFile:
        """Keep a file. Each has an id of its own, even if it holds the same."""
        self._made += 1
        digest = blake2b(f"{self._made} {name} ".encode() + data, digest_size=12).hexdigest()
        kept = StoredFile(f"{self._prefix}{digest}", name, purpose, data, created, content_type or "text/plain")
        self._files[kept.id] = kept
        return kept

    def get(self, file_id: str) -> StoredFile:
        """A file.

        Raises:
            RefusedError: if there is none of that id.
        """
        if file_id not in self._files:
            raise RefusedError(Reason.NO_SUCH, f"No such File object: {file_id}", param="id")
        return self._files[file_id]

    def delete(self, file_id: str) -> None:
        """Delete a file.

        Raises:
            RefusedError: if there is none of that id.
        """
        del self._files[self.get(file_id).id]

    def all(self) -> list[StoredFile]:
        """Newest first."""
        return list(self._files.values())[::-1]
