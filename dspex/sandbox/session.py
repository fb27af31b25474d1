"""`Session`: one interpreter, and all that its code has defined so far.

An execution goes in steps. `start` runs the code until it ends or calls a host function; the caller itself calls that
function, and takes its result to `resume`. So a host function runs in its caller's own thread or greenlet, and no step
of an execution ever blocks an event loop.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from dspex.sandbox.limits import SandboxLimits, as_resource_limits, os_policy
from dspex.sandbox.workers import WorkerLease, workers

if TYPE_CHECKING:
    from pydantic_monty import CollectString, MountDir

_LIMIT_BROKEN = re.compile(r"(time|memory|suspension|sleep) limit")


@dataclass(frozen=True)
class HostCall:
    """The code called a function that the host has; it waits for `Session.resume`.

    Args:
        name: The function's name.
        args: Its positional arguments.
        kwargs: Its keyword arguments.
    """

    name: str
    args: tuple[Any, ...]
    kwargs: dict[str, Any]


@dataclass(frozen=True)
class CodeFinished:
    """The code ran to its end: the value of its last expression, as Monty gives it, and all it printed."""

    value: Any
    printed: str


Step = HostCall | CodeFinished


class SandboxError(Exception):
    """Sandboxed code failed: its exception's type and arguments."""

    def __init__(self, kind: str, args: tuple[Any, ...] = (), text: str = "", undone: bool = False) -> None:
        """Describe what went wrong inside a sandbox.

        Args:
            kind: The name of the exception class that the code raised.
            args: The exception's arguments.
            text: The message.
            undone: Whether the session is as it was before the code ran.
        """
        super().__init__(f"{kind}: {text}")
        self.kind = kind
        self.arguments = args
        self.text = text
        self.undone = undone
        """Whether the session is as it was before, which is so when a limit was broken."""


@dataclass
class Session:
    """What one interpreter remembers, as bytes while no code runs; it may be copied and pickled then."""

    limits: SandboxLimits = field(default_factory=SandboxLimits)
    seed: int | None = 0
    modules: dict[str, Any] = field(default_factory=dict)
    """Objects of the sandbox that stand for modules, by the name to import."""
    environ: dict[str, str] = field(default_factory=dict)
    state: bytes | None = None
    _run: _Run | None = field(default=None, repr=False)

    def __getstate__(self) -> dict[str, Any]:
        """All but `modules`, which Monty ties to this very session."""
        return {**vars(self), "modules": {}, "_run": None}

    @property
    def busy(self) -> bool:
        """Whether an execution is under way."""
        return self._run is not None

    async def start(
        self, code: str, variables: Mapping[str, Any], functions: Collection[str], mount: MountDir | None = None
    ) -> Step:
        """Run a piece of code up to its next step: its end, or a call of a host function.

        Args:
            code: Python code.
            variables: Values by name, which the code finds as variables.
            functions: The names of the host functions that it may call.
            mount: The folder of files that it may see, or None.

        Raises:
            SandboxError: the code is no Python, failed, or broke a limit.
            NoWorkerError: no worker process can be started.
        """
        from pydantic_monty import CollectString

        run = self._run = _Run(self, functions, CollectString(max_bytes=self.limits.output_mb * 1024 * 1024), mount)
        return await run.begin(code, variables)

    async def resume(self, *, result: Any = None, error: tuple[str, str] | None = None) -> Step:
        """Continue after a call of a host function, up to the next step.

        Args:
            result: What the function returned.
            error: The error that it raised, as (type, message); None if it returned.

        Raises:
            SandboxError: the code failed, or broke a limit.
        """
        assert self._run is not None, "there is no execution to go on with"
        answer = {"return_value": result} if error is None else {"exc_type": error[0], "message": error[1]}
        return await self._run.go_on(answer)

    def abandon(self) -> None:
        """Break the execution off: the session is as it was before it."""
        if self._run is not None:
            self._run.end()


