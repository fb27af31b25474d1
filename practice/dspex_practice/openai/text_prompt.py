"""Prompts of the text-completion API, where system message, examples and question are one text.

DSPy and dspex join them with blank lines and end with "BEGIN RESPONSE:". They are taken apart by their field headers.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from dspex_practice.model.reading.prompt import Turn, read_task

_END = re.compile(r"\s*BEGIN RESPONSE:\s*$")
_OBJECTIVE = "your objective is:"


def read_turns(text: str) -> Sequence[Turn]:
    """The turns in `text`; one user turn, if it has no fields."""
    text = _END.sub("", text)
    task = read_task(text)
    if not task.inputs or not task.outputs or _OBJECTIVE not in text:
        return [Turn("user", text)]
    objective = text.index(_OBJECTIVE)
    asks = _places(text, task.inputs[0], objective)
    if not asks:
        return [Turn("user", text)]
    turns = [Turn("system", text[: asks[0]])]
    for start, end in zip(asks, [*asks[1:], len(text)], strict=True):
        segment = text[start:end]
        answers = _places(segment, task.outputs[0].name, 0)
        if answers and end < len(text):
            turns += [Turn("user", segment[: answers[0]].strip()), Turn("assistant", segment[answers[0] :].strip())]
        else:
            turns.append(Turn("user", segment.strip()))
    return turns


def _places(text: str, field: str, after: int) -> list[int]:
    """Where a field's header starts a line."""
    pattern = re.compile(rf"^(?:\[\[ ## {field} ## \]\]|<{field}>)", re.MULTILINE)
    return [match.start() for match in pattern.finditer(text, after)]
