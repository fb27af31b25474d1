"""`Example`, `Prediction` and `Completions` beside DSPy's: the same program on both gives the same."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from pydantic import BaseModel

import dspex.primitives as ours

dspy = pytest.importorskip("dspy")

pytestmark = pytest.mark.parity


class Person(BaseModel):
    name: str


def example(lib: Any) -> Any:
    return lib.Example({"question": "q", "context": ["c"]}, answer="a", dspy_uuid="1").with_inputs("question")


def prediction(lib: Any) -> Any:
    return lib.Prediction.from_completions([{"answer": "a", "score": 1.5}, {"answer": "b", "score": 2.0}])


PROGRAMS: dict[str, Callable[[Any], Any]] = {
    "repr": lambda lib: repr(example(lib)),
    "str": lambda lib: str(example(lib)),
    "keys": lambda lib: example(lib).keys(),
    "keys with internal": lambda lib: example(lib).keys(include_dspy=True),
    "values": lambda lib: example(lib).values(),
    "items": lambda lib: example(lib).items(),
    "len": lambda lib: len(example(lib)),
    "iteration": lambda lib: list(example(lib)),
    "contains": lambda lib: ("question" in example(lib), "other" in example(lib)),
    "get": lambda lib: (example(lib).get("answer"), example(lib).get("x"), example(lib).get("x", 1)),
    "unpacking": lambda lib: dict(**example(lib)),
    "inputs": lambda lib: (repr(example(lib).inputs()), example(lib).inputs().toDict()),
    "labels": lambda lib: (repr(example(lib).labels()), example(lib).labels().toDict()),
    "inputs unset": lambda lib: raised(lambda: lib.Example(a=1).inputs(), ValueError),
    "attribute missing": lambda lib: raised(lambda: example(lib).nothing, AttributeError),
    "item missing": lambda lib: raised(lambda: example(lib)["nothing"], KeyError),
    "copy": lambda lib: repr(example(lib).copy(answer="b", more=1)),
    "without": lambda lib: repr(example(lib).without("answer")),
    "without what is not there": lambda lib: raised(lambda: example(lib).without("x"), KeyError),
    "base": lambda lib: repr(lib.Example(example(lib), answer="c")),
    "to dict": lambda lib: lib.Example(p=Person(name="x"), l=[Person(name="y")], e=lib.Example(a=1)).toDict(),
    "equality": lambda lib: (example(lib) == example(lib), example(lib) == lib.Example(a=1), example(lib) == {}),
    "equal but for input keys": lambda lib: lib.Example(a=1) == lib.Example(a=1).with_inputs("a"),
    "hash": lambda lib: len({lib.Example(a=1), lib.Example(a=1), lib.Example(a=2)}),
    "setting": lambda lib: set_and_delete(lib),
    "prediction repr": lambda lib: (repr(prediction(lib)), repr(lib.Prediction(a="x")), str(lib.Prediction(a=1))),
    "completions repr": lambda lib: repr(prediction(lib).completions),
    "prediction fields": lambda lib: (prediction(lib).answer, prediction(lib)["score"], prediction(lib).toDict()),
    "completions": lambda lib: (
        repr(prediction(lib).completions[1]),
        prediction(lib).completions["answer"],
        prediction(lib).completions.answer,
        len(prediction(lib).completions),
        "answer" in prediction(lib).completions,
        list(prediction(lib).completions.items()),
    ),
    "completion missing": lambda lib: raised(lambda: prediction(lib).completions[2], IndexError),
    "completion negative": lambda lib: raised(lambda: prediction(lib).completions[-1], IndexError),
    "no completions": lambda lib: lib.Prediction(a=1).completions,
    "columns": lambda lib: repr(lib.Prediction.from_completions({"a": [1, 2]})),
    "arithmetic": lambda lib: arithmetic(prediction(lib)),
    "no number": lambda lib: raised(lambda: float(lib.Prediction(a=1)), ValueError),
    "adding text": lambda lib: raised(lambda: prediction(lib) + "x", TypeError),
    "usage": lambda lib: lib.Prediction(a=1).get_lm_usage(),
    "prediction equality": lambda lib: lib.Prediction(a=1) == lib.Example(a=1),
}


def raised(act: Callable[[], Any], kind: type[Exception]) -> bool:
    with pytest.raises(kind):
        act()
    return True


def set_and_delete(lib: Any) -> Any:
    it = example(lib)
    it.hint, it["note"] = "h", "n"
    del it["answer"]
    return repr(it)


def arithmetic(it: Any) -> list[Any]:
    numbers = [float(it), it + 1, 1 + it, it + it, it / 2, 3 / it, it / it, sum([it, it])]
    return [*numbers, it < 2, it <= it, it > 1, it >= 2]


@pytest.mark.parametrize("name", PROGRAMS)
def test_the_same_program_gives_the_same(name: str) -> None:
    program = PROGRAMS[name]
    assert program(ours) == program(dspy)