class _Run:
    """One execution: where it is, and how it comes back there."""

    def __init__(
        self, session: Session, functions: Collection[str], printed: CollectString, mount: MountDir | None
    ) -> None:
        self.session = session
        self.lookup = dict.fromkeys(functions, _never)
        self.printed = printed
        self.mount = mount
        self.lease: WorkerLease | None = None
        self.snapshot: Any = None
        self.calls = 0

    async def begin(self, code: str, variables: Mapping[str, Any]) -> Step:
        from pydantic_monty import MontyError

        try:
            lease = await self._acquire()
            if self.session.state is not None:
                await self._do(lease.session.load_session, self.session.state)
            snapshot = await self._do(
                lease.session.feed_start,
                code.encode("utf-8", "replace").decode(),
                inputs=dict(variables),
                external_lookup=self.lookup,
                print_callback=self.printed,
                mount=self.mount,
                os=self._environment,
            )
            return await self._advance(snapshot)
        except MontyError as error:
            raise await self._failure(error) from None
        except BaseException:
            self.end()
            raise

    async def go_on(self, answer: dict[str, Any]) -> Step:
        from pydantic_monty import MontyError

        assert self.lease is not None
        try:
            moved = await workers().unpark(self.lease)
            if moved is not None:
                lease = await self._acquire()
                self.snapshot = await self._do(
                    lease.session.load_snapshot,
                    moved,
                    mount=self.mount,
                    print_callback=self.printed,
                    external_lookup=self.lookup,
                    os=self._environment,
                )
            return await self._advance(await self._do(self.snapshot.resume, answer))
        except MontyError as error:
            raise await self._failure(error) from None
        except BaseException:
            self.end()
            raise

    async def _acquire(self) -> WorkerLease:
        session = self.session
        self.lease = await workers().acquire(
            limits=as_resource_limits(session.limits), os_policy=os_policy(session.seed)
        )
        return self.lease

    async def _do(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        assert self.lease is not None
        return await workers().on(self.lease, function, *args, **kwargs)

    async def _advance(self, snapshot: Any) -> Step:
        """Answer what needs no host function (unknown names, imports, given files), and stop at what does."""
        from pydantic_monty import FunctionSnapshot, MontyComplete

        while not isinstance(snapshot, MontyComplete):
            if isinstance(snapshot, FunctionSnapshot) and snapshot.function_name in self.lookup:
                return self._wait_at(snapshot)
            module = self._module(snapshot)
            if module is None:
                snapshot = await self._do(snapshot.resume_auto)
            else:
                snapshot = await self._do(snapshot.resume, {"return_value": module})
        await self._remember()
        return CodeFinished(snapshot.output, self.printed.output)

    def _wait_at(self, snapshot: Any) -> HostCall:
        self.calls += 1
        if self.calls > self.session.limits.host_calls:
            self.end()
            limit = self.session.limits.host_calls
            raise SandboxError("RuntimeError", text=f"more than {limit} calls of host functions", undone=True)
        assert self.lease is not None
        self.snapshot = snapshot
        workers().park(self.lease)
        return HostCall(snapshot.function_name, snapshot.args, snapshot.kwargs)

    def _module(self, snapshot: Any) -> Any:
        if getattr(snapshot, "function_name", None) != "import":
            return None
        return self.session.modules.get(snapshot.args[0])

    def _environment(self, *, name: str, args: tuple[Any, ...], **_: Any) -> Any:
        from pydantic_monty import NOT_HANDLED

        if name == "os.getenv":
            return self.session.environ.get(args[0], args[1] if len(args) > 1 else None)
        return dict(self.session.environ) if name == "os.environ" else NOT_HANDLED

    async def _remember(self) -> None:
        assert self.lease is not None
        self.session.state = await self._do(self.lease.session.dump)
        self.end()

    async def _failure(self, error: Any) -> SandboxError:
        """What the code did wrong; what it had done up to there stays, unless it broke a limit."""
        from pydantic_monty import MontyError, MontyRuntimeError

        inner = error.exception()
        kind, text = type(inner).__name__, str(error).removeprefix(f"{type(inner).__name__}: ")
        undone = not isinstance(error, MontyRuntimeError) or _LIMIT_BROKEN.search(text) is not None
        if not undone:
            try:
                await self._remember()
            except MontyError:
                undone = True
        self.end()
        return SandboxError(kind, inner.args, text, undone)

    def end(self) -> None:
        lease, self.lease, self.session._run = self.lease, None, None
        if lease is not None:
            workers().release(lease)


def _never(*_: Any, **__: Any) -> Any:
    """Stands for a host function where Monty asks whether a name is one; `Session.resume` gives its result."""
    raise AssertionError("a host function is called by the session's caller")
