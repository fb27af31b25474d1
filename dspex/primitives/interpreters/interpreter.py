"""`CodeInterpreter`: what runs the code that models write, whichever it is.

`PythonInterpreter` (a sandbox) is the usual one, `LocalInterpreter` is CPython without any protection, and a class of
your own need only have these methods.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, runtime_checkable

from dspex.errors import DSPyError

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
        """Run a piece of code.

        Args:
            code: Python code.
            variables: Values by name, which the code finds as variables.

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
