"""A program as a document that holds the name of its code, and loads from the file alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import code_by_name
import pytest

import dspex
from dspex.errors import ProgramNotAvailableError, UsageError
from dspex.runner.imports import AllowedModules
from dspex.runner.references import reference
from dspex.runner.saved import document_bytes, load_program, program_bytes, program_document, read_program

MINE = AllowedModules(["code_by_name"])


def optimized(program: Any) -> Any:
    for predictor in program.predictors():
        predictor.demos = [dspex.Example(augmented=True, text="x", text2="y", question="q", answer="é")]
        predictor.signature = predictor.signature.with_instructions("Better.")
    program._compiled = True
    return program


PROGRAMS = {
    "described": lambda: dspex.ChainOfThought("question -> answer"),
    "class": code_by_name.Steps,
    "instance": code_by_name.program.deepcopy,
}


def saved(folder: Path, make: Any) -> tuple[Path, Any]:
    code = reference(make() if make != PROGRAMS["instance"] else code_by_name.program)
    path, program = folder / "program.json", optimized(make())
    path.write_bytes(program_bytes(program, code))
    return path, program


@pytest.mark.parametrize("make", PROGRAMS.values(), ids=PROGRAMS)
def test_a_program_loads_from_its_file_alone(make: Any, tmp_path: Path) -> None:
    path, program = saved(tmp_path, make)
    loaded, ref = load_program(path, MINE)
    assert type(loaded) is type(program)
    assert loaded.dump_state() == program.dump_state()
    assert loaded._compiled
    assert ref.label == "program"
    assert program_bytes(loaded, ref) == path.read_bytes(), "and is saved as the same bytes"


@pytest.mark.parametrize("make", PROGRAMS.values(), ids=PROGRAMS)
def test_document_and_bytes_are_the_same_thing(make: Any, tmp_path: Path) -> None:
    path, program = saved(tmp_path, make)
    document = program_document(program, read_program(path)[1])
    assert document_bytes(document) == path.read_bytes()
    assert document_bytes(json.loads(json.dumps(document))) == path.read_bytes(), "also after a way through JSON"


def test_a_program_that_was_not_optimized_is_not_loaded_as_optimized(tmp_path: Path) -> None:
    program = code_by_name.Steps()
    (tmp_path / "p.json").write_bytes(program_bytes(program, reference(program)))
    assert not load_program(tmp_path / "p.json", MINE)[0]._compiled


def test_the_file_is_a_program_file_like_any_other(tmp_path: Path) -> None:
    path, program = saved(tmp_path, code_by_name.Steps)
    loaded = code_by_name.Steps()
    loaded.load(path)
    assert loaded.dump_state() == program.dump_state()


def test_loading_runs_only_code_that_is_allowed(tmp_path: Path) -> None:
    path, _ = saved(tmp_path, code_by_name.Steps)
    with pytest.raises(ProgramNotAvailableError, match="code_by_name"):
        load_program(path, AllowedModules())


def test_a_file_saved_without_its_code_says_what_to_do(tmp_path: Path) -> None:
    code_by_name.program.save(tmp_path / "plain.json")
    with pytest.raises(UsageError, match="Name that code as the target"):
        load_program(tmp_path / "plain.json", MINE)


@pytest.mark.parametrize("content", ["", "not json", "[]", "{}", '"text"'])
def test_what_is_no_saved_program_is_refused(content: str, tmp_path: Path) -> None:
    (tmp_path / "bad.json").write_text(content)
    with pytest.raises(UsageError, match="not a saved program"):
        load_program(tmp_path / "bad.json", MINE)


@pytest.mark.parametrize(
    "metadata",
    [None, [], {"dspex": None}, {"dspex": []}, {"dspex": {"program": "x"}}, {"dspex": {"program": {"target": 3}}}],
)
def test_a_damaged_file_is_refused_like_that_too(metadata: Any, tmp_path: Path) -> None:
    (tmp_path / "bad.json").write_text(json.dumps({"metadata": metadata}))
    with pytest.raises(UsageError):
        load_program(tmp_path / "bad.json", MINE)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"none.json: No such file"):
        load_program(tmp_path / "none.json", MINE)
