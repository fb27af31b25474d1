"""The arguments of a tool call, taken from the question by the names and types of the parameters."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from dspex_practice.model.fallback_values import PromptContext, fallback_value
from dspex_practice.model.label_voting import LabelVoting
from dspex_practice.model.reading.label_rules import spoken
from dspex_practice.model.reading.prompt import OutputField
from dspex_practice.model.reading.schema import Schema
from dspex_practice.model.reading.text import carries_meaning, features, words
from dspex_practice.model.reading.values import choices, fits, in_range, kind, resolve

_QUOTED = re.compile(r"[\"“`]([^\"”`\n]+)[\"”`]|(?<!\w)'([^'\n]+)'(?!\w)")
_NAMES = re.compile(r"(?<![.?!]\s)(?<!^)\b[A-Z][\w.-]*(?:\s+[A-Z][\w.-]*)*")
_AFTER = re.compile(r"\b(?:in|for|of|about|to|from|at|on|named|called)\s+(?:the\s+)?([^,.;?!\n]+)", re.IGNORECASE)
_MAIL = re.compile(r"[\w.+-]+@[\w-]+\.[\w.-]+")
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}|\b(?:today|tomorrow|yesterday|tonight)\b", re.IGNORECASE)
_LINK = re.compile(r"https?://\S+")
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?")
_WHOLE = re.compile(r"query|question|text|prompt|input|message|search|expression|code|request|content|body")
_MOST_DIGITS = 15


def arguments(parameters: Schema, query: str) -> dict[str, Any]:
    """Arguments that fit `parameters`: all that are required, and of the others those that `query` speaks of."""
    return _ArgumentReader(query).read_all(resolve(parameters, parameters), parameters)


class _ArgumentReader:
    """One question, whose names and numbers are given out in order."""

    def __init__(self, query: str) -> None:
        self._query = query
        self._quoted: list[str] = [one or other for one, other in _QUOTED.findall(query)]
        self._names: list[str] = [name for name in _NAMES.findall(query) if any(map(carries_meaning, words(name)))]
        self._numbers = [float(number[:_MOST_DIGITS]) for number in _NUMBER.findall(query)]

    def read_all(self, schema: Schema, root: Schema) -> dict[str, Any]:
        """Arguments for the properties of `schema`; `root` holds the definitions it refers to."""
        properties = schema.get("properties")
        required = schema.get("required")
        found = {}
        for name, part in (properties if isinstance(properties, Mapping) else {}).items():
            if name in (required if isinstance(required, list) else []) or self._speaks_of(str(name)):
                shared = {key: root[key] for key in ("$defs", "definitions") if key in root}
                found[str(name)] = self._value(str(name), {**part, **shared} if isinstance(part, Mapping) else {})
        return found

    def _speaks_of(self, name: str) -> bool:
        said = words(self._query)
        return all(word in said for word in words(spoken(name)))

    def _value(self, name: str, part: Schema) -> Any:
        schema = resolve(part, part)
        if labels := choices(schema):
            seen = features(self._query)
            scores = LabelVoting(labels, str(part.get("description", "")), []).scores(seen, [])
            return labels[max(range(len(scores)), key=scores.__getitem__)]
        if kind(schema) in ("integer", "number") and self._numbers:
            number = in_range(schema, self._numbers.pop(0))
            return int(number) if float(number).is_integer() else number
        if kind(schema) == "object" and isinstance(schema.get("properties"), Mapping):
            return self.read_all(schema, part)
        if kind(schema) == "string":
            text = self._text(name)
            if fits(text, schema):
                return text
        return fallback_value(OutputField(name, part), PromptContext({"": self._query}, self._query))

    def _text(self, name: str) -> str:
        for sign, pattern in (("mail", _MAIL), ("date", _DATE), ("day", _DATE), ("url", _LINK), ("link", _LINK)):
            if sign in name.lower() and (match := pattern.search(self._query)):
                return str(match[0])
        if self._quoted:
            return self._quoted.pop(0)
        if _WHOLE.search(name.lower()):
            return self._query.strip()
        if self._names:
            return self._names.pop(0)
        after = _AFTER.search(self._query)
        return str(after[1] if after else self._query).strip()
