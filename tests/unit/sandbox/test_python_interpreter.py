"""`PythonInterpreter`: what it returns, what it raises, what it remembers, what it is given."""

from __future__ import annotations

import asyncio
import copy
import dataclasses
import datetime
import enum
import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pydantic
import pytest

from dspex.bridge import run_sync
from dspex.callback import BaseCallback
from dspex.primitives import (
    CodeExecutionError,
    CodeInterpreter,
    CodeInterpreterError,
    FinalOutput,
    PythonInterpreter,
    resolve_interpreter_factory,
)
from dspex.sandbox.explain import MODULES
from dspex.settings import configure, context, reset


@pytest.fixture
def interpreter() -> Iterator[PythonInterpreter]:
    with PythonInterpreter() as made:
        yield made


class Colour(enum.Enum):
    RED = "red"


class Pair(NamedTuple):
    left: int
    right: str


@dataclasses.dataclass
class Box:
    size: int


class Model(pydantic.BaseModel):
    when: datetime.date


# What comes back


@pytest.mark.parametrize(
    ("code", "result"),
    [
        ("1 + 1", 2),
        ("print('a', 1)", "a 1\n"),
        ("print('lost')\n[1, (2, 3)]", [1, [2, 3]]),
        ("x = 1", ""),
        ("", ""),
        ("None", ""),
        ("{'a': {2, 1}, 3: None}", {"a": [1, 2], 3: None}),
        ("import datetime\ndatetime.date(2020, 1, 2)", "2020-01-02"),
        ("class A:\n    def __init__(self):\n        self.x = 1\n[A()]", ["A(x=1)"]),
        ("from dataclasses import dataclass\n@dataclass\nclass A:\n    x: int\nA(1)", {"x": 1}),
        ("async def f():\n    return 3\nawait f()", 3),
    ],
)
def test_the_last_value_comes_back_or_else_what_was_printed(
    code: str, result: Any, interpreter: PythonInterpreter
) -> None:
    assert interpreter(code) == result


def test_what_code_defines_is_there_for_the_next_code(interpreter: PythonInterpreter) -> None:
    interpreter.execute("import math\nclass A:\n    pass\na = A()\na.x = 1\ndef f(n):\n    return math.sqrt(n) + a.x")
    interpreter.execute("a.x += 1")
    assert interpreter.execute("f(4)") == 4.0


def test_code_that_fails_leaves_what_it_did_before(interpreter: PythonInterpreter) -> None:
    with pytest.raises(CodeExecutionError, match=r"^ZeroDivisionError: \['division by zero'\]$"):
        interpreter.execute("x = 5\n1 / 0")
    assert interpreter.execute("x") == 5


def test_text_that_is_no_python_is_a_syntax_error(interpreter: PythonInterpreter) -> None:
    with pytest.raises(SyntaxError, match="Invalid Python syntax"):
        interpreter.execute("def f(:")


@pytest.mark.parametrize(
    ("code", "told"),
    [
        ("import pandas", "no third-party packages.*collections"),
        ("class A(Exception):\n    pass", "subset of Python, without class inheritance"),
        ("def f():\n    yield 1", r"generator functions \(yield\)"),
        ("vars()", "this builtin is not available"),
        ("nothing_such", r"^NameError: \[.*\]$"),
        ("open('a')", "no access to files"),
        ("list(map(tool, [1]))", "for loop or a comprehension"),
    ],
)
def test_errors_say_what_the_sandbox_lacks(code: str, told: str, interpreter: PythonInterpreter) -> None:
    interpreter.tools["tool"] = lambda n: n
    with pytest.raises(CodeExecutionError, match=told):
        interpreter.execute(code)


def test_the_modules_it_tells_of_are_there(interpreter: PythonInterpreter) -> None:
    interpreter.execute("\n".join(f"import {name}" for name in MODULES))


def test_random_numbers_are_the_same_in_each_session_unless_asked() -> None:
    code = "import random\n[random.random() for _ in range(3)]"
    drawn = []
    for seed in (0, 0, 1, None, None):
        with PythonInterpreter(seed=seed) as interpreter:
            drawn.append(tuple(interpreter.execute(code)))
    assert drawn[0] == drawn[1]
    assert len(set(drawn)) == 4


