"""`MalformedError`: what the readers raise for a row that they cannot read."""

from __future__ import annotations


class MalformedError(Exception):
    """A row that cannot be read.

    Args:
        number: The line, or the row where a format has no lines, counted from 1.
        message: What is wrong with it.
    """

    def __init__(self, number: int, message: str) -> None:
        super().__init__(message)
        self.number = number
