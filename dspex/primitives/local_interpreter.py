"""`LocalInterpreter`: model-written Python in a CPython process of this host, protected from nothing."""

from __future__ import annotations

import contextlib
import inspect
import json
import keyword
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from pathlib import Path
from typing import Any, NoReturn, Self

from dspex.bridge import as_coroutine, run_sync, wait_for
from dspex.callback_methods import with_callbacks
from dspex.primitives.interpreters.blocking import call_blocking, in_daemon_thread
from dspex.primitives.interpreters.interpreter import CodeExecutionError, CodeInterpreterError, FinalOutput

_WORKER = Path(__file__).with_name("local_interpreter_worker.py")
_START_SECONDS = 10.0
_OWN_NAMES = {"SUBMIT", "__builtins__"}

Message = dict[str, Any]


class LocalInterpreter:
    """Runs Python in a process of its own that keeps its state, with all that is installed here.

    It is no sandbox: the code may do whatever the user of this process may. It is for code that is trusted, or for a
    host that is a sandbox already, where `PythonInterpreter`'s subset of Python is not enough.

    Args:
        tools: Functions of the host, plain or ``async``, that the code may call by name; they take and return what JSON
            can hold. Each call runs in a thread of its own.
        output_fields: The parameters of ``SUBMIT``: dicts with a ``name``.
        execution_timeout: Seconds that one execution may take, tools included; then the process is ended, and the
            session with it. None for any time. (A tool that still runs goes on in its thread; its result is dropped.)
        callbacks: Told of executions, tool calls, start and shutdown.
    """

    execution_instructions = (
        "Code runs as Python in a persistent local subprocess. State, imports, functions, and JSON-compatible "
        "variables persist for this session. Host tools and SUBMIT are available as global functions. All threads "
        "must finish before each code execution returns; use context-managed executors for parallel work."
    )

    def __init__(
        self,
        tools: dict[str, Callable[..., Any]] | None = None,
        output_fields: list[dict[str, Any]] | None = None,
        *,
        execution_timeout: float | None = None,
        callbacks: list[Any] | None = None,
    ) -> None:
        if execution_timeout is not None and execution_timeout <= 0:
            raise ValueError("execution_timeout must be positive or None")
        _check_tool_names(tools or {})
        self.tools = dict(tools or {})
        self.output_fields = None if output_fields is None else [dict(field) for field in output_fields]
        _check_output_fields(self.output_fields)
        self.execution_timeout = execution_timeout
        self.callbacks = list(callbacks or [])
        self._process: subprocess.Popen[str] | None = None
        self._messages: queue.SimpleQueue[str | BaseException | None] = queue.SimpleQueue()
        self._executing = threading.Lock()
        self._writing = threading.Lock()
        self._ended = False

    # The interpreter protocol

    @with_callbacks
    def start(self) -> None:
        """Start the process, if it does not run yet.

        Raises:
            CodeInterpreterError: it cannot be started, or the session has ended.
        """
        if self._ended:
            raise CodeInterpreterError("LocalInterpreter session has been shut down.")
        if self._process is not None:
            return
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-I", str(_WORKER)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
                encoding="utf-8",
                start_new_session=os.name == "posix",
            )
        except OSError as error:
            raise CodeInterpreterError(f"Unable to start Python worker: {error}") from error
        threading.Thread(target=self._listen, args=(self._process,), daemon=True).start()
        late = f"Python worker did not start within {_START_SECONDS:g} seconds."
        if self._receive(time.monotonic() + _START_SECONDS, late)["type"] != "ready":
            self._fail("Python worker did not start as it should.")

    @with_callbacks
    def execute(self, code: str, variables: dict[str, Any] | None = None) -> Any:
        """Run a piece of code in the interpreter's process.

        Args:
            code: Python code.
            variables: Values by name, which the code finds as variables.

        Returns:
            `FinalOutput` when the code called ``SUBMIT``; else the value of its last expression; or, where that is
            None, what it printed (None when it printed nothing).

        Raises:
            SyntaxError: it is no Python.
            CodeExecutionError: it failed.
            CodeInterpreterError: it took too long, ended its process, or could not be run at all.
        """
        if not self._executing.acquire(blocking=False):
            raise CodeInterpreterError("LocalInterpreter already has an active execution.")
        try:
            request = self._request(code, {} if variables is None else variables)
            if self._process is None:
                self.start()
            return _result(self._exchange(request), self._fail)
        finally:
            self._executing.release()

    async def aexecute(self, code: str, variables: dict[str, Any] | None = None) -> Any:
        """`execute`, for asynchronous code."""
        return await run_sync(self.execute, code, variables)

    @with_callbacks
    def invoke_tool(self, tool_name: str, args: list[Any], kwargs: dict[str, Any]) -> Any:
        """Call a tool on the code's behalf, and wait for it when it is asynchronous.

        Args:
            tool_name: The tool's name.
            args: Its positional arguments.
            kwargs: Its keyword arguments.

        Raises:
            CodeInterpreterError: there is no such tool.
        """
        if tool_name not in self.tools:
            raise CodeInterpreterError(f"Unknown tool: {tool_name}")
        result = self.tools[tool_name](*args, **kwargs)
        return wait_for(as_coroutine(result)) if inspect.isawaitable(result) else result

    @with_callbacks
    def shutdown(self) -> None:
        """End the process; what it defined is gone."""
        if not self._ended:
            self._ended = True
            self._kill()

    def __call__(self, code: str, variables: dict[str, Any] | None = None) -> Any:
        """Run a piece of code: see `execute`."""
        return self.execute(code, variables)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()

    # One execution

    def _request(self, code: str, variables: dict[str, Any]) -> Message:
        if not isinstance(code, str):
            raise CodeInterpreterError("code must be a string")
        if not isinstance(variables, dict):
            raise CodeInterpreterError("variables must map Python identifiers to JSON-compatible values")
        _check_tool_names(self.tools)
        _check_output_fields(self.output_fields)
        wrong = _not_names(variables, {*_OWN_NAMES, *self.tools})
        if wrong:
            raise CodeInterpreterError(
                "variable names must be non-reserved Python identifiers distinct from tool names; "
                f"invalid names: {wrong!r}"
            )
        try:
            json.dumps(variables, allow_nan=False)
        except (TypeError, ValueError) as error:
            raise CodeInterpreterError(f"variables must be JSON-compatible: {error}") from error
        return {
            "type": "execute",
            "code": code,
            "variables": variables,
            "tools": list(self.tools),
            "output_fields": self.output_fields,
        }

    def _exchange(self, request: Message) -> Message:
        """Send the request, serve its tool calls, and return its answer."""
        process, limit = self._process, self.execution_timeout
        deadline = None if limit is None else time.monotonic() + limit
        late = f"Python worker exceeded execution timeout of {limit:g} seconds." if limit else "No answer."
        self._send(request, process)
        message = self._receive(deadline, late)
        calls: list[Future[None]] = []
        while message["type"] == "tool_request":
            calls.append(in_daemon_thread(self._serve, message, process))
            message = self._receive(deadline, late)
        for call in calls:
            self._finished(call, deadline, late)
        return message

    def _finished(self, call: Future[None], deadline: float | None, late: str) -> None:
        seconds = None if deadline is None else max(0.0, deadline - time.monotonic())
        try:
            call_blocking(call.result, seconds)
        except TimeoutError:
            self._fail(late)

    def _serve(self, request: Message, process: subprocess.Popen[str] | None) -> None:
        answer: Message = {"id": request["id"]}
        try:
            value = self.invoke_tool(request["name"], request["args"], request["kwargs"])
            json.dumps(value, allow_nan=False)
            answer.update(type="tool_result", value=value)
        except Exception as error:  # noqa: BLE001 - a tool may fail in any way, and the code that called it gets the error
            answer.update(type="tool_error", error=f"{type(error).__name__}: {error}")
        except BaseException as error:  # noqa: BLE001 - an interrupt is for whoever waits in `execute`
            self._messages.put(error)
            return
        self._send(answer, process)

    # The process

    def _listen(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        with contextlib.suppress(ValueError):  # closed while it was read
            for line in process.stdout:
                self._messages.put(line)
        self._messages.put(None)

    def _send(self, message: Message, process: subprocess.Popen[str] | None) -> None:
        with self._writing:
            if self._process is not process or process is None or process.stdin is None:
                return  # the session has ended meanwhile
            try:
                process.stdin.write(json.dumps(message) + "\n")
                process.stdin.flush()
            except (OSError, ValueError) as error:
                self._fail(f"Unable to send request to Python worker: {error}", error)

    def _receive(self, deadline: float | None, late: str) -> Message:
        seconds = None if deadline is None else max(0.0, deadline - time.monotonic())
        try:
            line = call_blocking(self._messages.get, True, seconds)
        except queue.Empty:
            self._fail(late)
        except BaseException:
            self.shutdown()
            raise
        if line is None:
            self._fail("Python worker exited unexpectedly.")
        if isinstance(line, BaseException):
            self.shutdown()
            raise line
        try:
            message = json.loads(line)
        except json.JSONDecodeError as error:
            self._fail(f"Python worker returned invalid JSON: {line!r}", error)
        return message  # type: ignore[no-any-return]

    def _fail(self, message: str, cause: BaseException | None = None) -> NoReturn:
        self._ended = True
        self._kill()
        raise CodeInterpreterError(message) from cause

    def _kill(self) -> None:
        """End the process, and on POSIX all that it has started."""
        process, self._process = self._process, None
        if process is None:
            return
        with contextlib.suppress(OSError):
            if os.name == "posix":
                os.killpg(process.pid, signal.SIGKILL)
            else:
                process.kill()
        process.wait()
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                with contextlib.suppress(OSError):
                    stream.close()


def _result(message: Message, fail: Callable[[str], NoReturn]) -> Any:
    kind = message["type"]
    if kind == "result":
        return message["value"] if message["value"] is not None else message["stdout"] or None
    if kind == "final":
        return FinalOutput(message["value"])
    if kind == "syntax":
        raise SyntaxError(message["error"])
    if kind == "execution_error":
        raise CodeExecutionError(message["error"])
    return fail(f"Python worker failed: {message.get('error', message)}")


def _not_names(names: Iterable[Any], taken: set[str]) -> list[Any]:
    def is_name(name: Any) -> bool:
        return isinstance(name, str) and name.isidentifier() and not keyword.iskeyword(name) and name not in taken

    return [name for name in names if not is_name(name)]


def _check_tool_names(tools: dict[str, Callable[..., Any]]) -> None:
    wrong = _not_names(tools, _OWN_NAMES)
    if wrong:
        raise ValueError(f"tool names must be non-reserved Python identifiers; invalid names: {wrong!r}")


def _check_output_fields(fields: list[dict[str, Any]] | None) -> None:
    names = [field.get("name") for field in fields or ()]
    if _not_names(names, set()):
        raise ValueError("output field names must be non-keyword Python identifiers")
    if len(names) != len(set(names)):
        raise ValueError("output field names must be unique")
    try:
        json.dumps(fields, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise ValueError(f"output fields must be JSON-compatible: {error}") from error
