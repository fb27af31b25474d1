"""The practice model itself: turns in, text out. It knows nothing of HTTP or of any provider's format.

It is an in-context learner and no language model: it reads the fields, the instruction and the examples of a prompt and
answers by similarity to the examples and by the words of labels and instruction. It holds no data of its own.
"""

from __future__ import annotations

import random
from collections import OrderedDict
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from dspex_practice.model.instruction_writer import InstructionWriter, asks_freely
from dspex_practice.model.prompt_index import PromptIndex
from dspex_practice.model.reading.example_extraction import read_labeled_texts
from dspex_practice.model.reading.prompt import (
    Layout,
    ParsedPrompt,
    PromptTask,
    Turn,
    read_frame,
    read_task,
    sort_turns,
)
from dspex_practice.model.reading.render import render

NAME = "practice"
"""The model's name in listings."""
FINGERPRINT = "dspex-practice-model"


@dataclass(frozen=True, slots=True)
class Question:
    """What an answer depends on, and nothing else does."""

    turns: Sequence[Turn]
    schema: dict[str, Any] | None = None
    """The JSON schema the answer must have."""
    json_only: bool = False
    temperature: float = 0.0
    seed: int = 0
    """Derived from the whole request by the caller: identical requests have identical seeds."""
    n: int = 1


class Learner:
    """Answers questions; keeps the indexes of recent prompts, which come again and again with other queries."""

    def __init__(self, kept_indexes: int = 128) -> None:
        self._kept = kept_indexes
        self._indexes: OrderedDict[Hashable, tuple[PromptIndex, PromptTask]] = OrderedDict()

    def answers(self, question: Question) -> list[str]:
        """`question.n` answers. At temperature 0 they are all the same."""
        prompt = sort_turns(question.turns)
        index, task = self._index_of(prompt, question)
        found: list[str] = []
        for i in range(question.n if question.temperature > 0 else 1):
            seed = question.seed + i
            if task.layout is Layout.FREE and asks_freely(prompt.question):
                chance = random.Random(seed) if question.temperature > 0 else None
                writer = InstructionWriter(read_labeled_texts({"": prompt.question}), chance)
                found.append(writer.write_freely(prompt.question))
            else:
                values = index.answer(prompt.question, question.temperature, seed, prompt.found)
                found.append(render(values, task.layout))
        return found if len(found) == question.n else found * question.n

    def _index_of(self, prompt: ParsedPrompt, question: Question) -> tuple[PromptIndex, PromptTask]:
        schema = orjson.dumps(question.schema) if question.schema is not None else b""
        stands = prompt.head and read_task(prompt.head).outputs  # else the question itself names the fields
        key = (prompt.head, prompt.shown, "" if stands else prompt.question, schema, question.json_only)
        known = self._indexes.get(key)
        if known is None:
            frame = read_frame(prompt, question.schema, json_only=question.json_only)
            known = self._indexes[key] = (PromptIndex(frame), frame.task)
            if len(self._indexes) > self._kept:
                self._indexes.popitem(last=False)
        else:
            self._indexes.move_to_end(key)
        return known
