"""Server-sent events: the format in which answers are streamed."""

from __future__ import annotations


class EventDecoder:
    """Reads the data of events out of bytes that are cut anywhere. What is not data (comments, names, ids) is skipped.

    Lines may end in CR, LF or both.
    """

    def __init__(self) -> None:
        self._unfinished = b""
        self._after_cr = False
        self._data: list[bytes] = []

    def feed(self, piece: bytes) -> list[bytes]:
        """Return the data of the events that `piece` completes."""
        if self._after_cr and piece.startswith(b"\n"):
            piece = piece[1:]
        if not piece:
            return []
        self._after_cr = piece.endswith(b"\r")
        text = self._unfinished + piece
        if b"\r" in text:
            text = text.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        *lines, self._unfinished = text.split(b"\n")
        found = []
        for line in lines:
            if line:
                self._read(line)
            elif self._data:
                found.append(b"\n".join(self._data))
                self._data = []
        return found

    def rest(self) -> list[bytes]:
        """Return the data of the event that the stream ended in, if it lacks the empty line that ends an event."""
        if self._unfinished:
            self._read(self._unfinished)
        found = [b"\n".join(self._data)] if self._data else []
        self._unfinished, self._data = b"", []
        return found

    def _read(self, line: bytes) -> None:
        if line.startswith(b"data:"):
            self._data.append(line[5:].removeprefix(b" "))
