"""`Hasher`: a digest of Python objects, by their pickles."""

from __future__ import annotations

import hashlib
import pickle
from collections.abc import Iterable
from typing import Any


class Hasher:
    """A running SHA-256 over objects. ``Hasher.hash(value)`` is that of one object alone."""

    def __init__(self) -> None:
        self.m = hashlib.sha256()

    @classmethod
    def hash_bytes(cls, value: bytes | Iterable[bytes]) -> str:
        """Return the digest of bytes, or of several pieces one after another."""
        return hashlib.sha256(value if isinstance(value, bytes) else b"".join(value)).hexdigest()

    @classmethod
    def hash(cls, value: Any) -> str:
        """Return the digest of an object that can be pickled."""
        return cls.hash_bytes(pickle.dumps(value))

    def update(self, value: Any) -> None:
        """Take in one object more: its type and its content."""
        self.m.update(f"=={type(value)}=={self.hash(value)}".encode())

    def hexdigest(self) -> str:
        """The hash of all that was added, in hexadecimal digits."""
        return self.m.hexdigest()
