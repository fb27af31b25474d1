"""Every option can be given on the command line, to either command, and means the same."""

from __future__ import annotations

import inspect
from dataclasses import fields
from typing import Any

import pytest

import dspex_practice
import dspex_practice.__main__ as module
from dspex.cli.practice_lm import practice_lm
from dspex_practice import PracticeOptions

NAMES = {field.name for field in fields(PracticeOptions)}


def test_the_command_has_every_option_with_its_default() -> None:
    given = {name: parameter.default for name, parameter in inspect.signature(practice_lm).parameters.items()}
    assert given.pop("model") is None
    assert given.keys() | {"models"} == NAMES
    assert PracticeOptions(**given) == PracticeOptions()


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> list[PracticeOptions]:
    """The options that a command would serve with."""
    found: list[PracticeOptions] = []

    def note(options: PracticeOptions, on_ready: Any) -> None:
        found.append(options)

    monkeypatch.setattr(dspex_practice, "run_forever", note)
    monkeypatch.setattr(module, "run_forever", note)
    return found


def test_both_commands_serve_what_they_are_told(served: list[PracticeOptions]) -> None:
    practice_lm(port=8, tpm=5, model=["a", "b"], endless_rate=0.5)
    module.main(["--port=8", "--tpm=5", "--model=a", "--model=b", "--endless-rate=0.5"])
    module.main([])
    told = PracticeOptions(port=8, tpm=5, models=("a", "b"), endless_rate=0.5)
    assert served == [told, told, PracticeOptions()]
