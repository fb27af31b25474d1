"""Programs in the manner of DSPy's tutorials run as they are, and ask and answer as they do with DSPy."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tutorials.run_program import script_of
from tutorials.scripted_lm import scripted_lm

HERE = Path(__file__).parent
PROGRAMS = sorted(path.stem for path in (HERE / "programs").glob("*.py"))

pytestmark = pytest.mark.parity


@pytest.mark.parametrize("name", PROGRAMS)
def test_program_asks_and_answers_as_with_dspy(name: str, tmp_path: Path) -> None:
    theirs, asked_by_theirs = run("dspy", name, tmp_path / "dspy")
    ours, asked_by_ours = run("dspex", name, tmp_path / "dspex")
    assert ours == theirs
    assert asked_by_ours == asked_by_theirs


def run(library: str, name: str, home: Path) -> tuple[Any, list[str]]:
    """What the program returned, and what it asked of the model: each request's messages, sorted."""
    path = HERE / "programs" / f"{name}.py"
    home.mkdir()
    with scripted_lm(script_of(path)) as lm:
        places = {"SCRIPTED_LM": lm.url, "DSPY_CACHEDIR": str(home / "cache"), "DSPEX_STORE": str(home / "store.db")}
        done = subprocess.run(
            [sys.executable, "-W", "ignore", str(HERE / "run_program.py"), library, str(path)],
            env={**os.environ, **places},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, f"{library}:\n{done.stderr[-4000:]}"
        return json.loads(done.stdout.splitlines()[-1]), sorted(map(_messages, lm.requests))


def _messages(body: dict[str, Any]) -> str:
    return json.dumps(body["messages"], sort_keys=True)
