"""`LocalInterpreter`: CPython in a process of its own. What it returns and raises is compared in tests/parity."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from dspex.primitives import CodeExecutionError, CodeInterpreter, CodeInterpreterError, FinalOutput, LocalInterpreter


@pytest.fixture
def interpreter() -> Iterator[LocalInterpreter]:
    with LocalInterpreter() as made:
        yield made


def test_code_keeps_its_state_and_has_all_of_python(interpreter: LocalInterpreter) -> None:
    assert isinstance(interpreter, CodeInterpreter)
    interpreter.execute("import statistics\nclass Mine(Exception):\n    pass\nx = statistics.mean([1, 3])")
    assert interpreter("x") == 2
    assert interpreter("def f():\n    yield from range(2)\nlist(f())") == [0, 1]
    assert interpreter("None") is None


def test_output_of_every_kind_is_captured(interpreter: LocalInterpreter) -> None:
    code = "import os, sys, subprocess\nprint('a')\nprint('b', file=sys.stderr)\nos.write(1, b'c\\n')"
    assert interpreter.execute(f"{code}\nsubprocess.run(['echo', 'd'])\nNone") == "a\nb\nc\nd"


def test_tools_of_several_threads_run_at_once(interpreter: LocalInterpreter) -> None:
    together = threading.Barrier(3, timeout=30)

    def meet(n: int) -> int:
        together.wait()
        return n

    interpreter.tools["meet"] = meet
    code = "from concurrent.futures import ThreadPoolExecutor\nwith ThreadPoolExecutor(3) as threads:\n"
    assert interpreter.execute(f"{code}    found = list(threads.map(meet, range(3)))\nfound") == [0, 1, 2]


def test_a_thread_left_running_ends_the_session(interpreter: LocalInterpreter) -> None:
    code = "import threading\nthreading.Thread(target=threading.Event().wait, daemon=True, name='left').start()"
    with pytest.raises(CodeInterpreterError, match=r"left background threads running.*left"):
        interpreter.execute(code)
    with pytest.raises(CodeInterpreterError, match="shut down"):
        interpreter.execute("1")


def test_an_execution_that_takes_too_long_ends_the_session() -> None:
    interpreter = LocalInterpreter(execution_timeout=0.3)
    with pytest.raises(CodeInterpreterError, match=r"exceeded execution timeout of 0\.3 seconds"):
        interpreter.execute("while True:\n    pass")
    assert not isinstance(CodeInterpreterError(), CodeExecutionError)


def test_a_process_that_dies_ends_the_session(interpreter: LocalInterpreter) -> None:
    with pytest.raises(CodeInterpreterError, match="exited unexpectedly"):
        interpreter.execute("import os\nos._exit(3)")


def test_what_is_no_json_is_refused(interpreter: LocalInterpreter) -> None:
    interpreter.tools["odd"] = lambda: object()
    with pytest.raises(CodeExecutionError, match="not JSON serializable"):
        interpreter.execute("odd()")
    for variables in ({"a": object()}, {"a": float("nan")}, {"odd": 1}, {"SUBMIT": 1}, {"a b": 1}):
        with pytest.raises(CodeInterpreterError):
            interpreter.execute("1", variables)


def test_it_holds_up_no_event_loop() -> None:
    async def run() -> Any:
        released = asyncio.Event()

        async def wait() -> str:
            await released.wait()
            return "released"

        with LocalInterpreter(tools={"wait": lambda: asyncio.run_coroutine_threadsafe(wait(), loop).result()}) as made:
            loop = asyncio.get_running_loop()
            running = asyncio.ensure_future(made.aexecute("SUBMIT(wait())"))
            await asyncio.sleep(0)
            released.set()
            return await running

    assert asyncio.run(run()) == FinalOutput({"output": "released"})


def test_an_interrupt_in_a_tool_goes_to_the_caller(interpreter: LocalInterpreter) -> None:
    def stop() -> None:
        raise KeyboardInterrupt

    interpreter.tools["stop"] = stop
    with pytest.raises(KeyboardInterrupt):
        interpreter.execute("stop()")