# SUBMIT


def test_submit_ends_the_code_with_its_output(interpreter: PythonInterpreter) -> None:
    assert interpreter.execute("SUBMIT((1, 2))\nprint('never')") == FinalOutput({"output": [1, 2]})
    interpreter.output_fields = [{"name": "a", "type": "int"}, {"name": "b"}]
    assert interpreter.execute("def done():\n    SUBMIT(1, b='x')\ndone()") == FinalOutput({"a": 1, "b": "x"})
    assert interpreter.execute("2") == 2


def test_submit_passes_handlers_of_exceptions_and_runs_finally(interpreter: PythonInterpreter) -> None:
    code = "try:\n    SUBMIT(1)\nexcept Exception:\n    print('caught')\nfinally:\n    ended = True"
    assert interpreter.execute(code) == FinalOutput({"output": 1})
    assert interpreter.execute("ended") is True


@pytest.mark.parametrize("code", ["SUBMIT()", "SUBMIT(1, 2)", "SUBMIT(other=1)"])
def test_submit_with_the_wrong_arguments_is_told_how_to(code: str, interpreter: PythonInterpreter) -> None:
    with pytest.raises(CodeExecutionError, match=r"TypeError.*SUBMIT\(output\)"):
        interpreter.execute(code)


# Tools


async def later(n: int) -> int:
    await asyncio.sleep(0)
    return n + 1


def fails(n: int) -> int:
    raise ValueError(f"not {n}")


TOOLS: dict[str, Any] = {
    "add": lambda a, b=10: a + b,
    "later": later,
    "fails": fails,
    "box": lambda: Box(3),
    "odd": lambda: object,
    "gather": lambda **named: named,
}


@pytest.mark.parametrize(
    ("code", "result"),
    [
        ("add(1)", 11),
        ("add(1, b=2)", 3),
        ("[add(n) for n in range(3)]", [10, 11, 12]),
        ("later(1) + later(n=2)", 5),
        ("try:\n    fails(1)\nexcept RuntimeError as e:\n    print(e)", "ValueError: not 1\n"),
        ("box()['size']", 3),
        ("odd()", "<class 'object'>"),
        ("gather(a=1, b=(2,))", {"a": 1, "b": [2]}),
        ("def f():\n    return add(1)\nf()", 11),
        ("add = 5\nadd", 5),
    ],
)
def test_tools_are_called_with_data_and_answer_with_data(code: str, result: Any) -> None:
    with PythonInterpreter(tools=TOOLS) as interpreter:
        assert interpreter.execute(code) == result


@pytest.mark.parametrize("code", ["add()", "add(1, 2, 3)", "add(c=1)"])
def test_a_tool_called_wrongly_is_an_error_of_the_code(code: str) -> None:
    with PythonInterpreter(tools=TOOLS) as interpreter, pytest.raises(CodeExecutionError, match="TypeError"):
        interpreter.execute(code)


def test_an_interrupt_in_a_tool_goes_to_the_caller_and_undoes_the_code() -> None:
    def interrupted() -> None:
        raise KeyboardInterrupt

    with PythonInterpreter(tools={"stop": interrupted}) as interpreter:
        interpreter.execute("x = 1")
        with pytest.raises(KeyboardInterrupt):
            interpreter.execute("x = 2\nstop()")
        assert interpreter.execute("x") == 1


def test_a_tool_cannot_run_code_in_the_interpreter_that_called_it(interpreter: PythonInterpreter) -> None:
    interpreter.tools["again"] = lambda: interpreter.execute("1")
    with pytest.raises(CodeExecutionError, match="cannot execute recursively from one of its tools"):
        interpreter.execute("again()")
    assert interpreter.execute("1") == 1


def test_sandboxed_code_calls_sandboxed_code_to_any_depth() -> None:
    def down(n: int) -> int:
        with PythonInterpreter(tools={"down": down}) as below:
            found: int = below.execute("down(n - 1) + 1 if n else 0", {"n": n})
            return found

    assert down(12) == 12


# Variables


