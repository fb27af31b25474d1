"""What of a prompt was seen before, as the providers' prompt caches count it.

A prompt is a chain of blocks; a mark after a block keeps all that is before it for a while. Like theirs, a prefix below
`least` tokens is not kept. Only what is billed depends on it, never an answer.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import blake2b

SHORT = 300.0
"""Seconds that a prefix is kept, if nothing else is asked for."""
_KEPT = 10_000
"""Prefixes; the oldest go first."""


@dataclass(frozen=True, slots=True)
class CacheBlock:
    """A piece of a prompt. `keep` is for how many seconds the prompt up to here is to be kept; 0 for not at all."""

    text: str
    tokens: int
    keep: float = 0.0


@dataclass(frozen=True, slots=True)
class Cached:
    """Tokens read from the cache, and written to it for each length of time."""

    read: int = 0
    written: int = 0
    written_long: int = 0
    """Of `written`, what is kept for more than five minutes."""


class PromptCache:
    """Prefixes seen not long ago. `clock` gives seconds."""

    def __init__(self, least: int, clock: Callable[[], float]) -> None:
        self._least = least
        self._clock = clock
        self._until: dict[bytes, float] = {}

    def use(self, blocks: Sequence[CacheBlock]) -> Cached:
        """Note a prompt whose marks are in `blocks`. What is read may end where another prompt had its mark."""
        last = max((i for i, block in enumerate(blocks) if block.keep), default=-1)
        now = self._clock()
        found = Cached()
        before = 0
        digest = b""
        for block in blocks[: last + 1]:
            digest = blake2b(digest + block.text.encode("utf-8", "replace"), digest_size=16).digest()
            before += block.tokens
            if self._until.get(digest, 0.0) > now:
                found = Cached(read=before)
                self._keep(digest, max(self._until[digest], now + block.keep))
            elif block.keep and before >= self._least:
                added = before - found.read - found.written
                long = found.written_long + (added if block.keep > SHORT else 0)
                found = Cached(found.read, found.written + added, long)
                self._keep(digest, now + block.keep)
        return found

    def _keep(self, digest: bytes, until: float) -> None:
        self._until.pop(digest, None)
        self._until[digest] = until
        if len(self._until) > _KEPT:
            del self._until[next(iter(self._until))]
