"""Where the strings of a JSON text stand, so that one can be replaced and the rest stay as it is."""

from __future__ import annotations

import json
import re
from collections.abc import Generator, Iterator
from dataclasses import dataclass

_SPACE = re.compile(r"[\s,:]*")
_SCALAR = re.compile(r'[^\s,:\[\]{}"]+')

_decode = json.JSONDecoder().raw_decode

Path = tuple[str | int, ...]


@dataclass(frozen=True)
class JsonString:
    """A string value: where it is in the document, and in the text.

    Args:
        path: The keys and indices that lead to it in the document.
        value: The string.
        start: Where it starts in the text, in characters, its quotes included.
        end: Where it ends.
        line: The line that it is on, from 1.
    """

    path: Path
    value: str
    start: int
    end: int
    line: int


def strings_of(text: str) -> Iterator[JsonString]:
    """The string values of a valid JSON text, in order."""
    yield from _Scanner(text).value(0, ())


def as_written(values: list[str], like: JsonString, text: str) -> str:
    """Write strings as neighbours in a JSON list, in the manner of one that is there.

    Args:
        values: The strings to write.
        like: The string in the list whose line breaks and escapes to follow.
        text: The text of the whole file.
    """
    escaped = "\\u" in text[like.start : like.end]
    lead = text[text.rfind("\n", 0, like.start) + 1 : like.start]
    between = ", " if lead.strip() else f",\n{lead}"
    return between.join(json.dumps(value, ensure_ascii=escaped) for value in values)


class _Scanner:
    def __init__(self, text: str) -> None:
        self.text = text
        self._line, self._counted = 1, 0

    def value(self, at: int, path: Path) -> Generator[JsonString, None, int]:
        """Yield the strings of the value at `at`; returns where it ends."""
        at = self._skip(at)
        if self.text[at] in "[{":
            return (yield from self._items(at + 1, path, keyed=self.text[at] == "{"))
        if self.text[at] != '"':
            scalar = _SCALAR.match(self.text, at)
            assert scalar is not None
            return scalar.end()
        value: str
        end: int
        value, end = _decode(self.text, at)
        yield JsonString(path, value, at, end, self._line_of(at))
        return end

    def _items(self, at: int, path: Path, *, keyed: bool) -> Generator[JsonString, None, int]:
        number = 0
        while self.text[at := self._skip(at)] not in "]}":
            key: str | int = number
            if keyed:
                key, at = _decode(self.text, at)
            at = yield from self.value(at, (*path, key))
            number += 1
        return at + 1

    def _skip(self, at: int) -> int:
        found = _SPACE.match(self.text, at)
        assert found is not None
        return found.end()

    def _line_of(self, at: int) -> int:
        self._line += self.text.count("\n", self._counted, at)
        self._counted = at
        return self._line