@pytest.mark.parametrize(
    ("value", "seen"),
    [
        ("é\x00'\"\\\n", "é\x00'\"\\\n"),
        (True, True),
        (10**40, 10**40),
        (float("inf"), float("inf")),
        ((1, {2}), [1, [2]]),
        ({"a": None, 2: b"x"}, {"a": None, 2: "x"}),
        (Colour.RED, "red"),
        (Pair(1, "b"), {"left": 1, "right": "b"}),
        (Box(2), {"size": 2}),
        (Model(when="2020-01-02"), {"when": "2020-01-02"}),  # type: ignore[arg-type]
        (datetime.date(2020, 1, 2), "2020-01-02"),
        (Path("/a"), "/a"),
        ("lone \ud800", "lone ?"),
    ],
)
def test_variables_are_seen_as_data(value: Any, seen: Any, interpreter: PythonInterpreter) -> None:
    assert interpreter.execute("given", {"given": value}) == seen


def test_a_long_text_is_a_variable_like_any_other(interpreter: PythonInterpreter) -> None:
    assert interpreter.execute("len(text)", {"text": "x" * 20_000_000}) == 20_000_000


@pytest.mark.parametrize("name", ["not a name", "class", "", "1a"])
def test_a_variable_needs_a_name(name: str, interpreter: PythonInterpreter) -> None:
    with pytest.raises(CodeInterpreterError, match="Invalid variable name"):
        interpreter.execute("1", {name: 1})


def test_a_value_that_is_no_data_is_refused_by_the_name_of_its_variable(interpreter: PythonInterpreter) -> None:
    with pytest.raises(CodeInterpreterError, match=r"Unsupported value type: object.*'thing'"):
        interpreter.execute("1", {"thing": [object()]})


# Files, environment, network


def test_given_files_are_copies_and_only_writable_ones_are_written_back(tmp_path: Path) -> None:
    read, write = tmp_path / "in.txt", tmp_path / "out.txt"
    read.write_text("hello")
    with PythonInterpreter(enable_read_paths=[read], enable_write_paths=[str(write)]) as interpreter:
        code = "text = open('/sandbox/in.txt').read()\nwith open('/sandbox/out.txt', 'w') as f:\n    f.write(text * 2)"
        interpreter.execute(code)
        interpreter.execute("with open('/sandbox/in.txt', 'w') as f:\n    f.write('changed')")
        interpreter.execute("with open('/sandbox/new.txt', 'w') as f:\n    f.write('new')")
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"in.txt": "hello", "out.txt": "hellohello"}


def test_files_stay_as_they_are_when_not_synced(tmp_path: Path) -> None:
    file = tmp_path / "out.txt"
    file.write_text("before")
    with PythonInterpreter(enable_write_paths=[file], sync_files=False) as interpreter:
        interpreter.execute("with open('/sandbox/out.txt', 'w') as f:\n    f.write('after')")
    assert file.read_text() == "before"


def test_files_that_cannot_be_given_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    with pytest.raises(CodeInterpreterError, match="is a folder"):
        PythonInterpreter(enable_read_paths=[tmp_path / "a"])
    with pytest.raises(CodeInterpreterError, match="unique basenames"):
        PythonInterpreter(enable_read_paths=[tmp_path / "x", tmp_path / "a" / "x"])
    missing = PythonInterpreter(enable_read_paths=[tmp_path / "missing"])
    with missing, pytest.raises(FileNotFoundError, match="Cannot mount non-existent file"):
        missing.execute("1")


def test_named_environment_variables_are_seen_and_no_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHOWN", "yes")
    monkeypatch.setenv("HIDDEN", "no")
    with PythonInterpreter(enable_env_vars=["SHOWN", "UNSET"]) as interpreter:
        assert interpreter.execute("import os\n[os.environ, os.getenv('SHOWN'), os.getenv('HIDDEN', 'none')]") == [
            {"SHOWN": "yes"},
            "yes",
            "none",
        ]


def test_a_network_is_refused_and_deno_is_told_off() -> None:
    with pytest.raises(CodeInterpreterError, match="no network"):
        PythonInterpreter(enable_network_access=["example.com"])
    with pytest.warns(UserWarning, match="not in Deno"):
        PythonInterpreter(deno_command=["deno", "run"])
    with pytest.raises(TypeError, match="list of strings"):
        PythonInterpreter(deno_command={})  # type: ignore[arg-type]


