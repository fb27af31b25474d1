"""The examples and the instruction of one prompt, indexed so that a query is answered quickly."""

from __future__ import annotations

import random
import re
from collections.abc import Mapping, Sequence
from typing import Any

from dspex_practice.model.fallback_values import PromptContext, fallback_value
from dspex_practice.model.instruction_writer import InstructionWriter, asks_for_instruction
from dspex_practice.model.label_voting import LabelVoting, SimilarityIndex
from dspex_practice.model.reading.example_extraction import read_labeled_texts
from dspex_practice.model.reading.label_rules import labels_named, spoken
from dspex_practice.model.reading.prompt import Frame, OutputField, read_inputs
from dspex_practice.model.reading.text import carries_meaning, features, stem, words
from dspex_practice.model.reading.values import choices, fill, fits, kind, parse, resolve
from dspex_practice.model.sampling import Sampling, gumbel

_THINKING = re.compile(r"reason|rationale|explanation|thought|thinking|discussion|analysis|justification")
_LONGEST_LABEL = 60
_SIMILAR_ENOUGH = 0.12
"""How similar to an example a query must be for an example's free text to be given again."""
_SPREAD = 0.05
"""How far scores vary at temperature 1."""


class PromptIndex:
    """An index of one prompt's head and examples."""

    def __init__(self, frame: Frame) -> None:
        self._task = frame.task
        self._demos = frame.demos
        self._index = SimilarityIndex([features(demo.text) for demo in frame.demos])
        self._votings = {field.name: voting for field in frame.task.outputs if (voting := self._voting(field))}

    def answer(self, question: str, temperature: float, seed: int, found: str = "") -> dict[str, Any]:
        """A value for every output field; `found` is what tools gave. The same arguments give the same answer."""
        inputs = read_inputs(question, self._task)
        query = "\n".join([*inputs.values(), found] if found else inputs.values())
        seen = features(query)
        similarities = self._index.similarities(seen)
        chance = random.Random(seed) if temperature > 0 else None
        values: dict[str, Any] = {}
        for field in self._task.outputs:
            voting = self._votings.get(field.name)
            if voting is not None:
                scores = voting.scores(seen, similarities)
                values[field.name] = voting.labels[_choose(scores, temperature, chance)]
            else:
                values[field.name] = None
        for field in self._task.outputs:
            if field.name not in self._votings:
                sampling = Sampling(temperature, f"{seed}/{field.name}")
                values[field.name] = (
                    self._instruction(field, inputs, chance)
                    if asks_for_instruction(field.name, self._task.inputs)
                    else self._compose(field, PromptContext(inputs, query, found), similarities, values, sampling)
                )
        return values

    def _voting(self, field: OutputField) -> LabelVoting | None:
        schema = resolve(field.schema, field.schema)
        given = [demo.outputs.get(field.name) for demo in self._demos]
        labels = choices(schema)
        if labels is None and asks_for_instruction(field.name, self._task.inputs):
            return None
        if labels is None:
            labels = self._labels_seen(field, given)
        if not labels:
            return None
        instruction = f"{self._task.instruction}\n{field.description}"
        return LabelVoting(labels, instruction, ["" if value is None else str(value) for value in given])

    def _labels_seen(self, field: OutputField, given: Sequence[Any]) -> list[Any]:
        """The answers that examples and instruction have shown, where they are few words and no reasoning."""
        if _THINKING.search(field.name) or kind(resolve(field.schema, field.schema)) in ("array", "object"):
            return []
        shown = [parse(value, field.schema) for value in given if value is not None]
        if any(isinstance(value, str) and len(value) > _LONGEST_LABEL for value in shown):
            return []
        labels = list(dict.fromkeys(value for value in shown if value is not None))
        if fits("", field.schema) and all(isinstance(label, str) for label in labels):
            names = {*self._task.inputs, *(output.name for output in self._task.outputs)}
            labels += [name for name in labels_named(self._task.instruction, sorted(names)) if name not in labels]
        return labels

    def _compose(
        self,
        field: OutputField,
        given: PromptContext,
        similarities: Sequence[float],
        values: Mapping[str, Any],
        sampling: Sampling,
    ) -> Any:
        """A value for a field that has no labels to choose from."""
        nearest = sampling.best(similarities, _SPREAD)
        if fits("", field.schema) and _THINKING.search(field.name):
            text = self._reason(given.query, values, nearest)
            return text if fits(text, field.schema) else fill(field.schema, lambda: text)
        if nearest >= 0 and similarities[nearest] >= _SIMILAR_ENOUGH:
            again = parse(self._demos[nearest].outputs.get(field.name), field.schema)
            if again is not None:
                return again
        return fallback_value(field, given, sampling)

    def _instruction(self, field: OutputField, inputs: Mapping[str, str], chance: random.Random | None) -> Any:
        text = InstructionWriter(read_labeled_texts(inputs), chance).write(field.name, inputs)
        if fits(text, field.schema):
            return text
        names = parse(next((value for name, value in inputs.items() if name.endswith("names")), ""), {"type": "array"})
        advice = {str(name): text for name in names or []}
        return advice if advice and fits(advice, field.schema) else fill(field.schema, lambda: text)

    def _reason(self, query: str, values: Mapping[str, Any], nearest: int) -> str:
        decided = [(name, value) for name, value in values.items() if value is not None]
        said = {stem(word): word for word in words(query) if carries_meaning(word)}
        if not decided:
            return f"It is about {', '.join(list(said.values())[:3]) or 'nothing that I know'}."
        name, value = decided[-1]
        known = {stem(word) for word in words(spoken(str(value)))}
        if nearest >= 0:
            known |= {stem(word) for word in words(self._demos[nearest].text)}
        shared = [f'"{word}"' for root, word in said.items() if root in known][:3]
        why = f"The words {', '.join(shared)} point" if shared else "Of all that is offered, the whole points most"
        return f"{why} to {value} as the {name}."


def _choose(scores: Sequence[float], temperature: float, chance: random.Random | None) -> int:
    if chance is not None:
        spread = _SPREAD * temperature
        scores = [score + spread * gumbel(chance) for score in scores]
    return max(range(len(scores)), key=scores.__getitem__)
