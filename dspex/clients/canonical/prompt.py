"""`Prompt`: the messages of one call, of which all but the last few are the same in every call of a predictor.

The system message and the demos are rendered once and shared (`Prefix`), with their JSON and its hash, so that a client
encodes and digests only the last message. All other code sees an ordinary list of dicts: reading a shared message
puts a copy into its place, so that changing it changes this prompt alone.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from operator import is_
from typing import TYPE_CHECKING, Any, SupportsIndex

import orjson

if TYPE_CHECKING:
    from hashlib import _Hash

Message = dict[str, Any]


class Prefix:
    """Messages that many prompts begin with, and their encoding, which is made at first use.

    `encodings` holds what clients have made of them for other wire formats.
    """

    __slots__ = ("_hash", "_json", "encodings", "messages")

    def __init__(self, messages: Iterable[Message]) -> None:
        self.messages = tuple(messages)
        self._json: bytes | None = None
        self._hash: _Hash | None = None
        self.encodings: dict[Any, Any] = {}

    @property
    def json(self) -> bytes:
        """The messages as JSON with sorted keys, without the outer brackets; empty where JSON cannot say them."""
        if self._json is None:
            try:
                self._json = orjson.dumps(self.messages, option=orjson.OPT_SORT_KEYS)[1:-1]
            except TypeError:  # half of a surrogate pair; the client encodes such a prompt whole, in its own way
                self._json = b""
        return self._json

    @property
    def hash(self) -> _Hash:
        """The state of a SHA-256 over `json`; copy it before adding to it."""
        if self._hash is None:
            self._hash = hashlib.sha256(self.json)
        return self._hash


class Prompt(list[Message]):
    """Messages for an LM: a list of dicts with ``role`` and ``content``.

    For the client: `stable` are the leading shared messages, `prefix_json` and `prefix_hash` their encoding. Once they
    have been read or changed they are no longer shared: then `stable` and `prefix_json` are empty.

    Args:
        prefix: The messages that other prompts share.
        rest: The messages of this prompt alone, which follow them.
    """

    __slots__ = ("_prefix",)

    def __init__(self, prefix: Prefix, rest: Iterable[Message]) -> None:
        super().__init__(prefix.messages)
        super().extend(rest)
        self._prefix: Prefix | None = prefix

    @property
    def stable(self) -> Sequence[Message]:
        """The shared messages that this prompt begins with; do not change them."""
        prefix = self.shared_prefix
        return prefix.messages if prefix else ()

    @property
    def prefix_json(self) -> bytes:
        """`stable` as JSON with sorted keys, joined by commas, without brackets."""
        prefix = self.shared_prefix
        return prefix.json if prefix else b""

    @property
    def prefix_hash(self) -> _Hash:
        """A SHA-256 object fed with `prefix_json`; copy it before adding to it."""
        prefix = self.shared_prefix
        return prefix.hash if prefix else hashlib.sha256()

    @property
    def shared_prefix(self) -> Prefix | None:
        """What this prompt begins with, if it still shares it."""
        prefix = self._prefix
        if prefix is None or len(self) < len(prefix.messages):
            return None
        return prefix if all(map(is_, prefix.messages, super().__iter__())) else None

    def _own(self) -> None:
        """Put copies into the place of the shared messages."""
        prefix, self._prefix = self._prefix, None
        if prefix is None:
            return
        shared = {id(message) for message in prefix.messages}
        for index, message in enumerate(super().__iter__()):
            if id(message) in shared:
                super().__setitem__(index, _copy(message))

    # Every way in which a shared message could be handed out.

    def __getitem__(self, index: SupportsIndex | slice) -> Any:
        if self._prefix is not None:
            first = index.indices(len(self))[0] if isinstance(index, slice) else index.__index__() % (len(self) or 1)
            backwards = isinstance(index, slice) and (index.step or 1) < 0
            if backwards or first < len(self._prefix.messages):
                self._own()
        return super().__getitem__(index)

    def __iter__(self) -> Iterator[Message]:
        self._own()
        return super().__iter__()

    def __reversed__(self) -> Iterator[Message]:
        self._own()
        return super().__reversed__()

    def __add__(self, other: list[Any]) -> list[Any]:
        return [*self, *other]

    def __radd__(self, other: list[Any]) -> list[Any]:
        return [*other, *self]

    def __mul__(self, times: SupportsIndex) -> list[Any]:
        return list(self) * times

    def pop(self, index: SupportsIndex = -1) -> Message:
        """Remove the message at `index` and return it; a shared one as a copy."""
        self._own()
        return super().pop(index)

    def copy(self) -> list[Message]:
        """Return a plain list of the messages."""
        return list(self)

    def __reduce__(self) -> tuple[Any, ...]:
        return list, (list(self),)


def _copy(message: Message) -> Message:
    from copy import deepcopy

    return dict(message) if isinstance(message.get("content"), str) else deepcopy(message)
