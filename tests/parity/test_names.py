"""The page of DSPy's public names (docs/dspy-names.md) says what is there, neither more nor less."""

from __future__ import annotations

import importlib
import re
from functools import lru_cache
from pathlib import Path

import pytest
from dspy_names import public_names

PAGE = Path(__file__).parents[2] / "docs" / "dspy-names.md"

pytestmark = pytest.mark.parity


@lru_cache(maxsize=1)
def rows() -> list[list[str]]:
    """The cells of all table rows on the page."""
    lines = [line for line in PAGE.read_text().splitlines() if line.startswith("| `")]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]


def at_the_top() -> dict[str, tuple[str, str]]:
    return {name.strip("`"): (state, note) for name, state, note in rows() if not name.startswith("`dspy.")}


def missing_by_module() -> dict[str, tuple[set[str], str]]:
    listed = {name.strip("`"): (names, why) for name, names, why in rows() if name.startswith("`dspy.")}
    return {module: (set(re.findall(r"`(\w+)`", names)), why) for module, (names, why) in listed.items()}


def lacking(module: str, names: list[str]) -> set[str]:
    try:
        ours = importlib.import_module("dspex" + module.removeprefix("dspy"))
    except ModuleNotFoundError:
        return set(names)
    return {name for name in names if not hasattr(ours, name)}


def test_every_name_at_the_top_is_on_the_page() -> None:
    assert set(at_the_top()) == set(public_names()["dspy"])


def test_the_page_tells_same_and_better_from_not_there() -> None:
    states = {name: state for name, (state, _) in at_the_top().items()}
    assert set(states.values()) <= {"same", "better", "not there"}
    assert {name for name, state in states.items() if state == "not there"} == lacking("dspy", [*states])


def test_the_page_says_what_is_better_and_why_a_name_is_not_there() -> None:
    assert [name for name, (state, note) in at_the_top().items() if (state != "same") != bool(note)] == []
    assert [module for module, (_, why) in missing_by_module().items() if not why] == []


def test_the_page_lists_what_each_module_lacks() -> None:
    missing = {module: lacking(module, names) for module, names in public_names().items() if module != "dspy"}
    assert {module: names for module, names in missing.items() if names} == {
        module: names for module, (names, _) in missing_by_module().items()
    }
