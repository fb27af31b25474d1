"""`CodeInterpreter`: what runs the code that models write, whichever it is.

`PythonInterpreter` (a sandbox) is the usual one, `LocalInterpreter` is CPython without any protection, and a class of
your own need only have these methods. A module's own ``interpreter_factory`` comes before the configured one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, runtime_checkable

from dspex.errors import DSPyError
from dspex.settings import settings

SIMPLE_TYPES = (str, int, float, bool, list, dict, type(None))
"""Types that a parameter of a tool or of ``SUBMIT`` may be annotated with inside an interpreter."""


class CodeInterpreterError(DSPyError, RuntimeError):
    """An interpreter failed in a way that no other code can mend: its set-up, its process, its protocol."""


class CodeExecutionError(CodeInterpreterError):
    """The code that was run failed; the interpreter is well, and other code may do better."""


class FinalOutput:
    """What `CodeInterpreter.execute` returns when the code called ``SUBMIT``: `output`, a dict by output field."""

    def __init__(self, output: Any) -> None:
        self.output = output

    def __repr__(self) -> str:
        return f"FinalOutput({self.output!r})"

    def __eq__(self, other: object) -> bool:
        return self.output == other.output if isinstance(other, FinalOutput) else NotImplemented


@runtime_checkable
class CodeInterpreter(Protocol):
    """Runs Python code, piece by piece, in one session: what a piece defines is there for the next.

    `tools` are functions of the host that the code may call by name. A session begins with `start`, or with the first
    `execute`, and ends with `shutdown`. To run sub-agents (``import dspy`` in the code), the tools must be globals of
    the code.
    """

    @property
    def tools(self) -> dict[str, Callable[..., Any]]:
        """Host functions by name; callers may add to the dict between executions."""
        ...

    def start(self) -> None:
        """Get ready. May be called again, and need not be called at all."""
        ...

    def execute(self, code: str, variables: dict[str, Any] | None = None) -> Any:
        """Run `code` with `variables` bound to their names.

        Returns:
            `FinalOutput` when the code called ``SUBMIT``; else the value of its last expression; else what it printed.

        Raises:
            SyntaxError: it is no Python.
            CodeExecutionError: the code, or a tool that it called, failed.
            CodeInterpreterError: the interpreter itself failed.
        """
        ...

    def shutdown(self) -> None:
        """End the session and free what it holds."""
        ...


InterpreterFactory = Callable[[], CodeInterpreter]


def resolve_interpreter_factory(factory: InterpreterFactory | None = None) -> InterpreterFactory:
    """What makes the next interpreter: `factory`, else ``settings.interpreter_factory``, else `PythonInterpreter`.

    None and `PythonInterpreter` count as not given. Call it when an interpreter is made, and not before, so that
    ``dspex.context(interpreter_factory=...)`` holds.

    Raises:
        TypeError: the configured factory is none.
    """
    from dspex.primitives.python_interpreter import PythonInterpreter

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
