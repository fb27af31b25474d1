"""LabeledFewShot chooses the very demos that DSPy's chooses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from alike import assert_same_program, program, rows

dspy = pytest.importorskip("dspy")
pytestmark = pytest.mark.parity


@pytest.mark.parametrize("sample", [True, False])
@pytest.mark.parametrize("k", [0, 3, 16, 1000])
@pytest.mark.parametrize("kind", ["predict", "thought", "steps", "collections"])
def test_the_same_demos(kind: str, k: int, sample: bool, tmp_path: Path) -> None:
    def optimize(library: Any) -> Any:
        student = program(library, kind)
        return library.LabeledFewShot(k=k).compile(student, trainset=rows(library, 40), sample=sample)

    assert_same_program(optimize, dspy, tmp_path)


def test_the_same_demos_from_rows_that_repeat(tmp_path: Path) -> None:
    def optimize(library: Any) -> Any:
        return library.LabeledFewShot(k=6).compile(program(library, "steps"), trainset=rows(library, 3, repeat=4))

    assert_same_program(optimize, dspy, tmp_path)


def test_neither_a_model_nor_marked_inputs_are_needed(tmp_path: Path) -> None:
    """Nothing is run, so nothing has to be ready to run."""

    def optimize(library: Any) -> Any:
        data = [library.Example(question=f"q{n}", answer="a") for n in range(9)]
        with library.context(lm=None):
            return library.LabeledFewShot(k=4).compile(program(library, "predict"), trainset=data)

    assert_same_program(optimize, dspy, tmp_path)
