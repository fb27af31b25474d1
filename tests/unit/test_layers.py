"""Imports point down the picture of DESIGN §2, and importing dspex stays light."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

LAYERS = [
    {"by_value", "errors", "settings", "bridge", "callback", "callback_methods", "logs", "lm15", "observability"},
    {"store", "signatures", "sandbox"},
    {"clients", "finetuning", "adapters", "practice", "datafiles"},
    {"primitives"},
    {"predict", "streaming"},
    {"evaluate", "runner", "teleprompt"},
    {"temporal", "utils", "dsp", "experimental", "retrievers", "datasets", "migrate"},
    {"dspex_workflows", "dspex_activities"},
    {"cli"},
    {"__main__"},
]
LEVEL = {room: level for level, rooms in enumerate(LAYERS) for room in rooms}

UPWARD = {
    ("dspex/primitives/module.py", "predict"): "finding a program's predictors: DSPy's Module knows Predict",
    ("dspex/settings.py", "utils"): "a copy of the settings is the dictionary with attributes that DSPy's is",
    ("dspex/predict/parallel.py", "evaluate"): "Parallel shows Evaluate's progress bar",
    ("dspex/predict/parallel.py", "runner"): "Parallel runs programs as a run does",
    ("dspex/predict/aggregation.py", "evaluate"): "majority counts answers as the metrics compare them",
    ("dspex/runner/local_backend.py", "temporal"): "configure(temporal=...) makes the same call durable",
    ("dspex/finetuning/provider.py", "temporal"): "configure(temporal=...) makes the same call durable",
    ("dspex/worker/worker.py", "dspex_workflows"): "the worker entry point, the one exception of DESIGN §2",
    ("dspex/worker/worker.py", "dspex_activities"): "the worker entry point, the one exception of DESIGN §2",
}
"""Each is made late, inside a function. A new one needs a reason as good."""

HEAVY = [
    "aiohttp",
    "dspex_activities",
    "dspex_workflows",
    "genai_prices",
    "httpx",
    "json_repair",
    "libcst",
    "numpy",
    "opentelemetry",
    "pyarrow",
    "pydantic",
    "pydantic_monty",
    "rich",
    "sqlalchemy",
    "temporalio",
    "tenacity",
    "typer",
]


def sources() -> list[Path]:
    return sorted(path for folder in ("dspex", "workflows", "activities") for path in (ROOT / folder).rglob("*.py"))


def room_of(module: str) -> str | None:
    """The room that a module of ours lives in: ``dspex.clients.lm`` lives in ``clients``."""
    first, _, rest = module.partition(".")
    if first in ("dspex_workflows", "dspex_activities"):
        return first
    return rest.partition(".")[0] if first == "dspex" and rest else None


def module_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts if parts[0] == "dspex" else parts[1:]).removesuffix(".__init__")


def imported(path: Path) -> Iterator[tuple[str, bool]]:
    """The modules that a file imports when it runs, and whether it does so as soon as it is loaded itself."""

    def visit(node: ast.AST, early: bool) -> Iterator[tuple[str, bool]]:
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            return
        if isinstance(node, ast.Import):
            yield from ((alias.name, early) for alias in node.names)
        if isinstance(node, ast.ImportFrom):
            assert node.module is not None, f"{path}: relative import"
            yield node.module, early
            if node.module == "dspex":
                yield from ((f"dspex.{alias.name}", early) for alias in node.names if alias.name in LEVEL)
        inside = early and not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        for child in ast.iter_child_nodes(node):
            yield from visit(child, inside)

    yield from visit(ast.parse(path.read_text(encoding="utf-8")), True)


def upward_imports() -> dict[tuple[str, str], bool]:
    """File and room of each import that points up, and whether it is made as soon as the file is loaded."""
    found: dict[tuple[str, str], bool] = {}
    for path in sources():
        own = room_of(module_of(path))
        if own is None:
            continue
        for module, early in imported(path):
            room = room_of(module)
            if room is not None and LEVEL[room] > LEVEL[own]:
                key = (path.relative_to(ROOT).as_posix(), room)
                found[key] = found.get(key, False) or early
    return found


def test_imports_point_down() -> None:
    assert set(upward_imports()) == set(UPWARD)


def test_imports_that_point_up_are_made_late() -> None:
    assert [key for key, early in upward_imports().items() if early] == []


def test_every_room_has_a_place_in_the_picture() -> None:
    assert {room_of(module_of(path)) for path in sources()} - {None} <= set(LEVEL)


@pytest.mark.parametrize("statement", ["import dspex", "import dspex; dspex.configure"])
def test_importing_dspex_loads_nothing_heavy(statement: str) -> None:
    code = f"import sys; {statement}; print(*[name for name in {HEAVY} if name in sys.modules])"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert ran.stdout.split() == []
