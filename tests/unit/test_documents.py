"""The documents' examples run."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import dspex
from dspex.utils import DummyLM

DOCS = Path(__file__).resolve().parents[2] / "docs"


def test_the_optimizer_of_the_guide_finds_the_number_of_demos_that_scores_best() -> None:
    guide = (DOCS / "writing-an-optimizer.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"^```python\n(.*?)^```", guide, re.MULTILINE | re.DOTALL)
    names: dict[str, Any] = {"__name__": "guide"}
    exec(compile(code, "guide", "exec", dont_inherit=True), names)
    rows = [dspex.Example(question=f"q{i}", answer=f"a{i}").with_inputs("question") for i in range(6)]

    def metric(example: Any, prediction: Any, trace: Any = None) -> bool:
        return bool(example.answer == prediction.answer)

    with dspex.context(lm=DummyLM([{"answer": "no idea"}] * 60, follow_examples=True)):
        best = names["BestDemoCount"](metric, counts=[0, 6, 2]).compile(
            dspex.Predict("question -> answer"), trainset=rows, valset=rows
        )
    assert len(best.demos) == 6
