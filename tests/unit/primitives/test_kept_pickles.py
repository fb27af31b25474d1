"""What dspex 0.1 pickled loads, although the modules that it names have moved."""

from __future__ import annotations

import pickle
import sys
from pathlib import Path

import pytest

import dspex
from dspex.clients.canonical.answer import Answer
from dspex.clients.disk_serialization import restricted_load
from dspex.primitives.unpickling import unpickle
from dspex.testing import DummyLM

FOLDER = Path(__file__).parent / "kept" / "0.1.0"
KEPT = FOLDER / "settings.pkl"


def test_settings_of_0_1_load() -> None:
    found = dspex.load_settings(KEPT, allow_pickle=True)
    assert isinstance(found["adapter"], dspex.JSONAdapter)
    check(found["lm"])


def test_an_lm_in_a_program_of_0_1_loads() -> None:
    check(unpickle(KEPT.read_bytes())["lm"])


@pytest.mark.skipif(sys.version_info[:2] != (3, 11), reason="the program holds code of Python 3.11")
def test_a_whole_program_of_0_1_loads_and_runs() -> None:
    program = dspex.load(str(FOLDER / "program"), allow_pickle=True)
    check(program.predict.lm)
    assert program.predict.demos[0].answer == 1.0
    assert program.interpreter.execute("1 + 1") == 2
    assert (program.result.score, program.result.usage.calls) == (100.0, 2)
    assert isinstance(program.failed.failures[0].error, ValueError)
    program.set_lm(DummyLM([{"reasoning": "r", "answer": "2.0"}]))
    assert program(question="?").answer == 2.0


def check(lm: dspex.LM) -> None:
    assert (lm.model, lm.kwargs["temperature"], lm.api_key_env) == ("openai/gpt-4o-mini", 0.5, "K")
    assert (lm.model_name.provider, lm.resolved_endpoint) == ("openai", None)
    assert lm.copy(temperature=0.1).dump_state()["price"] == {"input": 1, "output": 2}


def test_an_answer_in_a_disk_cache_of_0_1_is_read() -> None:
    now = pickle.dumps(Answer({"id": "1"}), protocol=2)
    then = now.replace(b"dspex.clients.canonical.answer", b"dspex.clients.answer")
    assert then != now
    assert restricted_load(then) == {"id": "1"}
