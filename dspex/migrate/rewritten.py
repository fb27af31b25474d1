"""What rewriting one text comes to."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple


class Edit(NamedTuple):
    """`text` in the place of the characters from `start` to before `end`."""

    start: int
    end: int
    text: str


class Remark(NamedTuple):
    """Something in `line` (from 1) that a person has to look at."""

    line: int
    message: str


@dataclass
class Rewritten:
    """A text after rewriting, how many places of it were changed, and what was left to a person."""

    text: str
    changes: int = 0
    remarks: list[Remark] = field(default_factory=list)


class UnreadableError(Exception):
    """A text that cannot be understood, with the line where that became clear."""

    def __init__(self, message: str, line: int = 1) -> None:
        """Say why a file cannot be read.

        Args:
            message: What is wrong.
            line: The line, counted from 1.
        """
        super().__init__(message)
        self.line = line


def apply(text: str, edits: Iterable[Edit]) -> str:
    """Apply edits to a text.

    Args:
        text: The text.
        edits: Replacements by their place in `text`, in any order; they must not overlap.
    """
    pieces, done = [], 0
    for edit in sorted(edits):
        pieces += [text[done : edit.start], edit.text]
        done = edit.end
    return "".join([*pieces, text[done:]])
