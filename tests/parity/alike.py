"""The same task for DSPy and for dspex: data, programs, metrics, and a language model that answers both alike.

The model's answer is a function of the messages, so that one changed byte in a prompt soon leads to other demos.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import orjson

import dspex

OURS: Any = dspex
ANSWERS = 3
"""The model knows this many answers, so about one in three is right."""

_FIELD = re.compile(r"`\[\[ ## (\w+) ## \]\]`")


def model(library: Any, seed: int = 0, *, reads: str = "all") -> Any:
    """A language model in memory. It reads ``all`` of the prompt, or only the ``question`` at its end."""

    class Oracle(library.BaseLM):  # type: ignore[misc]
        blocking = False

        def forward(self, prompt: Any = None, messages: Any = None, **kwargs: Any) -> Any:
            plain = [{"role": each["role"], "content": each["content"]} for each in messages]
            sampling = {**self.kwargs, **kwargs}
            seen = [seed, sampling.get("rollout_id"), sampling.get("temperature")]
            text = answer(plain if reads == "all" else plain[-1:], seen)
            choice = SimpleNamespace(message=SimpleNamespace(content=text), finish_reason="stop")
            return SimpleNamespace(choices=[choice], usage={"total_tokens": 1}, model=self.model)

    return Oracle("oracle")


def answer(messages: list[dict[str, Any]], seen: list[Any]) -> str:
    """A completion in ChatAdapter's format, drawn from the messages."""
    digest = hashlib.sha256(json.dumps([seen, messages]).encode()).digest()
    names = [name for name in _FIELD.findall(messages[-1]["content"]) if name != "completed"]
    sections = [f"[[ ## {name} ## ]]\n{digest[place] % ANSWERS}" for place, name in enumerate(names)]
    return "\n\n".join([*sections, "[[ ## completed ## ]]"])


def rows(library: Any, count: int, *, repeat: int = 1) -> list[Any]:
    """Examples with a right answer; each stands there `repeat` times."""
    numbers = [number for number in range(count) for _ in range(repeat)]
    return [library.Example(question=f"q{n}", answer=str(n % ANSWERS)).with_inputs("question") for n in numbers]


def program(library: Any, kind: str) -> Any:
    """A program of each shape: one predictor, a chain of thought, two steps, predictors in a list and in a dict."""
    if kind == "predict":
        return library.Predict("question -> answer")
    if kind == "thought":
        return library.ChainOfThought("question -> answer")

    class Steps(library.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.gist = library.Predict("question -> gist")
            self.solve = library.ChainOfThought("question, gist -> answer")

        def forward(self, question: str) -> Any:
            return self.solve(question=question, gist=self.gist(question=question).gist)

    class Collections(library.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.hints = [library.Predict("question -> hint"), library.Predict("question, hint -> hint2")]
            self.by_kind = {
                "even": library.Predict("question, hint2 -> answer"),
                "odd": library.Predict("hint2 -> answer"),
            }

        def forward(self, question: str) -> Any:
            hint = self.hints[0](question=question).hint
            second = self.hints[1](question=question, hint=hint).hint2
            if second == "0":  # one of the two is not used each time, so it gets fewer demos
                return self.by_kind["even"](question=question, hint2=second)
            return self.by_kind["odd"](hint2=second)

    class Fragile(library.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.ask = library.Predict("question -> answer")

        def forward(self, question: str) -> Any:
            found = self.ask(question=question)
            if int(question[1:]) % 4 == 1:
                raise ValueError(f"cannot digest {question}")
            return found

    return {"steps": Steps, "collections": Collections, "fragile": Fragile}[kind]()


def right(example: Any, prediction: Any, trace: Any = None) -> bool:
    return bool(example.answer == prediction.answer)


def near(example: Any, prediction: Any, trace: Any = None) -> float:
    """1 for the right answer, less for others."""
    return 1 - abs(int(example.answer) - int(prediction.answer)) / ANSWERS


def upset(example: Any, prediction: Any, trace: Any = None) -> bool:
    """A metric with a bug."""
    if int(example.question[1:]) % 5 == 2:
        raise ZeroDivisionError("the metric's own")
    return right(example, prediction)


Optimize = Callable[[Any], Any]
"""Given the library, optimizes with it."""


def assert_same_program(optimize: Optimize, dspy: Any, folder: Path, seed: int = 0, *, reads: str = "all") -> Any:
    """Optimize with both libraries: the files are equal but for the metadata. Returns ours."""
    ours, theirs = folder / "ours.json", folder / "theirs.json"
    with dspy.context(lm=model(dspy, seed, reads=reads)):
        optimize(dspy).save(theirs)
    with dspex.context(lm=model(dspex, seed, reads=reads)):
        found = optimize(dspex)
    found.save(ours)
    assert without_metadata(ours) == without_metadata(theirs)
    return found


def without_metadata(path: Path) -> bytes:
    document = orjson.loads(path.read_bytes())
    document.pop("metadata")
    return orjson.dumps(document)
