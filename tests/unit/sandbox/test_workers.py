"""Few processes serve many sessions, whatever they wait for, and none is lost."""

from __future__ import annotations

import asyncio
import os
import signal
from typing import Any

import pytest

from dspex.primitives import CodeExecutionError, CodeInterpreterError, PythonInterpreter
from dspex.sandbox import workers as room
from dspex.sandbox.session import CodeFinished, HostCall, SandboxError, Session, Step
from dspex.sandbox.workers import Workers


@pytest.fixture
def two(monkeypatch: pytest.MonkeyPatch) -> Workers:
    """Two worker processes, and no others."""
    made = Workers(2)
    monkeypatch.setattr(room, "_workers", made)
    return made


async def all_free(workers: Workers) -> None:
    """Wait until every process has been given back."""
    for _ in range(workers._count):
        await workers._turn()
    for _ in range(workers._count):
        workers._pass_on()


def test_sessions_that_wait_for_a_tool_need_no_process(two: Workers) -> None:
    count = 50

    async def run() -> list[Any]:
        waiting, all_wait = 0, asyncio.Event()

        async def meet(n: int) -> int:
            nonlocal waiting
            waiting += 1
            if waiting == count:
                all_wait.set()
            await all_wait.wait()
            return n * 2

        async def one(n: int) -> Any:
            with PythonInterpreter(tools={"meet": meet}) as interpreter:
                code = "print('before', n)\nfirst = meet(n)\nprint('after', first, n)"
                return await interpreter.aexecute(code, {"n": n}), await interpreter.aexecute("first")

        found = await asyncio.gather(*(one(n) for n in range(count)))
        await all_free(two)
        return found

    assert asyncio.run(run()) == [(f"before {n}\nafter {2 * n} {n}\n", 2 * n) for n in range(count)]
    assert not two._parked


def test_what_a_session_imported_and_wrote_survives_that_it_is_put_away(two: Workers) -> None:
    async def run() -> Any:
        async def others() -> int:
            return sum(await asyncio.gather(*(PythonInterpreter().aexecute("1") for _ in range(6))))

        interpreter = PythonInterpreter(tools={"others": others})
        interpreter.provide_module(
            "extra", "class Extra:\n    pass\nextra = Extra()\nextra.twice = lambda n: 2 * n\nextra"
        )
        body = "a = others()\n    import extra\n    return math.sqrt(extra.twice(a) + others() - 2)"
        return await interpreter.aexecute(f"import math\ndef f():\n    {body}\nf()")

    assert asyncio.run(run()) == 4.0


def test_a_cancelled_execution_gives_its_process_back(two: Workers) -> None:
    async def run() -> Any:
        begun: asyncio.Queue[None] = asyncio.Queue()
        interpreters = [PythonInterpreter(max_seconds=600, tools={"begin": lambda: begun.put_nowait(None)})]
        await interpreters[0].aexecute("x = 1")
        interpreters += [PythonInterpreter(max_seconds=600, tools=interpreters[0].tools) for _ in range(4)]
        code = "begin()\nx = 2\nwhile True:\n    pass"
        endless = [asyncio.ensure_future(interpreter.aexecute(code)) for interpreter in interpreters]
        for _ in range(2):
            await begun.get()
        for task in endless:
            task.cancel()
        ended = await asyncio.gather(*endless, return_exceptions=True)
        assert {type(error) for error in ended} == {asyncio.CancelledError}
        await all_free(two)
        return await interpreters[0].aexecute("x")

    assert asyncio.run(run()) == 1


def test_a_process_that_dies_costs_the_execution_and_not_the_session(two: Workers) -> None:
    def kill() -> None:
        for seat in list(two._parked):
            assert seat.process is not None
            os.kill(seat.process, signal.SIGKILL)

    with PythonInterpreter(tools={"kill": kill}) as interpreter:
        interpreter.execute("x = 1")
        with pytest.raises(CodeExecutionError, match="nothing that this code did was kept"):
            interpreter.execute("x = 2\nkill()")
        assert interpreter.execute("x") == 1


def test_without_a_process_there_is_an_error_that_says_so(two: Workers, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MONTY_BIN", "/does/not/exist")
    with pytest.raises(CodeInterpreterError, match="No sandbox process could be started"):
        PythonInterpreter().execute("1")
    monkeypatch.delenv("MONTY_BIN")
    assert two._free == 2
    assert PythonInterpreter().execute("1") == 1


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_process_forked_after_the_first_use_is_told_why_it_has_no_sandbox() -> None:
    assert PythonInterpreter().execute("1") == 1
    child = os.fork()
    if child == 0:
        try:
            PythonInterpreter().execute("1")
        except CodeInterpreterError as error:
            os._exit(7 if "forked" in str(error) else 1)
        os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
    assert PythonInterpreter().execute("2") == 2


async def driven(session: Session, code: str, answers: dict[str, Any]) -> Step:
    step = await session.start(code, {}, answers)
    while isinstance(step, HostCall):
        step = await session.resume(result=answers[step.name])
    return step


def test_an_abandoned_execution_leaves_the_session_as_it_was(two: Workers) -> None:
    async def run() -> Any:
        session = Session()
        await driven(session, "x = 1", {})
        step = await session.start("x = 2\nask()", {}, {"ask"})
        assert isinstance(step, HostCall)
        assert session.busy
        session.abandon()
        session.abandon()
        assert not session.busy
        await all_free(two)
        return await driven(session, "x", {})

    assert asyncio.run(run()) == CodeFinished(1, "")


def test_errors_name_their_kind_and_arguments(two: Workers) -> None:
    with pytest.raises(SandboxError) as caught:
        asyncio.run(driven(Session(), "raise KeyError('k')", {}))
    assert (caught.value.kind, caught.value.arguments, caught.value.undone) == ("KeyError", ("k",), False)
