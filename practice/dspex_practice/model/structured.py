"""Schemas whose top is no object: they are put inside one, and the answer is taken out again."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import orjson

from dspex_practice.model.in_context_learner import Question
from dspex_practice.model.reading.prompt import ANSWER
from dspex_practice.model.reading.values import kind, resolve

_SHARED = ("$defs", "definitions")


def wrapped(question: Question) -> tuple[Question, bool]:
    """`question` with a schema that is an object, and whether its answer is to be taken out of one."""
    if question.schema is None:
        return question, False
    shared: dict[str, Any] = {key: question.schema[key] for key in _SHARED if key in question.schema}
    schema: dict[str, Any] = {**resolve(question.schema, question.schema), **shared}
    if kind(schema) == "object":
        return (question, False) if schema == question.schema else (replace(question, schema=schema), False)
    inside = {key: value for key, value in schema.items() if key not in shared}
    return replace(question, schema={"type": "object", "properties": {ANSWER: inside}, **shared}), True


def unwrapped(text: str) -> str:
    """The answer inside an object's text."""
    answer: Any = orjson.loads(text)[ANSWER]
    return orjson.dumps(answer).decode()
