"""The tutorial programs of ``tests/tutorials``, migrated: nothing is left to a person, and they run without DSPy."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tutorials import run_program
from tutorials.scripted_lm import scripted_lm

from dspex.migrate.tree import migrated

PROGRAMS = Path(run_program.__file__).parent / "programs"


def test_nothing_of_the_tutorials_is_left_to_a_person() -> None:
    files = list(migrated([PROGRAMS]))
    assert [(file.path.name, remark) for file in files for remark in file.remarks] == []
    assert all(file.changed for file in files)


@pytest.mark.parametrize("name", ["rag", "saving", "customer_service_agent", "asynchronous"])
def test_a_migrated_tutorial_runs_and_answers_as_before(name: str, tmp_path: Path) -> None:
    copy = tmp_path / "migrated.py"
    copy.write_bytes((PROGRAMS / f"{name}.py").read_bytes())
    before = ran(copy, "dspex", tmp_path / "before")
    next(migrated([copy])).write()
    assert ran(copy, "as it is", tmp_path / "after") == before


def ran(program: Path, library: str, home: Path) -> Any:
    """What the program returns, where importing the real DSPy fails."""
    (home / "dspy").mkdir(parents=True)
    (home / "dspy" / "__init__.py").write_text("raise AssertionError('DSPy was imported')")
    with scripted_lm(run_program.script_of(program)) as lm:
        done = subprocess.run(
            [sys.executable, "-W", "ignore", run_program.__file__, library, str(program)],
            env={**os.environ, "SCRIPTED_LM": lm.url, "DSPEX_STORE": str(home / "store.db"), "PYTHONPATH": str(home)},
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 0, done.stderr[-4000:]
    return json.loads(done.stdout.splitlines()[-1])
