"""A whole program that DSPy pickled, code and all, runs here, also where there is no DSPy."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

SAVE = """
import enum, sys
import dspy, pydantic

class Colour(enum.Enum):
    RED = "red"

class Point(pydantic.BaseModel):
    x: int

class Asked(dspy.Signature):
    "Do it."
    question: str = dspy.InputField(desc="what")
    point: Point = dspy.InputField(default=None)
    history: dspy.History = dspy.InputField(default=None)
    colour: Colour = dspy.OutputField()
    numbers: list[int] = dspy.OutputField(ge=1)

def wrapped(text):
    return dspy.Prediction(said=text)

class Program(dspy.Module):
    def __init__(self):
        super().__init__()
        self.think = dspy.ChainOfThought("question -> answer")
        self.more = [dspy.Predict(Asked)]

    def forward(self, question):
        return wrapped(self.think(question=question).answer)

program = Program()
program.think.predict.demos = [dspy.Example(question="q", answer="a").with_inputs("question")]
program.more[0].lm = dspy.LM("openai/gpt-4o-mini", temperature=0.3, cache=False)
program.save(sys.argv[1] + "/whole", save_program=True)
program.save(sys.argv[1] + "/state.pkl")
print(program)
"""
LOAD = """
import sys
sys.modules["dspy"] = None
import dspex
from support.answering import AnsweringLM

program = dspex.load(sys.argv[1] + "/whole", allow_pickle=True)
other = type(program)()
other.load(sys.argv[1] + "/state.pkl", allow_pickle=True)
assert other.dump_state() == program.dump_state()
lm = program.more[0].lm
assert type(lm) is dspex.LM
assert (lm.model, lm.kwargs["temperature"], lm.cache) == ("openai/gpt-4o-mini", 0.3, False)
assert [type(demo) for demo in program.think.predict.demos] == [dspex.Example]
program.set_lm(AnsweringLM({"reasoning": "r", "answer": "a", "colour": "red", "numbers": [2]}))
assert program(question="q").said == "a"
assert program.more[0](question="q").colour.value == "red"
print(program)
"""


@pytest.mark.filterwarnings("ignore")
def test_a_program_pickled_by_dspy_runs_without_it(tmp_path: Path) -> None:
    tests = Path(__file__).resolve().parents[1]
    shown = [
        subprocess.run(
            [sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True, cwd=tests
        ).stdout
        for code in (SAVE, LOAD)
    ]
    assert shown[0] == shown[1]
