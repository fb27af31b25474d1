"""Finding one field's text in an answer that comes in pieces, wherever the pieces are cut.

A scanner is fed the answer's text piece by piece. It says when the field has `started` and `ended`, and gathers in
`buffer` the field's text that has not been passed on yet.
"""

from __future__ import annotations

import re
from typing import Protocol

_BREAK = "\n\r\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029"
"""What ends a line for `str.splitlines`, which ChatAdapter parses with."""
_HEADING = rf"[{_BREAK}]\s*\[\[ ## {{}} ## \]\]"
_ANY_HEADING = re.compile(_HEADING.format(r"\w+"))
_OPEN_LINE = re.compile(rf"[{_BREAK}][^\S{_BREAK}]*(\[(\[( (#(#( (\w+( (#(#( \]?)?)?)?)?)?)?)?)?)?)?)?\Z")
_TAG = re.compile(r"<(/?)([^\s<>/]+)[^<>]*>")


class FieldScanner(Protocol):
    """See the module."""

    started: bool
    ended: bool
    buffer: str
    keeps_space: bool
    """Whether the space around the field's text is passed on: it is where it means nothing to a parser (JSON)."""

    def feed(self, text: str) -> bool:
        """Take in a piece of the answer.

        Returns:
            Whether all that marks the field's start lies within this piece.
        """
        ...

    def may_be_ending(self) -> bool:
        """Say whether the end of `buffer` may turn out to begin what ends the field, and must not be passed on yet."""
        ...


class HeadingScanner:
    """A field under its heading ``[[ ## name ## ]]``, up to the next heading. Headings stand at the start of a line."""

    keeps_space = False

    def __init__(self, field: str) -> None:
        self.started = self.ended = False
        self.buffer = ""
        self._own_heading = re.compile(_HEADING.format(re.escape(field)))
        self._line = "\n"  # a line break and what follows it, as long as that may become a heading

    def feed(self, text: str) -> bool:
        """See `FieldScanner.feed`."""
        if self.ended:
            return False
        if not self.started:
            return self._find_start(text)
        self._find_end(text)
        return False

    def may_be_ending(self) -> bool:
        """See `FieldScanner.may_be_ending`."""
        return len(self._line.strip()) > 0 or self.buffer.rstrip().endswith(("[", "[[", "[[ #", "[[ ##"))

    def _find_start(self, text: str) -> bool:
        known, seen = len(self._line), self._line + text
        heading = self._own_heading.search(seen)
        if heading is None:
            self._line = _open_line(seen)
            return False
        self.started, self._line = True, ""
        self._find_end(seen[heading.end() :])
        return seen.rindex("[[", 0, heading.end()) >= known

    def _find_end(self, text: str) -> None:
        seen = self._line + text
        heading = _ANY_HEADING.search(seen)
        if heading is None:
            self.buffer += text
            self._line = _open_line(seen)
            return
        self.ended = True
        beyond = len(seen) - heading.start()  # may reach back into space that was passed on, which is no matter
        self.buffer = (self.buffer + text)[:-beyond]


def _open_line(text: str) -> str:
    line = _OPEN_LINE.search(text)
    return line[0] if line is not None else ""


class TagScanner:
    """A field between ``<name>`` and ``</name>``, at the top level of the answer. Its text is XML, not decoded."""

    keeps_space = False

    def __init__(self, field: str) -> None:
        self.started = self.ended = False
        self.buffer = ""
        self._field = field
        self._open: list[str] = []  # the elements around where the scan is
        self._tail = ""  # the beginning of a tag

    def feed(self, text: str) -> bool:
        """See `FieldScanner.feed`."""
        if self.ended:
            return False
        known, seen = len(self._tail), self._tail + text
        value_from = known if self.started else len(seen)
        tags_from, whole = 0, False
        for tag in _TAG.finditer(seen):
            inside = self.started
            self._follow(tag)
            if self.started and not inside:
                whole, value_from = tag.start() >= known, tag.end()
                tags_from = value_from
            elif inside and not self._open:
                self.ended = True
                self.buffer = (self.buffer + seen[value_from:])[: len(self.buffer) + tag.start() - value_from]
                return whole
        self.buffer += seen[value_from:]
        self._tail = self._beginning_of_tag(seen[tags_from:])
        return whole

    def may_be_ending(self) -> bool:
        """See `FieldScanner.may_be_ending`."""
        return bool(self._tail)

    def _follow(self, tag: re.Match[str]) -> None:
        """Enter or leave the element of `tag`. Within the field only elements of the field's own name count."""
        closing, name = tag[1] == "/", tag[2]
        if tag[0].endswith("/>") or (self.started and name != self._field):
            return
        if not closing:
            self.started = self.started or (name == self._field and not self._open)
            self._open.append(name)
        elif name in self._open:  # what was never closed ends with the element around it
            while self._open.pop() != name:
                pass

    def _beginning_of_tag(self, seen: str) -> str:
        at = seen.rfind("<")
        if at < 0 or ">" in seen[at:]:
            return ""
        rest = seen[at:]
        if not self.started:
            return rest
        tags = (f"</{self._field}", f"<{self._field}")
        return rest if any(tag.startswith(rest) or rest.startswith(tag) for tag in tags) else ""


class JSONScanner:
    """A field as a key of the answer's JSON object. Its text is the value as it is written: JSON, not decoded."""

    keeps_space = True

    def __init__(self, field: str) -> None:
        self.started = self.ended = False
        self.buffer = ""
        self._field = field
        self._depth = 0
        self._in_string = self._escaped = False
        self._key = ""  # the last string that stood where a key stands
        self._in_value = False  # after a colon of the object itself, not of one in it

    def feed(self, text: str) -> bool:
        """See `FieldScanner.feed`."""
        if self.ended:
            return False
        began_before = self.started
        value_from, value_to, key_from = 0 if began_before else len(text), len(text), -1
        for index, character in enumerate(text):
            if self._key_begins(character):
                key_from = index
            started = self.started
            closes = self._step(character)
            if self.started and not started:
                value_from = index + 1
            if self.ended:
                value_to = index + closes
                break
        piece = text[value_from:value_to]
        self.buffer += piece if began_before else piece.lstrip()
        return self.started and not began_before and key_from >= 0

    def may_be_ending(self) -> bool:
        """See `FieldScanner.may_be_ending`."""
        return self.buffer.rstrip().endswith('"')

    def _key_begins(self, character: str) -> bool:
        return character == '"' and self._depth == 1 and not self._in_value and not self._in_string

    def _step(self, character: str) -> bool:
        """Go on by a character; whether it is the last one of a value of the object's."""
        if self._in_string:
            return self._step_in_string(character)
        if character == '"':
            self._in_string = self._depth > 0
            if not self._in_value:
                self._key = ""
        elif character == "{" or (character == "[" and self._depth > 0):
            self._depth += 1
        elif character in "}]" and self._depth > 0:
            self._depth -= 1
            if self._depth <= 1:
                self._end_value()
                return self._depth == 1
        elif self._depth == 1 and character == ":" and not self._in_value:
            self._in_value, self.started = True, self._key == self._field
        elif self._depth == 1 and character == ",":
            self._end_value()
            self._in_value = False
        return False

    def _step_in_string(self, character: str) -> bool:
        if self._escaped or character == "\\":
            self._escaped = not self._escaped
        elif character == '"':
            self._in_string = False
            if self._depth == 1 and self._in_value:
                self._end_value()
                return True
            return False
        if not self._in_value:
            self._key += character
        return False

    def _end_value(self) -> None:
        self.ended = self.started
