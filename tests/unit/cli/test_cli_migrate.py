"""``dspex migrate``, on a copy of a small code base written for DSPy."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from conftest import Command

BEFORE = Path(__file__).parents[1] / "migrate" / "before"


@pytest.fixture
def code(tmp_path: Path) -> Path:
    return copied(tmp_path / "code")


def copied(folder: Path) -> Path:
    """The code base; its notebook has another name where it is kept, out of sight of the linter."""
    shutil.copytree(BEFORE, folder)
    (folder / "tour.ipynb.json").rename(folder / "tour.ipynb")
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_the_migrated_programs_run_without_dspy(dspex: Command, code: Path, tmp_path: Path) -> None:
    assert dspex("migrate", code).status == 1  # a type checker's settings and a notebook need a hand
    (tmp_path / "no" / "dspy").mkdir(parents=True)
    (tmp_path / "no" / "dspy" / "__init__.py").write_text("raise AssertionError('DSPy was imported')")
    path = os.pathsep.join([str(tmp_path / "no"), str(code)])
    environment = {**os.environ, "PYTHONPATH": path, "DSPEX_STORE": str(tmp_path / "run.db")}

    def ran(*command: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", *command], cwd=code, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    assert ran("app.run").split() == ["100.0", "2", "True"]
    assert "1 passed" in ran("pytest", "-q", "-p", "no:cacheprovider", "-c", os.devnull, "tests/check_rag.py")


def test_a_second_migration_changes_nothing(dspex: Command, code: Path) -> None:
    first = dspex("migrate", code)
    migrated = contents(code)
    second = dspex("migrate", code)
    assert contents(code) == migrated
    assert " 6 rewritten" in first.out
    assert " 0 rewritten (0 changes)" in second.out
    assert "OpenAI" in second.out


def test_a_diff_is_printed_and_nothing_written_and_patch_takes_it(dspex: Command, code: Path) -> None:
    before = contents(code)
    said = dspex("migrate", "--diff", code)
    assert contents(code) == before
    assert said.status == 1
    assert "-import dspy\n" in said.out
    assert "+import dspex as dspy\n" in said.out
    assert "6 would be rewritten" in said.err
    assert "6 would be rewritten" not in said.out
    dspex("migrate", code)
    migrated = contents(code)
    shutil.rmtree(code)
    copied(code)
    if shutil.which("patch"):
        subprocess.run(["patch", "-p0", "-d", "/"], input=said.out, text=True, check=True, capture_output=True)
        assert contents(code) == migrated


def test_the_report_names_file_line_and_what_to_do(dspex: Command, code: Path) -> None:
    said = dspex("migrate", code)
    line = next(line for line in said.out.splitlines() if "OpenAI" in line)
    path, number, message = line.split(":", 2)
    assert "dspy.OpenAI" in Path(path).read_text().splitlines()[int(number) - 1]
    assert "write dspy.LM" in message
    assert said.out.splitlines()[-1].endswith("to look at by hand.")


def test_json_is_one_object_on_the_last_line(dspex: Command, code: Path) -> None:
    said = dspex("migrate", "--json", code / "app")
    assert said.status == 0
    found = json.loads(said.out)
    assert (found["files"], len(found["rewritten"]), found["written"], found["by_hand"]) == (3, 2, True, [])


def test_done_needs_no_hand_and_a_missing_path_is_wrong_usage(dspex: Command, code: Path) -> None:
    assert dspex("migrate", code / "app" / "rag.py").status == 0
    wrong = dspex("migrate", code, code / "nowhere")
    assert wrong.status == 2
    assert "nowhere" in wrong.err
    assert b"import dspy\n" not in (code / "app" / "rag.py").read_bytes()
    assert (code / "requirements.txt").read_bytes() == (BEFORE / "requirements.txt").read_bytes()
    assert dspex("migrate").status == 2


def test_a_file_that_cannot_be_written_is_said(dspex: Command, code: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from dspex.errors import UsageError
    from dspex.migrate.tree import Migrated

    def refuse(self: Migrated) -> None:
        raise UsageError(f"Cannot write {self.path}: no permission.")

    monkeypatch.setattr(Migrated, "write", refuse)
    said = dspex("migrate", code / "requirements.txt")
    assert said.status == 1
    assert "no permission" in said.out
    assert "0 rewritten (0 changes), 1 to look at" in said.out
