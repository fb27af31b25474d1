"""`PythonInterpreter`: model-written Python in a sandbox (`dspex.sandbox`)."""

from __future__ import annotations

import inspect
import keyword
import os
import warnings
from collections.abc import Callable
from os import PathLike
from typing import Any, Self

from dspex.bridge import as_coroutine, run_sync, wait_for
from dspex.callback_methods import with_callbacks
from dspex.primitives.interpreters.interpreter import CodeExecutionError, CodeInterpreterError, FinalOutput
from dspex.primitives.interpreters.submission import Submission
from dspex.sandbox.explain import MODULES, SUBSET, explain
from dspex.sandbox.files import FileConflictError, SandboxFiles, check
from dspex.sandbox.limits import SandboxLimits
from dspex.sandbox.session import CodeFinished, HostCall, SandboxError, Session
from dspex.sandbox.values import NotSendableError, received, sendable
from dspex.sandbox.workers import NoWorkerError

__all__ = ["CodeExecutionError", "CodeInterpreterError", "FinalOutput", "PythonInterpreter"]


class PythonInterpreter:
    """Runs untrusted Python, with limits on time and memory and without access to the host.

    The code reaches no file, variable of the environment, network, process or module of this host: only `tools`, and
    the files and variables that are named here. It is run by Monty, which knows a subset of Python and some modules of
    its standard library (see `execution_instructions`). A piece of code that exceeds a limit is undone, and the
    session goes on as if it had not been run.

    Interpreters cost nothing while they wait, so there may be thousands. One runs one piece of code at a time. A copy,
    or a pickled one, has a session of its own with all that was defined before.

    Args:
        deno_command: Without effect, as there is no Deno here; a warning says so.
        enable_read_paths: Files that the code may read, as ``/sandbox/<name>``. It is given copies.
        enable_write_paths: Files that it may read and write there.
        enable_env_vars: Environment variables that it may read.
        enable_network_access: Refused: a sandbox with a network is none. Give it a tool that fetches what is allowed.
        sync_files: Whether files of `enable_write_paths` are written back after each execution.
        tools: Functions of the host, plain or ``async``, that the code may call by name.
        output_fields: The parameters of ``SUBMIT``: dicts with a ``name``; `output` alone, when not given.
        callbacks: Called for this interpreter's executions, tool calls, start and shutdown.
        max_seconds: What one execution may compute; waiting for tools does not count.
        max_memory_mb: What the session may hold in memory, in MiB.
        max_tool_calls: How many calls of tools one execution may make.
        seed: Where the code's random numbers start, so that they are the same in each run; None for real chance.
    """

    execution_instructions = (
        "Python runs in a sandbox that knows a subset of Python 3 and keeps state across executions. It does not have: "
        f"{SUBSET}. Modules that can be imported: {', '.join(MODULES)}. There are no third-party packages, and no "
        "access to files, the environment or the network. Functions provided to you are called directly or in "
        "comprehensions, not through map or sorted."
    )

    def __init__(
        self,
        deno_command: list[str] | None = None,
        enable_read_paths: list[PathLike[str] | str] | None = None,
        enable_write_paths: list[PathLike[str] | str] | None = None,
        enable_env_vars: list[str] | None = None,
        enable_network_access: list[str] | None = None,
        sync_files: bool = True,
        tools: dict[str, Callable[..., Any]] | None = None,
        output_fields: list[dict[str, Any]] | None = None,
        callbacks: list[Any] | None = None,
        *,
        max_seconds: float = 60.0,
        max_memory_mb: int = 256,
        max_tool_calls: int = 10_000,
        seed: int | None = 0,
    ) -> None:
        _check_access(deno_command, enable_network_access)
        self.enable_read_paths = enable_read_paths or []
        self.enable_write_paths = enable_write_paths or []
        self.enable_env_vars = enable_env_vars or []
        self.enable_network_access: list[str] = []
        self.sync_files = sync_files
        self.tools: dict[str, Callable[..., Any]] = dict(tools or {})
        self.output_fields = output_fields
        self.callbacks = list(callbacks or [])
        limits = SandboxLimits(seconds=max_seconds, memory_mb=max_memory_mb, host_calls=max_tool_calls)
        self._session = Session(limits, seed)
        self._files = self._given_files()
        self._ended = False

    # The interpreter protocol

    @with_callbacks
    def start(self) -> None:
        """Start a worker process, if none runs yet.

        Raises:
            CodeInterpreterError: none can be started, or this session has ended.
        """
        self._check_usable()
        if self._session.state is None:
            self._run("", {})

    @with_callbacks
    def execute(self, code: str, variables: dict[str, Any] | None = None) -> Any:
        """Run a piece of code in the sandbox.

        Args:
            code: Python code.
            variables: Values by name, which the code finds as variables: what JSON can hold, models, dataclasses, ...

        Returns:
            `FinalOutput` when the code called ``SUBMIT``; else the value of its last expression, in JSON's types; or,
            where that is None, all it printed.

        Raises:
            SyntaxError: it is no Python.
            CodeExecutionError: it failed, or broke a limit; the message is meant for the model.
            CodeInterpreterError: the interpreter cannot be used (it has ended, or is running code already), or a
                variable cannot be given to it.
        """
        self._check_usable()
        finished = self._run(code, _bound(variables or {}))
        if isinstance(finished, FinalOutput):
            return finished
        return finished.printed if finished.value is None else received(finished.value)

    async def aexecute(self, code: str, variables: dict[str, Any] | None = None) -> Any:
        """`execute`, for asynchronous code."""
        return await run_sync(self.execute, code, variables)

    @with_callbacks
    def shutdown(self) -> None:
        """End the session; what it defined is gone."""
        self._ended = True
        self._session.abandon()
        self._session.state = None
        self._files.close()

    @with_callbacks
    def invoke_tool(self, tool_name: str, kwargs: dict[str, Any]) -> Any:
        """Call a tool on the code's behalf, and wait for it when it is asynchronous.

        Args:
            tool_name: The tool's name.
            kwargs: Its arguments.

        Raises:
            CodeInterpreterError: there is no such tool.
        """
        if tool_name not in self.tools:
            raise CodeInterpreterError(f"Unknown tool: {tool_name}")
        result = self.tools[tool_name](**kwargs)
        return wait_for(as_coroutine(result)) if inspect.isawaitable(result) else result

    def provide_module(self, name: str, code: str) -> None:
        """Let the code import a module that is itself code in the sandbox.

        Args:
            name: The name to import it by.
            code: Python code, run now; the value of its last expression is the module.
        """
        self._check_usable()
        defined = self._run(code, {})
        assert isinstance(defined, CodeFinished)
        self._session.modules[name] = defined.value

    def __call__(self, code: str, variables: dict[str, Any] | None = None) -> Any:
        """Run a piece of code: see `execute`."""
        return self.execute(code, variables)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()

    # One execution

    def _run(self, code: str, variables: dict[str, Any]) -> CodeFinished | FinalOutput:
        session, submission = self._session, Submission(self.output_fields)
        session.environ = {name: os.environ[name] for name in self.enable_env_vars if name in os.environ}
        try:
            functions = {"SUBMIT", *self.tools}
            step = wait_for(session.start(code, variables, functions, self._files.mount()))
            while isinstance(step, HostCall):
                if step.name == "SUBMIT":
                    step = wait_for(session.resume(error=submission.take(step)))
                else:
                    step = wait_for(session.resume(**self._called(step)))
        except SandboxError as error:
            if submission.ended(error):
                self._write_files()
                return FinalOutput(submission.values)
            raise _as_raised(error) from None
        except NoWorkerError as error:
            session.abandon()
            raise CodeInterpreterError(f"No sandbox process could be started: {error}") from error
        except BaseException:
            session.abandon()
            raise
        self._write_files()
        return step

    def _called(self, call: HostCall) -> dict[str, Any]:
        """What the sandbox gets for calling a tool: its result, or an error like that which it raised."""
        try:
            tool = self.tools.get(call.name)
            result = self.invoke_tool(call.name, _named_arguments(call, tool))
            return {"result": _as_result(result)}
        except _ArgumentsError as error:
            return {"error": ("TypeError", str(error))}
        except Exception as error:  # noqa: BLE001 - a tool may fail in any way, and the code that called it gets the error
            return {"error": ("RuntimeError", f"{type(error).__name__}: {error}")}

    def _write_files(self) -> None:
        if self.sync_files:
            self._files.copy_out()

    def _check_usable(self) -> None:
        if self._ended:
            raise CodeInterpreterError(
                "PythonInterpreter session has ended; create a new interpreter for a fresh session."
            )
        if self._session.busy:
            raise CodeInterpreterError(
                "PythonInterpreter cannot execute recursively from one of its tools, or two pieces of code at once. "
                "Create a separate interpreter for each."
            )

    # Files and copies

    def _given_files(self) -> SandboxFiles:
        try:
            files = check(self.enable_read_paths, self.enable_write_paths)
            return SandboxFiles(files, set(check((), self.enable_write_paths).values()))
        except FileConflictError as error:
            raise CodeInterpreterError(str(error)) from error

    def __getstate__(self) -> dict[str, Any]:
        if self._session.busy:
            raise CodeInterpreterError("A PythonInterpreter that is running code cannot be copied or pickled.")
        return {name: value for name, value in vars(self).items() if name != "_files"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._files = self._given_files()


class _ArgumentsError(Exception):
    """A tool was called with arguments that it does not take."""


def _named_arguments(call: HostCall, tool: Any) -> dict[str, Any]:
    """The call's arguments by name, in JSON's types, as tools take them."""
    args, kwargs = [received(value) for value in call.args], {name: received(v) for name, v in call.kwargs.items()}
    if not args:
        return kwargs
    function = getattr(tool, "func", None) if hasattr(tool, "acall") else None  # a `Tool` says less than its function
    try:
        bound = inspect.signature(function or tool).bind(*args, **kwargs)
    except (TypeError, ValueError) as error:
        raise _ArgumentsError(f"{call.name}() {error}") from None
    named: dict[str, Any] = {}
    for name, value in bound.arguments.items():
        kind = bound.signature.parameters[name].kind
        if kind in (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.POSITIONAL_ONLY):
            raise _ArgumentsError(f"{call.name}() takes its arguments by name")
        named.update(value if kind is inspect.Parameter.VAR_KEYWORD else {name: value})
    return named


def _as_result(value: Any) -> Any:
    try:
        return sendable(value)
    except NotSendableError:
        return str(value)


def _bound(variables: dict[str, Any]) -> dict[str, Any]:
    bound = {}
    for name, value in variables.items():
        if not isinstance(name, str) or not name.isidentifier() or keyword.iskeyword(name):
            raise CodeInterpreterError(f"Invalid variable name: {name!r}")
        try:
            bound[name] = sendable(value)
        except NotSendableError as error:
            raise CodeInterpreterError(f"{error}; it is the value of the variable {name!r}") from None
    return bound


def _as_raised(error: SandboxError) -> Exception:
    if error.kind == "SyntaxError":
        return SyntaxError(f"Invalid Python syntax. message: {error.text}")
    return CodeExecutionError(explain(error))


def _check_access(deno_command: Any, network: Any) -> None:
    if isinstance(deno_command, dict):
        raise TypeError("deno_command must be a list of strings, not a dict")
    if deno_command:
        warnings.warn(
            "PythonInterpreter runs code in a sandbox of its own, not in Deno: `deno_command` has no effect, and "
            "grants no permissions. See enable_read_paths, enable_write_paths, enable_env_vars and tools.",
            stacklevel=3,
        )
    if network:
        raise CodeInterpreterError(
            "enable_network_access: the sandbox has no network. Give it a tool that fetches what it may see, e.g. "
            "PythonInterpreter(tools={'fetch': fetch}); or take LocalInterpreter, which protects from nothing."
        )
