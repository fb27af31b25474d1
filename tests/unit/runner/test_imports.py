"""Only what the operator allowed can be named, and what cannot be found is explained."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType

import pytest

from dspex.errors import ProgramNotAvailableError, UsageError
from dspex.runner.imports import AllowedModules, split


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder whose modules can be imported."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "modules", dict(sys.modules))
    return tmp_path


def test_a_module_allows_itself_and_what_is_under_it(folder: Path) -> None:
    (folder / "allowed").mkdir()
    (folder / "allowed" / "__init__.py").write_text("here = 1")
    (folder / "allowed" / "deep.py").write_text("class Outer:\n    inner = 2")
    (folder / "allowed_not.py").write_text("raise AssertionError('this must not be imported')")
    imports = AllowedModules(["allowed"])
    assert imports.resolve("allowed:here") == 1
    assert imports.resolve("allowed.deep:Outer.inner") == 2
    with pytest.raises(ProgramNotAvailableError, match="dspex worker --import allowed_not"):
        imports.resolve("allowed_not:here")


def test_a_submodule_does_not_allow_its_package() -> None:
    with pytest.raises(ProgramNotAvailableError):
        AllowedModules(["json.decoder"]).resolve("json:dumps")


def test_a_missing_attribute_is_met_with_the_nearest() -> None:
    with pytest.raises(UsageError, match=r"json has no 'dump_s'. Did you mean dumps"):
        AllowedModules(["json"]).resolve("json:dump_s")


@pytest.mark.parametrize("name", ["no_such_module", "json.no_such", "json.decoder.deeper"])
def test_a_missing_module_is_named(name: str) -> None:
    with pytest.raises(UsageError, match=f"no module '{name}'"):
        AllowedModules([name])


def test_a_missing_dependency_is_told_from_a_missing_module(folder: Path) -> None:
    (folder / "needs_more.py").write_text("import a_package_nobody_has")
    with pytest.raises(UsageError, match=r"'needs_more' imports 'a_package_nobody_has', which is not installed"):
        AllowedModules(["needs_more"])


@pytest.mark.parametrize(
    ("code", "told"),
    [
        ("1 / 0", "ZeroDivisionError: division by zero"),
        ("def broken(:", "SyntaxError"),
        ("import sys; sys.exit(3)", "SystemExit: 3"),
    ],
)
def test_a_module_that_fails_says_how(folder: Path, code: str, told: str) -> None:
    (folder / "failing.py").write_text(code)
    with pytest.raises(UsageError, match=f"'failing' failed while it was imported: {told}"):
        AllowedModules(["failing"])


def test_an_alias_stands_for_a_module_that_has_another_name() -> None:
    script = ModuleType("__main__")
    script.metric = "found"  # type: ignore[attr-defined]
    assert AllowedModules(aliases={"my-script": script}).resolve("my-script:metric") == "found"


@pytest.mark.parametrize("text", ["", "module", ":attribute", "module:", "a/b.py:x", "a b:x", ".a:x", "a..b:x", "a.:x"])
def test_what_names_no_code_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match=r"package\.module:attribute"):
        split(text)


def test_a_name_is_module_and_attribute() -> None:
    assert split("package.module:Class.attribute") == ("package.module", "Class.attribute")
    assert split("01-train:metric") == ("01-train", "metric")
