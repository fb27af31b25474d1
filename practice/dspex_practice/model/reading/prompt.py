"""Reading a prompt: which fields it asks for, under what instruction, with which examples, about what.

Nothing here knows a provider's wire format: a prompt is a sequence of turns. It understands the layouts that DSPy's
adapters write (``[[ ## field ## ]]`` blocks, JSON objects, XML tags) and takes anything else as free text.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import lru_cache
from typing import Any

import orjson

from dspex_practice.model.reading.schema import STRING, Schema, bounds, from_note, from_type_name


class Layout(StrEnum):
    """How the answer is to be written."""

    BLOCKS = "blocks"
    JSON = "json"
    XML = "xml"
    FREE = "free"


@dataclass(frozen=True, slots=True)
class Turn:
    """One message: `role` is system, user, assistant, "call" (an assistant's that calls tools) or "tool" (a result)."""

    role: str
    text: str


@dataclass(frozen=True, slots=True)
class OutputField:
    """A field that the answer must have, and the JSON schema of its value."""

    name: str
    schema: Schema
    description: str = ""


@dataclass(frozen=True, slots=True)
class PromptTask:
    """What the system message asks for."""

    layout: Layout
    inputs: tuple[str, ...]
    outputs: tuple[OutputField, ...]
    instruction: str


@dataclass(frozen=True, slots=True)
class Demo:
    """An example in the prompt: the text of its inputs and its outputs by field; what is not supplied is left out."""

    text: str
    outputs: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ParsedPrompt:
    """The turns of a prompt, sorted: what stays the same from call to call (`head`, `shown`) and the question."""

    head: str
    shown: tuple[tuple[str, str], ...]
    """Earlier user and assistant texts, in pairs."""
    question: str
    found: str = ""
    """What tools gave for the question."""


@dataclass(frozen=True, slots=True)
class Frame:
    """What the head and the examples of a prompt say."""

    task: PromptTask
    demos: tuple[Demo, ...]


ANSWER = "answer"
"""The name of the one output of a prompt that names no fields."""

_BLOCK = re.compile(r"^\[\[ ## (\w+) ## \]\][ \t]*", re.MULTILINE)
_TAG = re.compile(r"^<(\w+)>(.*?)</\1>", re.MULTILINE | re.DOTALL)
_LISTED = re.compile(r"^\d+\. `(\w+)` \((.*?)\):(.*)$")
_NOTE = re.compile(r"\{(\w+)\}\s+# note: the value you produce (.*)")
_REMINDED = re.compile(r"(?:field |then )`(?:\[\[ ## )?<?(\w+)>?(?: ## \]\])?`")
_OBJECTIVE = "your objective is:"
_NOT_SUPPLIED = "Not supplied for this particular example."
_PARTIAL = "This is an example of the task, though some input or output fields are not supplied."


def sort_turns(turns: Sequence[Turn]) -> ParsedPrompt:
    """Tell the examples of a prompt from what it asks: the last user turn is the question, whatever comes after it."""
    head = "\n".join(turn.text for turn in turns if turn.role == "system")
    pairs: list[tuple[str, str]] = []
    waiting: list[str] = []
    found: list[str] = []
    for turn in turns:
        if turn.role == "user":
            waiting.append(turn.text)
            found = []
        elif turn.role == "tool":
            found.append(turn.text)
        elif turn.role == "assistant" and waiting:
            pairs.append(("\n".join(waiting), turn.text))
            waiting, found = [], []
    if not waiting and pairs:
        waiting = [pairs.pop()[0]]
    return ParsedPrompt(head, tuple(pairs), "\n".join(waiting), "\n".join(found))


def read_frame(prompt: ParsedPrompt, schema: Schema | None = None, *, json_only: bool = False) -> Frame:
    """Read what a prompt asks for and shows. `schema` is the JSON schema wanted of the answer."""
    task = read_task(prompt.head or prompt.question)
    if not task.outputs:
        task = _from_reminder(task, prompt.question)
    if schema is not None:
        task = _under_schema(task, schema)
    elif json_only:
        task = replace(task, layout=Layout.JSON)
    if not task.outputs:
        task = replace(task, outputs=(OutputField(ANSWER, STRING),))
    return Frame(task, tuple(_demo(user, assistant, task) for user, assistant in prompt.shown))


def read_inputs(text: str, task: PromptTask) -> Mapping[str, str]:
    """The input fields in a user turn, by name; "" names text without fields."""
    parts = _parts(text)
    return {name: value for name, value in parts.items() if name in task.inputs} or parts


@lru_cache(maxsize=256)
def read_task(text: str) -> PromptTask:
    """Read a system message, or the only message where there is no other."""
    listed_inputs, listed_outputs = _listed_fields(text)
    notes = dict(_NOTE.findall(_readable_notes(text)))
    outputs = tuple(_field(name, kind, description, notes.get(name)) for name, kind, description in listed_outputs)
    instruction = text.split(_OBJECTIVE, 1)[-1]
    instruction = "\n".join(line.strip() for line in instruction.splitlines()).strip()
    return PromptTask(_layout(text), tuple(name for name, _, _ in listed_inputs), outputs, instruction)


def _listed_fields(text: str) -> tuple[list[tuple[str, str, str]], list[tuple[str, str, str]]]:
    found: tuple[list[tuple[str, str, str]], list[tuple[str, str, str]]] = ([], [])
    side = -1
    for line in text.split(_OBJECTIVE, 1)[0].splitlines():
        if line.startswith("Your input fields are:"):
            side = 0
        elif line.startswith("Your output fields are:"):
            side = 1
        elif line.startswith("All interactions will be structured"):
            break
        elif side >= 0 and (match := _LISTED.match(line)):
            found[side].append((match[1], match[2], match[3].strip()))
        elif side >= 0 and found[side]:
            name, kind, description = found[side][-1]
            found[side][-1] = (name, kind, f"{description}\n{line}")
    return found


def _layout(text: str) -> Layout:
    if "Outputs will be a JSON object" in text or "Respond with a JSON object" in text:
        return Layout.JSON
    if _BLOCK.search(text):
        return Layout.BLOCKS
    return Layout.XML if _TAG.search(text) and "Your output fields are:" in text else Layout.FREE


def _readable_notes(text: str) -> str:
    """`text` with the notes that a JSON prompt keeps inside an object brought to the form of the others."""
    start = text.find("Outputs will be a JSON object")
    start = text.find("{", start) if start >= 0 else -1
    end = text.find("\n}", start)
    if start < 0 or end < 0:
        return text
    try:
        return "\n".join(str(value) for value in orjson.loads(text[start : end + 2]).values())
    except (orjson.JSONDecodeError, AttributeError):
        return text


def _field(name: str, kind: str, description: str, note: str | None) -> OutputField:
    schema = from_type_name(kind) or (from_note(note) if note else None) or STRING
    if note and "JSON schema:" in note:
        schema = from_note(note) or schema
    if "Constraints:" in description:
        schema = {**schema, **bounds(description.split("Constraints:", 1)[1])}
    return OutputField(name, schema, description)


def _from_reminder(task: PromptTask, last: str) -> PromptTask:
    """The fields named by "Respond with the corresponding output fields, starting with ..."."""
    reminder = last[last.rfind("Respond with ") :] if "Respond with " in last else ""
    names = [name for name in dict.fromkeys(_REMINDED.findall(reminder)) if name != "completed"]
    layout = _layout(last) if names else task.layout
    return replace(task, layout=layout, outputs=tuple(OutputField(name, STRING) for name in names))


def _under_schema(task: PromptTask, schema: Schema) -> PromptTask:
    """`task` with the output fields that `schema` asks for, keeping what the prompt says about them."""
    named = schema.get("properties")
    properties = named if isinstance(named, Mapping) else {}
    shared = {key: schema[key] for key in ("$defs", "definitions") if key in schema}
    described = {field.name: field.description for field in task.outputs}
    outputs = tuple(
        OutputField(
            str(name), {**part, **shared} if isinstance(part, Mapping) else STRING, described.get(str(name), "")
        )
        for name, part in properties.items()
    )
    return replace(task, layout=Layout.JSON, outputs=outputs or task.outputs)


def _demo(user: str, assistant: str, task: PromptTask) -> Demo:
    given = _answered(assistant, task.layout)
    if not given and len(task.outputs) == 1:
        given = {task.outputs[0].name: assistant.strip()}
    outputs = {
        field.name: given[field.name]
        for field in task.outputs
        if given.get(field.name) is not None and str(given[field.name]).strip() != _NOT_SUPPLIED
    }
    return Demo("\n".join(read_inputs(user, task).values()), outputs)


def _answered(answer: str, layout: Layout) -> Mapping[str, Any]:
    if layout is Layout.JSON:
        try:
            found = orjson.loads(answer)
        except orjson.JSONDecodeError:
            return {}
        return found if isinstance(found, dict) else {}
    return _tags(answer) if layout is Layout.XML else _blocks(answer)


def _parts(text: str) -> Mapping[str, str]:
    text = text.removeprefix(_PARTIAL)
    cut = text.rfind("\n\nRespond with ")
    body = text[:cut] if cut >= 0 else text
    return _blocks(body) or _tags(body) or {"": body.strip()}


def _blocks(text: str) -> dict[str, str]:
    pieces = _BLOCK.split(text)
    found: dict[str, str] = {}
    for name, value in zip(pieces[1::2], pieces[2::2], strict=True):
        if name != "completed":
            found.setdefault(name, value.strip())
    return found


def _tags(text: str) -> dict[str, str]:
    return {name: value.strip() for name, value in reversed(_TAG.findall(text))}
