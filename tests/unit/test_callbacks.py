"""Callbacks hear of every call, in order, with its parent, from whatever thread or task; and can break nothing."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from typing import Any

import pytest

import dspex
from dspex.utils.callback import ACTIVE_CALL_ID, BaseCallback, with_callbacks
from dspex.utils.dummies import DummyLM

KINDS = ("module", "lm", "adapter_format", "adapter_parse", "tool", "evaluate", "compile", "interpreter_execute")


class Recorder(BaseCallback):
    """Keeps what it hears: events by name, and the parent of each call."""

    def __init__(self, name: str = "") -> None:
        self.name = name
        self.events: list[tuple[str, Any]] = []
        self.started: dict[str, tuple[str, str | None, Any]] = {}
        self.ended: dict[str, tuple[Any, BaseException | None]] = {}

    def names(self) -> list[str]:
        return [name for name, _ in self.events]

    def ancestors(self, call_id: str) -> list[str]:
        kind, parent, _ = self.started[call_id]
        return [kind, *(self.ancestors(parent) if parent else [])]


def _hooks(kind: str) -> dict[str, Any]:
    def start(self: Recorder, call_id: str, instance: Any, inputs: dict[str, Any]) -> None:
        self.events.append((f"{kind}_start", inputs))
        self.started[call_id] = (kind, ACTIVE_CALL_ID.get(), instance)

    def end(self: Recorder, call_id: str, outputs: Any, exception: BaseException | None = None) -> None:
        self.events.append((f"{kind}_end", outputs))
        self.ended[call_id] = (outputs, exception)

    return {f"on_{kind}_start": start, f"on_{kind}_end": end}


for _kind in KINDS:
    for _name, _hook in _hooks(_kind).items():
        setattr(Recorder, _name, _hook)


@pytest.fixture
def heard() -> Iterator[Recorder]:
    recorder = Recorder()
    with dspex.context(lm=DummyLM([{"answer": "a", "reasoning": "r"}] * 50), callbacks=[recorder]):
        yield recorder


PREDICTION = [
    "module_start",
    "adapter_format_start",
    "adapter_format_end",
    "lm_start",
    "lm_end",
    "adapter_parse_start",
    "adapter_parse_end",
    "module_end",
]


def test_calls_are_heard_in_order_and_nested(heard: Recorder) -> None:
    dspex.ChainOfThought("question -> answer")(question="?")
    assert heard.names() == ["module_start", *PREDICTION, "module_end"]
    lm_call = next(call_id for call_id, (kind, _, _) in heard.started.items() if kind == "lm")
    assert heard.ancestors(lm_call) == ["lm", "module", "module"]


async def test_asynchronous_calls_are_heard_alike(heard: Recorder) -> None:
    await dspex.ChainOfThought("question -> answer").acall(question="?")
    assert heard.names() == ["module_start", *PREDICTION, "module_end"]


def test_inputs_and_outputs_are_told(heard: Recorder) -> None:
    prediction = dspex.Predict("question -> answer")(question="?")
    assert heard.events[0] == ("module_start", {"args": (), "kwargs": {"question": "?"}})
    assert heard.events[-1] == ("module_end", prediction)


def test_each_call_at_once_has_its_own_parent(heard: Recorder) -> None:
    class Program(dspex.Module):
        def __init__(self) -> None:
            super().__init__()
            self.step = dspex.Predict("question -> answer")

        def forward(self, question: str) -> Any:
            return self.step(question=question)

    examples = [dspex.Example(question=str(n), answer="a").with_inputs("question") for n in range(8)]
    dspex.Evaluate(devset=examples, metric=lambda *_: True, num_threads=4, display_progress=False)(Program())
    calls = [call_id for call_id, (kind, _, _) in heard.started.items() if kind == "lm"]
    assert [heard.ancestors(call_id) for call_id in calls] == [["lm", "module", "module", "evaluate"]] * 8
    assert len({heard.started[call_id][1] for call_id in calls}) == 8


async def test_parents_are_right_in_tasks(heard: Recorder) -> None:
    programs = [dspex.ChainOfThought("question -> answer") for _ in range(3)]
    await asyncio.gather(*(program.acall(question="?") for program in programs))
    calls = [call_id for call_id, (kind, _, _) in heard.started.items() if kind == "lm"]
    assert [heard.ancestors(call_id) for call_id in calls] == [["lm", "module", "module"]] * 3


def test_failure_is_told_and_raised(heard: Recorder) -> None:
    class Failing(dspex.Module):
        def forward(self) -> None:
            raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        Failing()()
    ((outputs, exception),) = heard.ended.values()
    assert outputs is None
    assert isinstance(exception, ValueError)


def test_failing_callback_is_logged_and_changes_nothing(caplog: pytest.LogCaptureFixture) -> None:
    class Broken(BaseCallback):
        def on_module_start(self, call_id: str, instance: Any, inputs: dict[str, Any]) -> None:
            raise RuntimeError("broken start")

        def on_module_end(self, call_id: str, outputs: Any, exception: BaseException | None = None) -> None:
            raise RuntimeError("broken end")

    recorder = Recorder()
    with dspex.context(lm=DummyLM([{"answer": "a"}]), callbacks=[Broken(), recorder]), caplog.at_level(logging.WARNING):
        assert dspex.Predict("question -> answer")(question="?").answer == "a"
    assert recorder.names() == PREDICTION
    assert "broken start" in caplog.text
    assert "broken end" in caplog.text


def test_everybodys_callbacks_come_before_the_instances_own() -> None:
    order: list[str] = []

    class Named(BaseCallback):
        def __init__(self, name: str) -> None:
            self.name = name

        def on_module_start(self, call_id: str, instance: Any, inputs: dict[str, Any]) -> None:
            order.append(self.name)

    with dspex.context(lm=DummyLM([{"answer": "a"}]), callbacks=[Named("all")]):
        dspex.Predict("question -> answer", callbacks=[Named("own")])(question="?")
    assert order == ["all", "own"]


class Target:
    """A class of a user's own."""

    def __init__(self, callbacks: list[Any]) -> None:
        self.callbacks = callbacks

    @with_callbacks
    def forward(self, x: int, y: str = "y", *rest: int, flag: bool = False, **more: Any) -> int:
        return x + 1

    @with_callbacks
    async def aforward(self, x: int) -> int:
        await asyncio.sleep(0)
        if x < 0:
            raise ValueError(x)
        return x + 1


