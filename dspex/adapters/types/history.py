"""`History`: an earlier conversation, given as an input and shown to the LM as turns."""

from __future__ import annotations

from typing import Any

import pydantic


class History(pydantic.BaseModel):
    """Earlier turns, oldest first: each a dict of the signature's inputs and outputs of that turn.

    Give a signature an input ``history: dspex.History``, and call with
    ``history=dspex.History(messages=[{"question": ..., "answer": ...}, ...])``.
    """

    model_config = pydantic.ConfigDict(frozen=True, str_strip_whitespace=True, validate_assignment=True, extra="forbid")

    messages: list[dict[str, Any]]
