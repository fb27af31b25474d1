import errno
import os
import subprocess
import sys
from enum import Enum
from pathlib import Path
from typing import Any

import orjson
import pytest
from pydantic import BaseModel
from support.answering import AnsweringLM

import dspex.primitives.saving.atomic as atomic
from dspex import load
from dspex.clients import LM
from dspex.errors import StoreFullError, UsageError
from dspex.predict import ChainOfThought, Predict
from dspex.primitives import Example, Module, program_json


class Colour(Enum):
    RED = "red"


class Person(BaseModel):
    name: str


class Program(Module):
    def __init__(self) -> None:
        super().__init__()
        self.gen = ChainOfThought("context, question -> answer")
        self.steps = [Predict("a -> b")]


@pytest.fixture
def program() -> Program:
    program = Program()
    program.gen.predict.demos = [
        Example(augmented=True, question=["q"], answer=Person(name="x"), colour=Colour.RED),
        {"question": "plain", "answer": (1, 2)},
    ]
    program.gen.predict.signature = program.gen.predict.signature.with_instructions("Think.")
    return program


def test_state_comes_back_as_it_was_saved(program: Program, tmp_path: Path) -> None:
    program.save(tmp_path / "program.json")
    loaded = Program()
    loaded.load(tmp_path / "program.json")
    assert loaded.gen.predict.demos == [
        {"augmented": True, "question": ["q"], "answer": {"name": "x"}, "colour": "red"},
        {"question": "plain", "answer": [1, 2]},
    ]
    assert loaded.gen.predict.signature.instructions == "Think."
    assert program_json(loaded) == program_json(program)


def test_bytes_are_the_same_in_another_process() -> None:
    code = (
        "from dspex.predict import Predict; from dspex.primitives import Example, program_json; import sys;"
        "p = Predict('question -> answer');"
        "p.demos = [Example(question='q', answer='a').with_inputs('question', 'answer')];"
        "sys.stdout.buffer.write(program_json(p, {'run': 'r', 'scores': [1.5]}))"
    )
    outputs = {
        subprocess.run(
            [sys.executable, "-c", code], check=True, capture_output=True, env={**os.environ, "PYTHONHASHSEED": seed}
        ).stdout
        for seed in ("1", "2")
    }
    assert len(outputs) == 1
    metadata = orjson.loads(outputs.pop())["metadata"]
    assert metadata["dspex"] == {"run": "r", "scores": [1.5]}
    assert list(metadata["dependency_versions"]) == ["python", "dspy", "cloudpickle"]


def test_a_value_that_json_cannot_hold_is_named(program: Program) -> None:
    program.steps[0].demos = [Example(a=object())]
    with pytest.raises(UsageError, match=r"steps\[0\] > demos > 0 > a is a object"):
        program_json(program)


def test_an_lm_of_its_own_is_saved_without_its_key(program: Program, tmp_path: Path) -> None:
    program.set_lm(LM("openai/gpt-4o-mini", api_key="sk-secret", temperature=0.3))
    program.save(tmp_path / "program.json")
    assert b"sk-secret" not in (tmp_path / "program.json").read_bytes()
    loaded = Program()
    loaded.load(tmp_path / "program.json")
    assert loaded.steps[0].lm.model == "openai/gpt-4o-mini"
    assert loaded.steps[0].lm.kwargs["temperature"] == 0.3


def test_where_an_lm_sends_prompts_is_not_taken_from_a_file(
    program: Program, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    program.set_lm(LM("openai/gpt-4o-mini"))
    state = orjson.loads(program_json(program))
    state["steps[0]"]["lm"]["api_base"] = "http://elsewhere"
    loaded = Program()
    loaded.load_state(state)
    assert "unsafe LM config key(s) during state load: ['api_base']" in caplog.text
    assert "elsewhere" not in str(vars(loaded.steps[0].lm))


def _without(state: Any, *path: Any) -> None:
    for key in path[:-1]:
        state = state[key]
    del state[path[-1]]


def _with(state: Any, value: Any, *path: Any) -> None:
    for key in path[:-1]:
        state = state[key]
    state[path[-1]] = value


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda state: _without(state, "steps[0]"), r"predictor steps\[0\].*It holds: gen.predict"),
        (lambda state: _with(state, 3, "steps[0]"), r"steps\[0\]: its state is not an object"),
        (lambda state: _without(state, "steps[0]", "signature"), r"steps\[0\]: its state holds no `signature`"),
        (lambda state: _with(state, "x", "steps[0]", "signature", "fields"), r"steps\[0\]: `signature.fields`"),
        (lambda state: _without(state, "steps[0]", "signature", "fields", 1), r"steps\[0\].*not saved: field b"),
        (lambda state: _with(state, {}, "steps[0]", "demos"), r"steps\[0\]: `demos` is not a list"),
        (lambda state: _with(state, ["x"], "steps[0]", "demos"), r"steps\[0\]: `demos\[0\]` is not an object"),
        (lambda state: _with(state, "gpt", "steps[0]", "lm"), r"steps\[0\]: `lm` is not an object"),
        (lambda state: _with(state, {"_dspy_lm_class": "os.Evil"}, "steps[0]", "lm"), r"steps\[0\]: its `lm`"),
    ],
)
def test_a_misfit_is_named_and_changes_nothing(program: Program, damage: Any, message: str, tmp_path: Path) -> None:
    state = orjson.loads(program_json(program))
    damage(state)
    path = tmp_path / "damaged.json"
    path.write_bytes(orjson.dumps(state))
    untouched = Program()
    with pytest.raises(UsageError, match=message) as caught:
        untouched.load(path)
    assert "damaged.json" in str(caught.value)
    assert program_json(untouched) == program_json(Program())