def test_users_own_methods_are_heard_as_modules() -> None:
    recorder = Recorder()
    assert Target([recorder]).forward(1, "z", 5, key="k") == 2
    inputs = {"x": 1, "y": "z", "rest": (5,), "flag": False, "more": {"key": "k"}}
    assert recorder.events == [("module_start", inputs), ("module_end", 2)]


async def test_users_own_asynchronous_methods_are_heard() -> None:
    recorder = Recorder()
    target = Target([recorder])
    assert await target.aforward(1) == 2
    with pytest.raises(ValueError, match="-1"):
        await target.aforward(-1)
    assert recorder.names() == ["module_start", "module_end"] * 2
    assert [type(error) for _, error in recorder.ended.values()] == [type(None), ValueError]


def test_method_keeps_its_name_and_runs_without_callbacks() -> None:
    assert Target.forward.__name__ == "forward"
    assert Target([]).forward(1) == 2


@pytest.mark.parametrize("wrong", [(), (1, "a", "b")])
def test_wrong_arguments_are_refused_as_ever(wrong: tuple[Any, ...]) -> None:
    class Plain:
        callbacks = [Recorder()]

        @with_callbacks
        def run(self, x: int, y: int = 0) -> int:
            return x

    with pytest.raises(TypeError):
        Plain().run(*wrong)


def test_adapters_are_heard_as_adapters() -> None:
    recorder = Recorder()

    class Own(dspex.ChatAdapter):
        def format(self, *args: Any, **kwargs: Any) -> Any:
            return []

        @with_callbacks
        def other(self) -> None: ...

    adapter = Own(callbacks=[recorder])
    adapter.format(dspex.Signature("q -> a"), [], {"q": "?"})
    assert recorder.names() == ["adapter_format_start", "adapter_format_end"]
    with pytest.raises(ValueError, match="other"):
        adapter.other()


def test_optimizers_are_heard_once_though_they_call_their_base() -> None:
    class First(dspex.Teleprompter):
        def compile(self, student: Any, *, trainset: Any = None, **kwargs: Any) -> Any:
            return student

    class Second(First):
        def compile(self, student: Any, *, trainset: Any = None, **kwargs: Any) -> Any:
            return super().compile(student, trainset=trainset)

    recorder = Recorder()
    program = dspex.Predict("question -> answer")
    with dspex.context(callbacks=[recorder]):
        assert Second().compile(program, trainset=[]) is program
    assert recorder.events == [
        ("compile_start", {"student": program, "trainset": [], "kwargs": {}}),
        ("compile_end", program),
    ]
    (instance,) = (instance for _, _, instance in recorder.started.values())
    assert isinstance(instance, Second)


def test_every_hook_exists_and_does_nothing() -> None:
    hooks = [name for name in dir(BaseCallback) if name.startswith("on_")]
    assert len(hooks) == 22
    for name in hooks:
        what = {"outputs": None} if name.endswith("_end") else {"instance": None, "inputs": {}}
        getattr(BaseCallback(), name)(call_id="1", **what)
