"""What the README and the project's files say is so."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import dspex

if TYPE_CHECKING:
    from dspex.store import Store
    from dspex.temporal.server import EmbeddedServer
    from dspex_practice import PracticeServer

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
DOCUMENTS = sorted([ROOT / "README.md", ROOT / "CHANGELOG.md", *ROOT.glob("docs/**/*.md"), *ROOT.glob("deploy/*.md")])


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


def commands() -> list[str]:
    """The `dspex` commands of all documents, each on one line, without its comment."""
    lines = [
        line.partition(" #")[0].strip()
        for document in DOCUMENTS
        for block in blocks(document.read_text(encoding="utf-8"), "sh")
        for line in block.replace("\\\n", " ").splitlines()
    ]
    return [line for line in lines if line.startswith("dspex ")]


def test_type_checkers_see_the_public_names_that_are_there() -> None:
    tree = ast.parse((ROOT / "dspex" / "__init__.py").read_text(encoding="utf-8"))
    block = next(node for node in tree.body if isinstance(node, ast.If))
    imports = [node for node in block.body if isinstance(node, ast.ImportFrom)]
    seen = {alias.asname: node.module for node in imports for alias in node.names}
    assert seen == {**dspex._HOME_OF, "settings": "dspex"}


@pytest.mark.parametrize("block", blocks(README, "python"))
def test_python_in_the_readme_compiles(block: str) -> None:
    ast.parse(block)


def test_the_first_program_of_the_readme_finds_a_better_program(
    practice: PracticeServer, store: Store, tmp_path: Path
) -> None:
    said = run_first_program("", practice, store, tmp_path)
    assert float(said[2]) > float(said[0]) + 10
    assert (tmp_path / "triage.json").exists()


@pytest.mark.integration
def test_one_line_makes_the_first_program_durable(
    practice: PracticeServer, store: Store, temporal_server: EmbeddedServer, tmp_path: Path
) -> None:
    here = run_first_program("", practice, store, tmp_path)
    found_here = (tmp_path / "triage.json").read_bytes()
    line = blocks(README, "python")[1].replace("localhost:7233", temporal_server.address)

    assert run_first_program(line, practice, store, tmp_path) == here
    assert (tmp_path / "triage.json").read_bytes() == found_here


def run_first_program(line: str, practice: PracticeServer, store: Store, folder: Path) -> list[str]:
    """Run the README's first program as a script, with `line` before the optimization; return the words that it prints.

    The name of the model stands as it is: the practice model answers to any.
    """
    program = blocks(README, "python")[0]
    script = folder / "first.py"
    program = program.replace("better =", f"{line}\nbetter =", 1)
    script.write_text(program.replace("triage.json", f"{folder}/triage.json"))
    environment = {**os.environ, "OPENAI_BASE_URL": practice.url, "OPENAI_API_KEY": "any", "DSPEX_STORE": store.url}
    environment.pop("OPENAI_API_BASE", None)
    ran = subprocess.run(
        [sys.executable, script], cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=240
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stdout.split()


@pytest.mark.parametrize("command", commands())
def test_commands_in_the_documents_exist_with_their_options(command: str) -> None:
    import typer

    from dspex.cli.app import app

    found: Any = typer.main.get_command(app)
    words = command.split()[1:]
    while words and hasattr(found, "commands"):
        assert words[0] in found.commands, command
        found = found.commands[words.pop(0)]
    known = {option for parameter in found.params for option in parameter.opts}
    assert {word for word in words if word.startswith("--")} <= known


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_links_between_documents_lead_somewhere(document: Path) -> None:
    links = re.findall(r"\]\(([^)#]+)\)", document.read_text(encoding="utf-8"))
    assert [link for link in links if "://" not in link and not (document.parent / link).exists()] == []


def test_constraints_name_versions_and_nothing_of_the_machine_they_were_made_on() -> None:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    assert [line for line in lines if not re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.+!]+", line)] == []
    assert not [line for line in lines if line.startswith("dspex")]


def test_constraints_pin_every_dependency() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = [name for names in project["optional-dependencies"].values() for name in names]
    wanted = {_name(each) for each in [*project["dependencies"], *extras]} - {"dspex"}
    pinned = {_name(line) for line in (ROOT / "constraints.txt").read_text().splitlines()}
    assert wanted - pinned == set()


def test_the_checks_are_executable() -> None:
    assert os.access(ROOT / ".ci" / "run", os.X_OK)


def _name(requirement: str) -> str:
    match = re.match(r"[A-Za-z0-9._-]+", requirement)
    assert match
    return re.sub(r"[-_.]+", "-", match.group()).lower()