def test_reordered_fields_keep_their_own_descriptions() -> None:
    saved = Predict("first, second -> third")
    saved.signature = saved.signature.with_updated_fields("first", desc="the first one")
    reordered = Predict("second, first -> third")
    reordered.load_state(saved.dump_state())
    described = {name: field.json_schema_extra["desc"] for name, field in reordered.signature.fields.items()}
    assert described["first"] == "the first one"


def test_bad_files_and_paths_are_one_clear_error(program: Program, tmp_path: Path) -> None:
    (tmp_path / "broken.json").write_text("{")
    (tmp_path / "list.json").write_text("[]")
    for name, message in [
        ("absent.json", "Cannot read"),
        ("broken.json", "is no program file"),
        ("list.json", "is no program file"),
        ("program.txt", "`.json` or `.pkl`"),
        ("program.pkl", "allow_pickle"),
    ]:
        with pytest.raises(UsageError, match=message):
            program.load(tmp_path / name)
    with pytest.raises(UsageError, match="folder does not exist"):
        program.save(tmp_path / "absent" / "program.json")
    with pytest.raises(UsageError, match=r"`\.json` or `\.pkl`"):
        program.save(tmp_path / "program.txt")
    with pytest.raises(UsageError, match="allow_pickle"):
        load(tmp_path)


def test_a_full_disk_leaves_the_old_file_whole(
    program: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "program.json"
    program.save(path)
    before = path.read_bytes()
    program.steps[0].demos = [Example(a=1)]

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(atomic.os, "fsync", full)
    with pytest.raises(StoreFullError, match=r"no room.*program\.json"):
        program.save(path)
    assert path.read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["program.json"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full here")
def test_a_full_device_is_reported_too() -> None:
    with pytest.raises(StoreFullError):
        atomic.write_atomically("/dev/full", b"x")


def test_saving_through_a_link_writes_its_target(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "target")
    atomic.write_atomically(tmp_path / "link", b"x")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "target").read_bytes() == b"x"


def test_state_may_be_pickled(program: Program, tmp_path: Path) -> None:
    program.save(tmp_path / "program.pkl")
    loaded = Program()
    loaded.load(tmp_path / "program.pkl", allow_pickle=True)
    assert loaded.gen.predict.demos[0]["question"] == ["q"]


def test_a_whole_program_is_saved_and_loaded(tmp_path: Path) -> None:
    predictor = ChainOfThought("question -> answer")
    predictor.predict.demos = [Example(question="q", answer="a")]
    predictor.save(tmp_path / "whole", save_program=True)
    loaded = load(tmp_path / "whole", allow_pickle=True)
    assert isinstance(loaded, ChainOfThought)
    assert loaded.predict.demos == [Example(question="q", answer="a")]
    loaded.set_lm(AnsweringLM({"reasoning": "r", "answer": "a"}))
    assert loaded(question="q").answer == "a"
    with pytest.raises(UsageError, match="names a file"):
        predictor.save(tmp_path / "whole.json", save_program=True)


def test_a_program_carries_the_modules_it_is_told_to(tmp_path: Path) -> None:
    source = "import dspex\nclass Carried(dspex.Module):\n    def forward(self, x):\n        return x + 1\n"
    (tmp_path / "carried_by_value.py").write_text(source)
    folder = tmp_path / "whole"
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(tmp_path)
        import carried_by_value

        carried_by_value.Carried().save(folder, save_program=True, modules_to_serialize=[carried_by_value])
    code = f"import dspex; print(dspex.load({str(folder)!r}, allow_pickle=True)(1))"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.split() == ["2"]
