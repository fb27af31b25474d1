"""The process behind `LocalInterpreter`: requests come on standard input, a JSON object a line, answers go out so.

It runs alone (``python -I``) and so imports nothing of dspex. What the code itself prints goes to a file: standard
output belongs to the protocol.
"""

from __future__ import annotations

import ast
import builtins
import json
import os
import queue
import sys
import tempfile
import threading
from collections.abc import Callable
from typing import Any, TextIO

Message = dict[str, Any]


class Submitted(BaseException):
    """``SUBMIT`` was called."""

    def __init__(self, values: dict[str, Any]) -> None:
        super().__init__()
        self.values = values


class HostChannel:
    """Messages to and from the host. Tool calls of several threads may wait at once."""

    def __init__(self, source: TextIO, sink: TextIO) -> None:
        """Open the channel, and start the thread that reads from it.

        Args:
            source: Where messages of the host come in, one JSON object a line.
            sink: Where messages to the host go out.
        """
        self._source, self._sink = source, sink
        self._writing, self._lock = threading.Lock(), threading.Lock()
        self._waiting: dict[int, queue.SimpleQueue[Message | None]] = {}
        self._calls = 0
        self.requests: queue.SimpleQueue[Message | None] = queue.SimpleQueue()
        threading.Thread(target=self._read, daemon=True).start()

    def send(self, message: Message) -> None:
        """Send one message to the host."""
        line = json.dumps(message, allow_nan=False)
        with self._writing:
            self._sink.write(line + "\n")
            self._sink.flush()

    def call(self, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Have the host call one of its tools, and wait for the result.

        Args:
            name: The tool's name.
            args: Its positional arguments, of JSON's types.
            kwargs: Its keyword arguments, of JSON's types.

        Raises:
            RuntimeError: the tool failed.
            EOFError: the host has gone.
        """
        answer: queue.SimpleQueue[Message | None] = queue.SimpleQueue()
        with self._lock:
            self._calls += 1
            number = self._calls
            self._waiting[number] = answer
        try:
            self.send({"type": "tool_request", "id": number, "name": name, "args": args, "kwargs": kwargs})
            message = answer.get()
        finally:
            with self._lock:
                del self._waiting[number]
        if message is None:
            raise EOFError("the host has gone")
        if message["type"] == "tool_error":
            raise RuntimeError(message["error"])
        return message["value"]

    def _read(self) -> None:
        for line in self._source:
            message = json.loads(line)
            if message["type"] in ("tool_result", "tool_error"):
                with self._lock:
                    self._waiting[message["id"]].put(message)
            else:
                self.requests.put(message)
        with self._lock:
            waiting = list(self._waiting.values())
        for place in [*waiting, self.requests]:
            place.put(None)


class Namespace:
    """The globals of the code, from one execution to the next."""

    def __init__(self, wire: HostChannel) -> None:
        self._wire = wire
        self._tools: list[str] = []
        self._own_threads = set(threading.enumerate())
        self.globals: dict[str, Any] = {"__builtins__": vars(builtins).copy(), "__name__": "__main__"}

    def execute(self, request: Message) -> Message:
        """Run one piece of code, and return the message that answers the host's request."""
        self._provide(request["tools"], request["output_fields"])
        self.globals.update(request["variables"])
        printed = Printed()
        try:
            answer = self._outcome(request["code"])
        finally:
            text = printed.end()
        left = [thread.name for thread in threading.enumerate() if thread not in self._own_threads]
        if left:
            return {"type": "terminal_error", "error": f"executed code left background threads running: {left!r}"}
        return {**answer, "stdout": text}

    def _outcome(self, code: str) -> Message:
        try:
            return {"type": "result", "value": writable(self._run(code))}
        except Submitted as submitted:
            return {"type": "final", "value": writable(submitted.values)}
        except SyntaxError as error:
            return {"type": "syntax", "error": str(error)}
        except BaseException as error:  # noqa: BLE001 - the host gets whatever the code raised
            return {"type": "execution_error", "error": f"{type(error).__name__}: {error}"}

    def _run(self, code: str) -> Any:
        """The value of the last expression."""
        tree = ast.parse(code)
        last = tree.body[-1] if tree.body else None
        if not isinstance(last, ast.Expr):
            return exec(compile(tree, "<interpreter>", "exec"), self.globals)
        tree.body.pop()
        exec(compile(tree, "<interpreter>", "exec"), self.globals)
        return eval(compile(ast.Expression(last.value), "<interpreter>", "eval"), self.globals)

    def _provide(self, tools: list[str], fields: list[dict[str, Any]] | None) -> None:
        for name in self._tools:
            self.globals.pop(name, None)
        self._tools = tools
        self.globals.update({name: self._tool(name) for name in tools})
        self.globals["SUBMIT"] = submit_function([field["name"] for field in fields or ()] if fields else None)

    def _tool(self, name: str) -> Callable[..., Any]:
        def tool(*args: Any, **kwargs: Any) -> Any:
            return self._wire.call(name, args, kwargs)

        tool.__name__ = name
        return tool


def submit_function(names: list[str] | None) -> Callable[..., None]:
    """The function ``SUBMIT`` with the output fields as parameters."""

    def submit(*args: Any, **kwargs: Any) -> None:
        if names is None:
            if len(args) != 1 or kwargs:
                raise TypeError("SUBMIT requires one output value")
            raise Submitted({"output": args[0]})
        if args and kwargs:
            raise TypeError("SUBMIT accepts positional or keyword values, not both")
        values = dict(zip(names, args, strict=False)) if args else kwargs
        if set(values) != set(names) or len(args) > len(names):
            raise TypeError(f"SUBMIT fields do not match the configured output fields: {', '.join(names)}")
        raise Submitted(values)

    return submit


class Printed:
    """Everything that is written to standard output and error from its making to `end`, by subprocesses too."""

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 - closed by `end`
        sys.stdout, sys.stderr = _open_stream(1), _open_stream(2)
        self._before = os.dup(1), os.dup(2)
        for descriptor in (1, 2):
            os.dup2(self._file.fileno(), descriptor)

    def end(self) -> str:
        """Stop collecting, and return what was printed."""
        for stream in (sys.stdout, sys.stderr):
            try:
                stream.flush()
            except (AttributeError, OSError, ValueError):  # the code put something of its own there, or closed it
                continue
        for descriptor, before in zip((1, 2), self._before, strict=True):
            os.dup2(before, descriptor)
            os.close(before)
        self._file.seek(0)
        with self._file:
            return self._file.read().decode("utf-8", "replace").rstrip("\n")


def _open_stream(descriptor: int) -> TextIO:
    return os.fdopen(descriptor, "w", encoding="utf-8", errors="replace", closefd=False, buffering=1)


def writable(value: Any) -> Any:
    """`value`, or its repr where JSON cannot hold it."""
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError):
        return repr(value)
    return value


def main() -> None:
    """Answer the host's requests until it closes the channel."""
    sink = os.fdopen(os.dup(1), "w", encoding="utf-8")
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for descriptor in (1, 2):
        os.dup2(nowhere, descriptor)
    wire = HostChannel(sys.stdin, sink)
    namespace = Namespace(wire)
    wire.send({"type": "ready"})
    while (request := wire.requests.get()) is not None:
        answer = namespace.execute(request)
        wire.send(answer)
        if answer["type"] == "terminal_error":
            return


if __name__ == "__main__":
    main()
