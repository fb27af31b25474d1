"""Values of the right type when nothing in the prompt gives one: sums, numbers, words and sentences of the query."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dspex_practice.model.reading.label_rules import spoken
from dspex_practice.model.reading.prompt import OutputField
from dspex_practice.model.reading.text import carries_meaning, stem, words
from dspex_practice.model.reading.values import fill, fits, in_range, kind, resolve
from dspex_practice.model.sampling import STEADY, Sampling

_SENTENCE = re.compile(r"(?<=[.!?])\s+|\n+")
_SUM = re.compile(r"(-?\d+(?:\.\d+)?)\s*(\+|-|\*|x|/|plus|minus|times|divided by)\s*(-?\d+(?:\.\d+)?)")
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?")
_MOST_SENTENCES = 200
_MOST_DIGITS = 15
_SPREAD = 0.7
"""How far the words that a sentence shares with the question vary at temperature 1."""


@dataclass(frozen=True, slots=True)
class PromptContext:
    """The question that a value is taken from.

    `inputs` are its fields, `query` all of them as one text, `found` what tools found.
    """

    inputs: Mapping[str, str]
    query: str
    found: str = ""


def fallback_value(field: OutputField, given: PromptContext, sampling: Sampling = STEADY) -> Any:
    """A value of the right type from the question alone."""
    schema = resolve(field.schema, field.schema)
    if kind(schema) in ("integer", "number"):
        return in_range(schema, _number(given.found or given.query))
    if kind(schema) == "boolean":
        question_words = {
            stem(word) for word in words(f"{spoken(field.name)} {field.description}") if carries_meaning(word)
        }
        return any(stem(word) in question_words for word in words(given.query))
    if fits("", schema):
        quoted = _quote(given, sampling)
        return quoted if fits(quoted, schema) else fill(schema, lambda: quoted)
    said = iter([word for word in words(given.query) if carries_meaning(word)])
    return fill(field.schema, lambda: next(said, field.name))


def _number(query: str) -> float:
    found = _SUM.search(query)
    if found:
        return _calculate(float(found[1][:_MOST_DIGITS]), found[2], float(found[3][:_MOST_DIGITS]))
    numbers = _NUMBER.findall(query)
    return float(numbers[-1][:_MOST_DIGITS]) if numbers else 0.0


def _calculate(left: float, sign: str, right: float) -> float:
    if sign in ("+", "plus"):
        return left + right
    if sign in ("-", "minus"):
        return left - right
    if sign in ("/", "divided by"):
        return left / right if right else 0.0
    return left * right


def _quote(given: PromptContext, sampling: Sampling) -> str:
    """The sentence that has most in common with the question: of what tools found, else of the other inputs.

    The shortest input is taken for the question.
    """
    question = min(given.inputs.values(), key=len, default="")
    others = given.found or "\n".join(value for value in given.inputs.values() if value != question) or given.query
    sentences = [sentence.strip() for sentence in _SENTENCE.split(others) if sentence.strip()][:_MOST_SENTENCES]
    if not sentences:
        return question or "I do not know."
    question_words = {stem(word) for word in words(question) if carries_meaning(word)}
    shared = [len(question_words.intersection(map(stem, words(sentence)))) for sentence in sentences]
    return sentences[sampling.best(shared, _SPREAD)]
