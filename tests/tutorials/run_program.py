"""Run one tutorial program, which says ``import dspy``, with DSPy or with dspex in its place; print its result as JSON.

``python run_program.py dspex programs/agent.py``; the model is served at ``$SCRIPTED_LM``.
"""

from __future__ import annotations

import ast
import importlib
import importlib.abc
import importlib.machinery
import json
import os
import runpy
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any


class InPlaceOfDSPy(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """``import dspy.x.y`` gives ``dspex.x.y``."""

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if name == "dspy" or name.startswith("dspy."):
            return importlib.machinery.ModuleSpec(name, self)
        return None

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType:
        module = importlib.import_module("dspex" + spec.name.removeprefix("dspy"))
        self._spec = module.__spec__
        return module

    def exec_module(self, module: ModuleType) -> None:
        """It is loaded already: only give it back the spec that the import system replaced."""
        module.__spec__ = self._spec


def script_of(program: Path) -> list[dict[str, Any]]:
    """The answers that a program expects: its `SCRIPT`, read without running it."""
    tree = ast.parse(program.read_text())
    script = next(
        node.value
        for node in tree.body
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and node.targets[0].id == "SCRIPT"
    )
    found: list[dict[str, Any]] = ast.literal_eval(script)
    return found


def main(library: str, program: str) -> None:
    if library == "dspex":
        sys.meta_path.insert(0, InPlaceOfDSPy())
    result = runpy.run_path(program)["main"]()
    print(json.dumps(result, default=str))
    sys.stdout.flush()
    os._exit(0)


if __name__ == "__main__":
    main(*sys.argv[1:])
