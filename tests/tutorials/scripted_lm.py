"""A language model over HTTP that says what it is told to, in the form that the prompt asks for.

It stands in for the models that DSPy's tutorials call. A program's script is a list of answers, each the output fields
by name; a request gets the first unused answer that has exactly the fields it asks for (and whose `when`, if it has
one, occurs in the last message: those go first), or the last of them again.
"""

from __future__ import annotations

import hashlib
import json
import re
import threading
from collections.abc import Callable, Sequence
from typing import Any

from dspex.testing import ScriptedModel

Fields = dict[str, Any]

_CHAT_FIELD = re.compile(r"`\[\[ ## (\w+) ## \]\]`")
_JSON_FIELD = re.compile(r"`(\w+)`")
_XML_FIELD = re.compile(r"`<(\w+)>`")
_JSON_REMINDER = "Respond with a JSON object in the following order of fields: "
_XML_REMINDER = "wrapped in XML tags "


def scripted_lm(script: Sequence[Fields]) -> ScriptedModel:
    """A model at ``url`` that answers from `script`, and embeds texts by their words."""
    return ScriptedModel(FormScript(script), embed=_vector)


class FormScript:
    """Answers requests in the form they ask for. Raises LookupError when nothing in the script has the fields."""

    def __init__(self, script: Sequence[Fields]) -> None:
        self._script = list(script)
        self._used = [False] * len(self._script)
        self._lock = threading.Lock()

    def __call__(self, request: dict[str, Any]) -> str:
        asked = _plain(request["messages"][-1]["content"])
        names, form = asked_for(asked)
        if not names:
            return self._free_text(asked)
        with self._lock:
            return form(self._take(names, asked))

    def _take(self, names: list[str], asked: str) -> Fields:
        fitting = [
            place
            for place, fields in enumerate(self._script)
            if set(fields) - {"when"} == set(names) and fields.get("when", "") in asked
        ]
        fitting = [place for place in fitting if "when" in self._script[place]] or fitting
        if not fitting:
            raise LookupError(f"The script has no answer with the fields {names}.")
        place = next((each for each in fitting if not self._used[each]), fitting[-1])
        self._used[place] = True
        return {name: self._script[place][name] for name in names}

    def _free_text(self, asked: str) -> str:
        for fields in self._script:
            if set(fields) - {"when"} == {"text"} and fields.get("when", "") in asked:
                return str(fields["text"])
        return "The script has no free text for this."


def asked_for(message: str) -> tuple[list[str], Callable[[Fields], str]]:
    """The output fields that a message asks for, and how to write them."""
    if _JSON_REMINDER in message:
        reminder = message.split(_JSON_REMINDER)[-1]
        # A reminder tells types in brackets, which may quote names as well.
        return _JSON_FIELD.findall(re.sub(r"\(must be .*?\)(?=[,.])", "", reminder)), _as_json
    if _XML_REMINDER in message:
        return _XML_FIELD.findall(message.split(_XML_REMINDER)[-1]), _as_xml
    names = [name for name in _CHAT_FIELD.findall(message) if name != "completed"]
    return list(dict.fromkeys(names)), _as_chat


def _as_chat(fields: Fields) -> str:
    sections = [f"[[ ## {name} ## ]]\n{_value(value)}" for name, value in fields.items()]
    return "\n\n".join([*sections, "[[ ## completed ## ]]"])


def _as_json(fields: Fields) -> str:
    return json.dumps(fields)


def _as_xml(fields: Fields) -> str:
    return "\n".join(f"<{name}>\n{_value(value)}\n</{name}>" for name, value in fields.items())


def _value(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _plain(content: Any) -> str:
    if isinstance(content, str):
        return content
    return "".join(part.get("text", "") for part in content)


def _vector(text: str, size: int = 64) -> list[float]:
    """Counts of words, by their hash: texts with words in common are near each other."""
    vector = [0.0] * size
    for word in re.findall(r"\w+", text.lower()):
        vector[hashlib.sha256(word.encode()).digest()[0] % size] += 1.0
    return vector
