"""Which interpreter runs the code that models write, under DSPy's import path.

A module's own ``interpreter_factory`` comes before the configured one, and that before `PythonInterpreter`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dspex.primitives.interpreters.interpreter import (
    SIMPLE_TYPES,
    CodeExecutionError,
    CodeInterpreter,
    CodeInterpreterError,
    FinalOutput,
)
from dspex.primitives.python_interpreter import PythonInterpreter
from dspex.settings import settings

__all__ = [
    "SIMPLE_TYPES",
    "CodeExecutionError",
    "CodeInterpreter",
    "CodeInterpreterError",
    "FinalOutput",
    "InterpreterFactory",
    "resolve_interpreter_factory",
]

InterpreterFactory = Callable[[], CodeInterpreter]


def resolve_interpreter_factory(factory: InterpreterFactory | None = None) -> InterpreterFactory:
    """Return `factory`, else ``settings.interpreter_factory``, else `PythonInterpreter`, for the next interpreter.

    Call it when an interpreter is made, and not before, so that ``dspex.context(interpreter_factory=...)`` holds.

    Args:
        factory: A module's own factory; None and `PythonInterpreter` count as not given.

    Raises:
        TypeError: the configured factory is not a function that makes interpreters.
    """
    if factory is not None and factory is not PythonInterpreter:
        return factory
    configured = settings.get("interpreter_factory")
    if configured is None:
        return PythonInterpreter
    _validate_interpreter_factory(configured, name="dspex.settings.interpreter_factory")
    return configured  # type: ignore[no-any-return]


def _validate_interpreter_factory(factory: Any, name: str = "interpreter_factory") -> None:
    if not isinstance(factory, type) and isinstance(factory, CodeInterpreter):
        raise TypeError(
            f"{name} received an object that already implements CodeInterpreter, so its ownership is ambiguous: give a "
            "function without arguments that makes one, e.g. `lambda: PythonInterpreter(...)`."
        )
    if not callable(factory):
        raise TypeError(
            f"{name} must be a zero-argument callable that creates a CodeInterpreter, not {type(factory).__name__}."
        )


def _create_interpreter(factory: InterpreterFactory | None) -> CodeInterpreter:
    interpreter = resolve_interpreter_factory(factory)()
    if not isinstance(interpreter, CodeInterpreter):
        raise TypeError(f"interpreter_factory must return a CodeInterpreter, not {type(interpreter).__name__}.")
    return interpreter


def _validate_interpreter(interpreter: Any) -> None:
    if not isinstance(interpreter, CodeInterpreter):
        raise TypeError(f"interpreter must implement CodeInterpreter, not {type(interpreter).__name__}.")
