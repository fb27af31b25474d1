"""The examples in a training file: a line each, in the format of chat requests."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from dspex_practice.api import body as read
from dspex_practice.model.errors import BadRequestError
from dspex_practice.model.reading.prompt import Turn, sort_turns
from dspex_practice.openai.chat_format import read_request


def read_examples(data: bytes) -> list[Turn]:
    """The last user turn of each line and its answer, in turn.

    Raises:
        BadRequestError: if a line is no example; it is named by its number.
    """
    turns: list[Turn] = []
    for number, raw in enumerate(data.splitlines(), 1):
        if not raw.strip():
            continue
        try:
            turns += _example(read.load(raw))
        except BadRequestError as error:
            raise BadRequestError(f"Line {number} of the training file: {error}", "training_file") from None
    if not turns:
        raise BadRequestError("The training file holds no examples.", "training_file")
    return turns


def _example(line: Mapping[str, Any]) -> list[Turn]:
    turns = read_request(orjson.dumps({"model": "any", "messages": line.get("messages")})).question.turns
    if turns[-1].role != "assistant":
        raise BadRequestError("the last message must be from the assistant.")
    return [Turn("user", sort_turns(turns).question), turns[-1]]