# Life


def test_it_ends_with_shutdown() -> None:
    interpreter = PythonInterpreter()
    interpreter.start()
    interpreter.start()
    interpreter.shutdown()
    interpreter.shutdown()
    for use in (interpreter.start, lambda: interpreter.execute("1")):
        with pytest.raises(CodeInterpreterError, match="session has ended"):
            use()


def test_copies_go_their_own_ways() -> None:
    with PythonInterpreter() as interpreter:
        interpreter.execute("x = [1]")
        copied, pickled = copy.deepcopy(interpreter), pickle.loads(pickle.dumps(interpreter))
        for each, number in ((copied, 2), (pickled, 3)):
            assert each.execute(f"x.append({number})\nx") == [1, number]
        assert interpreter.execute("x") == [1]


def test_it_runs_wherever_it_is_called_from() -> None:
    def synchronous(interpreter: PythonInterpreter) -> Any:
        return interpreter.execute("later(1) + x", {"x": 1})

    async def asynchronous() -> list[Any]:
        with PythonInterpreter(tools=TOOLS) as interpreter:
            return [
                await interpreter.aexecute("later(1) + x", {"x": 1}),
                await run_sync(synchronous, interpreter),
                await asyncio.to_thread(synchronous, interpreter),
                synchronous(interpreter),
            ]

    assert asyncio.run(asynchronous()) == [3, 3, 3, 3]


def test_limits_are_positive() -> None:
    with pytest.raises(ValueError, match="seconds"):
        PythonInterpreter(max_seconds=0)


def test_callbacks_hear_of_everything() -> None:
    heard: list[Any] = []

    class Listener(BaseCallback):
        def on_interpreter_startup_start(self, call_id: str, instance: Any, inputs: Any) -> None:
            heard.append("startup")

        def on_interpreter_execute_start(self, call_id: str, instance: Any, inputs: Any) -> None:
            heard.append(("execute", inputs["code"]))

        def on_interpreter_execute_end(self, call_id: str, outputs: Any, exception: Any = None) -> None:
            heard.append(("executed", outputs, type(exception).__name__))

        def on_interpreter_tool_call_end(self, call_id: str, outputs: Any, exception: Any = None) -> None:
            heard.append(("tool", outputs))

        def on_interpreter_shutdown_end(self, call_id: str, outputs: Any, exception: Any = None) -> None:
            heard.append("shutdown")

    with PythonInterpreter(tools=TOOLS, callbacks=[Listener()]) as interpreter:
        interpreter.start()
        interpreter.execute("add(1)")
        with pytest.raises(CodeExecutionError):
            interpreter.execute("1 / 0")
    assert heard == [
        "startup",
        ("execute", "add(1)"),
        ("tool", 11),
        ("executed", 11, "NoneType"),
        ("execute", "1 / 0"),
        ("executed", None, "CodeExecutionError"),
        "shutdown",
    ]


# The protocol


def test_it_is_a_code_interpreter(interpreter: PythonInterpreter) -> None:
    assert isinstance(interpreter, CodeInterpreter)
    assert not isinstance(object(), CodeInterpreter)


def test_the_factory_is_the_modules_own_or_the_configured_one() -> None:
    def own() -> Any: ...
    def configured() -> Any: ...

    assert resolve_interpreter_factory() is PythonInterpreter
    with context(interpreter_factory=configured):
        assert resolve_interpreter_factory(PythonInterpreter) is configured
        assert resolve_interpreter_factory(None) is configured
        assert resolve_interpreter_factory(own) is own
    try:
        configure(interpreter_factory=3)
        with pytest.raises(TypeError, match=r"settings\.interpreter_factory must be a zero-argument callable"):
            resolve_interpreter_factory()
    finally:
        reset()


def test_final_outputs_compare_by_value() -> None:
    assert FinalOutput({"a": 1}) == FinalOutput({"a": 1}) != FinalOutput({"a": 2})
    assert FinalOutput(1) != 1
    assert repr(FinalOutput("a")) == "FinalOutput('a')"
    assert issubclass(CodeExecutionError, CodeInterpreterError)
    assert issubclass(CodeInterpreterError, RuntimeError)
