"""Nothing that sandboxed code does reaches the host, lasts beyond its limits, or harms the session it runs in."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from dspex.primitives import CodeExecutionError, PythonInterpreter


@pytest.fixture(scope="module")
def interpreter() -> Iterator[PythonInterpreter]:
    with PythonInterpreter(max_seconds=0.2, max_memory_mb=64) as made:
        made.execute("kept = 'safe'")
        yield made


SECRET = "a-secret-of-the-host"

NO_ACCESS = [
    "open('/etc/passwd').read()",
    "open('/proc/self/environ').read()",
    "open('{file}').read()",
    "open('/sandbox/../{file}').read()",
    "open('{file}', 'w').write('changed')",
    "with open('{file}') as f:\n    f.read()",
    "import os\nos.listdir('/')",
    "import os\nos.listdir('{folder}')",
    "import os\nos.remove('{file}')",
    "import os\nos.rename('{file}', '{file}2')",
    "import os\nos.mkdir('{folder}/made')",
    "import os\nos.stat('{file}')",
    "import os\nos.environ['HOST_SECRET']",
    "import os\nos.system('touch {folder}/touched')",
    "import os\nos.popen('id')",
    "import os\nos.fork()",
    "import os\nos.kill(1, 9)",
    "import os\nos._exit(1)",
    "import pathlib\npathlib.Path('{file}').read_text()",
    "import pathlib\npathlib.Path('{file}').write_text('changed')",
    "from pathlib import Path\nlist(Path('{folder}').iterdir())",
    "import subprocess\nsubprocess.run(['id'])",
    "import socket\nsocket.create_connection(('127.0.0.1', 80))",
    "import urllib.request\nurllib.request.urlopen('http://127.0.0.1')",
    "import ctypes",
    "import importlib",
    "import builtins",
    "import threading",
    "import multiprocessing",
    "import signal",
    "import pickle",
    "import dspex",
    "import dspy",
    "import sys\nsys.modules",
    "import sys\nsys._getframe()",
    "import sys\nsys.path",
    "import sys\nsys.settrace(print)",
    "__import__('os').system('id')",
    "__builtins__",
    "globals()['__builtins__']",
    "breakpoint()",
    "input()",
    "exit()",
    "compile('1', 'a', 'eval')",
    "eval('open(\"/etc/passwd\")')",
    "exec('import subprocess')",
    "().__class__.__base__.__subclasses__()",
    "[].__class__.__mro__",
    "type(1).__subclasses__()",
    "object.__subclasses__()",
    "(lambda: 0).__globals__",
    "(lambda: 0).__code__",
    "(lambda: 0).__class__.__init__.__globals__",
    "getattr([], '__cl' + 'ass__')",
    "'{0.__class__.__base__}'.format(1)",
    "'{0.__init__.__globals__}'.format(print)",
    "f'{().__class__}'",
    "print.__self__",
    "tool.__globals__",
    "tool.__self__",
    "tool.__wrapped__",
    "tool.__call__.__globals__",
    "try:\n    1 / 0\nexcept Exception as e:\n    e.__traceback__.tb_frame.f_globals",
    "def f():\n    pass\nf.__closure__",
]


@pytest.mark.parametrize("code", NO_ACCESS)
def test_code_reaches_nothing_of_the_host(
    code: str, interpreter: PythonInterpreter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOST_SECRET", SECRET)
    file = tmp_path / "host.txt"
    file.write_text(SECRET)
    interpreter.tools["tool"] = lambda: "called"
    for part, value in (("{file}", file), ("{folder}", tmp_path)):
        code = code.replace(part, str(value))

    with pytest.raises(CodeExecutionError) as caught:
        interpreter.execute(code)

    assert SECRET not in str(caught.value)
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("host.txt", SECRET)]


def test_the_environment_reads_as_empty(interpreter: PythonInterpreter, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOST_SECRET", SECRET)
    assert interpreter.execute("import os\n[dict(os.environ), os.getenv('HOST_SECRET'), os.getcwd()]") == [
        {},
        None,
        "/",
    ]


BOMBS = {
    "endless loop": "while True:\n    pass",
    "endless loop that catches": (
        "while True:\n    try:\n        while True:\n            pass\n    except BaseException:\n        pass"
    ),
    "endless loop in finally": "try:\n    1 / 0\nfinally:\n    while True:\n        pass",
    "long sum": "sum(range(10**12))",
    "long comprehension": "[0 for _ in range(10**12) if False]",
    "long string": "'a' * 10**10",
    "long string, just over": "'a' * (60 * 1024 * 1024)",
    "long list": "[0] * 10**9",
    "growing list": "a = []\nwhile True:\n    a.append('x' * 10_000)",
    "growing dict": "d = {}\ni = 0\nwhile True:\n    d[i] = str(i) * 100\n    i += 1",
    "nested growth": "a = 'x'\nwhile True:\n    a = a + a",
    "giant integer": "10 ** 10 ** 9",
    "giant shift": "1 << (1 << 40)",
    "giant product": "x = 3\nwhile True:\n    x = x * x",
    "wide format": "'{:>10000000000}'.format('a')",
    "wide f-string": "f'{1:10000000000}'",
    "long join": "','.join(['a' * 1000] * 10**7)",
    "long replace": "('a' * 10**6).replace('a', 'b' * 10**6)",
    "endless printing": "while True:\n    print('x' * 1000)",
    "long print": "print('x' * (20 * 1024 * 1024))",
    "permutations": "import itertools\nlist(itertools.permutations(range(30)))",
    "product": "import itertools\nlist(itertools.product(range(1000), repeat=5))",
}


@pytest.mark.parametrize("code", BOMBS.values(), ids=BOMBS)
def test_code_that_exceeds_a_limit_is_ended_and_undone(code: str, interpreter: PythonInterpreter) -> None:
    with pytest.raises(CodeExecutionError, match=r"nothing that this code did was kept|OverflowError"):
        interpreter.execute(f"kept = 'lost'\n{code}")
    assert interpreter.execute("kept") in ("safe", "lost")  # the session is well
    interpreter.execute("kept = 'safe'")


HARMLESS = {
    "recursion": ("def f():\n    return f()\nf()", "RecursionError"),
    "mutual recursion": ("def f():\n    return g()\ndef g():\n    return f()\nf()", "RecursionError"),
    "recursive repr": ("class A:\n    def __repr__(self):\n        return repr(self)\nrepr(A())", "RecursionError"),
    "decimal digits": ("int('9' * 100_000)", "ValueError"),
    "digits of a power": ("str(10 ** 5000)", "ValueError"),
    "exit": ("raise SystemExit", "SystemExit"),
    "interrupt": ("raise KeyboardInterrupt", "KeyboardInterrupt"),
}


@pytest.mark.parametrize(("code", "kind"), HARMLESS.values(), ids=HARMLESS)
def test_code_cannot_fail_in_a_way_that_ends_the_session(code: str, kind: str, interpreter: PythonInterpreter) -> None:
    with pytest.raises(CodeExecutionError, match=kind):
        interpreter.execute(code)
    assert interpreter.execute("kept") == "safe"


def test_deeply_nested_code_is_refused(interpreter: PythonInterpreter) -> None:
    for code in ("(" * 5000 + ")" * 5000, "[" * 100_000, "-" * 50_000 + "1", "x" + ".y" * 20_000, "if 1:\n" * 3):
        with pytest.raises((SyntaxError, CodeExecutionError)):
            interpreter.execute(code)
    assert interpreter.execute("kept") == "safe"


def test_a_value_that_contains_itself_comes_out_in_words(interpreter: PythonInterpreter) -> None:
    assert "..." in str(interpreter.execute("a = []\na.append(a)\na"))


def test_sleeping_takes_no_time(interpreter: PythonInterpreter) -> None:
    assert interpreter.execute("import time\ntime.sleep(10**6)\n'awake'") == "awake"


def test_a_tool_cannot_be_called_for_ever() -> None:
    with (
        PythonInterpreter(tools={"tool": lambda: 1}, max_tool_calls=20) as interpreter,
        pytest.raises(CodeExecutionError, match="more than 20 calls"),
    ):
        interpreter.execute("while True:\n    tool()")


def test_a_tool_gets_data_and_nothing_that_acts() -> None:
    given = []
    with PythonInterpreter(tools={"tool": lambda value: given.append(value)}) as interpreter:
        interpreter.execute("class A:\n    pass\nfor value in (A(), len, lambda: 1, A, (1, {2})):\n    tool(value)")
    assert all(isinstance(value, str | list) for value in given)
    assert given[-1] == [1, [2]]


def test_the_sandbox_runs_in_another_process() -> None:
    from dspex.sandbox.workers import workers

    with PythonInterpreter() as interpreter:
        pids = []
        interpreter.tools["look"] = lambda: pids.extend(seat.process for seat in workers()._parked)
        interpreter.execute("look()")
    assert pids
    assert os.getpid() not in pids
